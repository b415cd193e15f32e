#include "receiver/driver.hpp"

#include "tests/unit/receiver/dialog.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <stdexcept>
#include <string>
#include <vector>

namespace wicket {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

/// What one read brings: octets or the end of waiting, after some time has passed.
struct Arrival {
    std::string octets;
    IoStatus status = IoStatus::ok;
    std::chrono::seconds after{0};
};

/// A connection whose peer follows a script. A read that the deadline overtakes times out, like a real one;
/// when the script is over, the peer closes.
class ScriptedConnection : public Connection {
public:
    ScriptedConnection(boost::asio::io_context& loop, ManualClock& clock, std::deque<Arrival> arrivals)
        : loop_(loop), clock_(clock), arrivals_(std::move(arrivals)) {
        peer_.ip = peer_.socket_ip = IpAddress::parse("192.0.2.1").value();
    }

    const Peer& peer() const override { return peer_; }
    std::optional<std::string> become(Peer peer) override {
        peer_ = std::move(peer);
        return turned_away;
    }
    const TlsDetails& tls() const override { return tls_; }
    bool is_scarce() const override { return are_places_scarce; }
    const std::string& listener() const override { return listener_; }

    boost::asio::awaitable<ReadResult> read(SteadyTime deadline, Drain drain) override {
        give_back();
        drains.push_back(drain);
        if (arrivals_.empty()) co_return ReadResult{IoStatus::closed, {}};
        Arrival& next = arrivals_.front();
        if (clock_.steady() + next.after >= deadline) {
            clock_.advance(std::chrono::duration_cast<std::chrono::microseconds>(deadline - clock_.steady()));
            co_return ReadResult{IoStatus::timed_out, {}};
        }
        clock_.advance(next.after);
        buffer_ = std::make_unique<std::string>(next.octets);
        const IoStatus status = next.status;
        arrivals_.pop_front();
        co_return ReadResult{status, *buffer_};
    }
    bool has_input() override { return talks_on && talks_on(); }
    boost::asio::awaitable<IoStatus> write(std::string octets, SteadyTime) override {
        give_back();
        writes.push_back(std::move(octets));
        co_return write_status;
    }
    boost::asio::awaitable<IoStatus> start_tls(SteadyTime) override {
        give_back();
        tls_.version = "TLSv1.3";
        co_return tls_status;
    }
    void close() override { is_closed = true; }
    boost::asio::any_io_executor executor() override { return loop_.get_executor(); }

    std::function<bool()> talks_on;  // whether more is in the socket at this moment
    std::vector<std::string> writes;
    std::vector<Drain> drains;
    IoStatus write_status = IoStatus::ok;
    IoStatus tls_status = IoStatus::ok;
    bool is_closed = false;
    bool are_places_scarce = false;
    std::optional<std::string> turned_away;
    Peer peer_;

private:
    /// What was read is valid no longer: a buffer of its own makes ASan see a mistake.
    void give_back() { buffer_.reset(); }

    boost::asio::io_context& loop_;
    ManualClock& clock_;
    std::deque<Arrival> arrivals_;
    std::unique_ptr<std::string> buffer_;
    TlsDetails tls_;
    std::string listener_ = "smtp test";
};

/// The visit outlives the driver's, for the tests to look at.
class BorrowedVisit : public Visit {
public:
    explicit BorrowedVisit(ScriptedVisit& visit) : visit_(visit) {}
    boost::asio::awaitable<StageAnswer> connected() override { return visit_.connected(); }
    boost::asio::awaitable<StageAnswer> helo(HeloArguments arguments) override {
        return visit_.helo(std::move(arguments));
    }
    boost::asio::awaitable<StageAnswer> mail(MailArguments arguments) override {
        return visit_.mail(std::move(arguments));
    }
    boost::asio::awaitable<StageAnswer> rcpt(Mailbox recipient) override {
        return visit_.rcpt(std::move(recipient));
    }
    boost::asio::awaitable<StageAnswer> data() override { return visit_.data(); }
    boost::asio::awaitable<MessageAnswer> message(SharedMessage message) override {
        return visit_.message(std::move(message));
    }
    SmtpReply refused_by_session(Stage stage, std::string which, SmtpReply reply, RefusedPath path) override {
        return visit_.refused_by_session(stage, std::move(which), std::move(reply), std::move(path));
    }
    SmtpReply following_reply(SmtpReply reply) override { return visit_.following_reply(std::move(reply)); }
    void abandon() override { visit_.abandon(); }
    void tls_started(const TlsDetails& details) override { visit_.tls_started(details); }
    void peer_changed(const Peer& peer) override { visit_.peer_changed(peer); }
    void noticed(std::string what) override { visit_.noticed(std::move(what)); }
    void ended() override { visit_.ended(); }

private:
    ScriptedVisit& visit_;
};

class SmtpDriverTest : public ::testing::Test {
protected:
    void serve(std::deque<Arrival> arrivals) {
        connection = std::make_shared<ScriptedConnection>(loop, clock, std::move(arrivals));
        if (prepare) prepare(*connection);
        boost::asio::co_spawn(
            loop,
            serve_smtp(connection, std::make_unique<BorrowedVisit>(visit), options, budget, clock),
            [this](std::exception_ptr error) { has_thrown = error != nullptr; }
        );
        loop.run();
        EXPECT_FALSE(has_thrown);
        EXPECT_TRUE(connection->is_closed);
        EXPECT_EQ(std::ranges::count(visit.events, "ended"), 1);
        EXPECT_EQ(visit.events.back(), "ended");
    }
    std::string last_write() const { return connection->writes.empty() ? "" : connection->writes.back(); }

    boost::asio::io_context loop;
    ManualClock clock{WallTime{}};
    ReceiverOptions options = Dialog::default_options();
    ByteBudget budget{1U << 30U, 1U << 30U};
    ScriptedVisit visit;
    std::function<void(ScriptedConnection&)> prepare;
    std::shared_ptr<ScriptedConnection> connection;
    bool has_thrown = false;
};

TEST_F(SmtpDriverTest, WritesOnceForAGroupOfCommands) {
    serve({
        {"EHLO x\r\n"},
        {"MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n"},
        {"a: b\r\n\r\nc\r\n.\r\nMAIL FROM:<>\r\nRC"},
        {"PT TO:<bob@example.test>\r\nRSET\r\nQUIT\r\n"},
    });
    std::vector<std::string> codes;
    for (const std::string& octets : connection->writes)
        codes.push_back(codes_of(octets));
    EXPECT_THAT(codes, ElementsAre("220", "250", "250 250 354", "250 250", "250 250 221"));
    EXPECT_THAT(visit.messages, ElementsAre("a: b\r\n\r\nc\r\n"));
}

TEST_F(SmtpDriverTest, SendsWhatWasSaidBeforeAMessageIsJudged) {
    serve(
        {{"EHLO x\r\n"},
         {"MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nBDAT 6 LAST\r\na: b\r\nNOOP\r\nQUIT\r\n"}}
    );
    EXPECT_EQ(codes_of(connection->writes.at(2)), "250 250");
    EXPECT_EQ(codes_of(connection->writes.at(3)), "250 250 221");
}

TEST_F(SmtpDriverTest, WakesForADrainOnlyBetweenTransactions) {
    serve({
        {"EHLO x\r\n"},
        {"MAIL FROM:<>\r\n"},
        {"RSET\r\n"},
        {"", IoStatus::draining}
    });
    using enum Connection::Drain;
    EXPECT_THAT(connection->drains, ElementsAre(wake, wake, ignore, wake));
    EXPECT_THAT(last_write(), StartsWith("421 4.3.2 "));
}

TEST_F(SmtpDriverTest, BearsFewerErrorsWhileConnectionsAreScarce) {
    for (const bool is_scarce : {false, true}) {
        loop.restart();
        visit = {};
        prepare = [&](ScriptedConnection& made) { made.are_places_scarce = is_scarce; };
        serve({{"EHLO x\r\n"}, {"A\r\n"}, {"B\r\n"}, {"C\r\n"}, {"NOOP\r\n"}});
        const std::string_view last = is_scarce ? "421 4.7.0 Too many errors" : "250 ";
        EXPECT_THAT(last_write(), testing::HasSubstr(last)) << is_scarce;
    }
}

TEST_F(SmtpDriverTest, GivesACommandItsTimeAndNoMore) {
    serve({
        {"EHLO x\r\n", IoStatus::ok, 299s},
        {"NOOP\r\n",   IoStatus::ok, 299s},
        {"QUIT\r\n",   IoStatus::ok, 301s}
    });
    EXPECT_EQ(connection->writes.size(), 4U);
    EXPECT_THAT(last_write(), StartsWith("421 4.4.2 "));
}

TEST_F(SmtpDriverTest, LosesPatienceWithOctetsThatTrickle) {
    for (const std::string_view before :
         {"", "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n"}) {
        std::deque<Arrival> arrivals;
        if (!before.empty()) arrivals.push_back({std::string(before)});
        for (int i = 0; i < 100; ++i)
            arrivals.push_back({"x", IoStatus::ok, 10s});
        loop.restart();
        visit = {};
        const SteadyTime begin = clock.steady();
        serve(std::move(arrivals));
        EXPECT_THAT(last_write(), StartsWith("421 4.4.2 "));
        EXPECT_LE(clock.steady() - begin, before.empty() ? 25s : 71s);
    }
}

constexpr std::string_view ehlo_to_rcpt = "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\n";

TEST_F(SmtpDriverTest, LosesPatienceWithChunksThatTrickle) {
    struct Case {
        std::string_view name;
        std::deque<Arrival> round;
    };
    const Case cases[] = {
        {"an octet and its command together", {{"BDAT 1\r\nx", IoStatus::ok, 50s}}                         },
        {"the octet later",                   {{"BDAT 1\r\n"}, {"x", IoStatus::ok, 100s}}                  },
        {"both later",                        {{"BDAT 1\r\n", IoStatus::ok, 30s}, {"x", IoStatus::ok, 30s}}},
        {"half of a chunk at once",           {{"BDAT 2\r\nx"}, {"x", IoStatus::ok, 50s}}                  },
        {"with commands between",             {{"NOOP\r\n", IoStatus::ok, 50s}, {"BDAT 1\r\nx"}}           },
    };
    for (const auto& [name, round] : cases) {
        SCOPED_TRACE(name);
        std::deque<Arrival> arrivals{{std::string(ehlo_to_rcpt)}};
        for (int i = 0; i < 100; ++i)
            arrivals.insert(arrivals.end(), round.begin(), round.end());
        loop.restart();
        visit = {};
        const SteadyTime begin = clock.steady();
        serve(std::move(arrivals));
        EXPECT_EQ(last_write(), "421 4.4.2 Too slow id=X\r\n");
        EXPECT_LE(clock.steady() - begin, 361s);
    }
}

TEST_F(SmtpDriverTest, IsPatientWithPausesBetweenChunksAndWithItself) {
    std::deque<Arrival> arrivals{{std::string(ehlo_to_rcpt) + "BDAT 8\r\na: b\r\n\r\n"}};
    for (int i = 0; i < 100; ++i)
        arrivals.push_back({"BDAT 30000\r\n" + std::string(30000, 'x'), IoStatus::ok, 299s});
    arrivals.push_back({"BDAT 2\r\n\r\n", IoStatus::ok, 150s});
    arrivals.push_back({"BDAT 0 LAST\r\n", IoStatus::ok, 149s});
    options.limits.text_line_octets = 1U << 24U;
    serve(std::move(arrivals));
    EXPECT_TRUE(visit.saw("message 3000010"));
}

TEST_F(SmtpDriverTest, GivesACommandThatHasBegunLittleTime) {
    serve({
        {"EHLO x\r\n"},
        {"NOOP\r\nNO", IoStatus::ok, 200s},
        {"OP\r\n", IoStatus::ok, 14s},
        {"NO", IoStatus::ok, 200s},
        {"OP", IoStatus::ok, 14s},
        {"\r\n", IoStatus::ok, 2s},
    });
    EXPECT_EQ(codes_of(connection->writes.at(3)), "250");
    EXPECT_EQ(connection->writes.size(), 5U);
    EXPECT_EQ(last_write(), "421 4.4.2 Timed out id=X\r\n");
}

TEST_F(SmtpDriverTest, IsPatientWithASlowButSteadyMessage) {
    std::deque<Arrival> arrivals{{"EHLO x\r\n"}, {"MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n"}};
    for (int i = 0; i < 100; ++i)
        arrivals.push_back({std::string(9998, 'x') + "\r\n", IoStatus::ok, 15s});
    arrivals.push_back({".\r\n", IoStatus::ok, 15s});
    serve(std::move(arrivals));
    EXPECT_TRUE(visit.saw("message 1000000"));
}

TEST_F(SmtpDriverTest, EndsInOrderWhenThePeerVanishesOrCannotBeWrittenTo) {
    const std::deque<Arrival> arrivals{
        {"EHLO x\r\n"},
        {"MAIL FROM:<>\r\n"},
        {"RCPT TO:<bob@example.test>\r\n"},
        {"DATA\r\n"},
        {"a: b\r\n"},
        {".\r\nNO"},
        {"OP\r\n"},
    };
    for (std::size_t count = 0; count <= arrivals.size(); ++count) {
        for (const IoStatus status : {IoStatus::closed, IoStatus::failed, IoStatus::timed_out}) {
            std::deque<Arrival> some(arrivals.begin(), arrivals.begin() + static_cast<std::ptrdiff_t>(count));
            some.push_back({"", status});
            loop.restart();
            visit = {};
            serve(std::move(some));
        }
    }
    prepare = [](ScriptedConnection& broken) { broken.write_status = IoStatus::closed; };
    loop.restart();
    visit = {};
    serve(arrivals);
    EXPECT_EQ(connection->writes.size(), 1U);
}

TEST_F(SmtpDriverTest, SaysSoWhenTheVisitThrows) {
    visit.on_message = []() -> SmtpReply { throw std::runtime_error("a bug"); };
    serve({{"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n"}, {".\r\nNOOP\r\n"}});
    EXPECT_THAT(last_write(), StartsWith("421 4.3.0 "));
    EXPECT_THAT(last_write(), Not(HasSubstr("a bug")));
    EXPECT_TRUE(visit.saw("abandon"));
}

TEST_F(SmtpDriverTest, TurnsTlsOnAndEndsWhenItCannot) {
    serve({{"EHLO x\r\n"}, {"STARTTLS\r\n"}, {"EHLO x\r\n"}, {"QUIT\r\n"}});
    EXPECT_TRUE(visit.saw("tls TLSv1.3"));
    EXPECT_THAT(connection->writes.at(3), Not(HasSubstr("STARTTLS")));
    prepare = [](ScriptedConnection& broken) { broken.tls_status = IoStatus::failed; };
    loop.restart();
    visit = {};
    serve({{"EHLO x\r\n"}, {"STARTTLS\r\n"}, {"EHLO x\r\n"}});
    EXPECT_EQ(connection->writes.size(), 3U);
}

TEST_F(SmtpDriverTest, WaitsForEarlyTalkersWhereItIsToldTo) {
    options.limits.greet_wait = 2s;
    serve({
        {"EHLO x\r\n", IoStatus::ok, 1s},
        {"QUIT\r\n"}
    });
    EXPECT_TRUE(visit.saw("noticed early_talker"));
    EXPECT_EQ(codes_of(connection->writes.at(0)), "220 250");

    visit = {};
    loop.restart();
    serve({
        {"EHLO x\r\n", IoStatus::ok, 3s},
        {"QUIT\r\n"}
    });
    EXPECT_FALSE(visit.saw("noticed early_talker"));

    visit = {};
    loop.restart();
    prepare = [](ScriptedConnection& local) { local.peer_.ip = IpAddress::parse("127.0.0.1").value(); };
    serve({
        {"EHLO x\r\n", IoStatus::ok, 1s},
        {"QUIT\r\n"}
    });
    EXPECT_FALSE(visit.saw("noticed early_talker"));
}

TEST_F(SmtpDriverTest, NoticesWhatComesBeforeTheReplyThatIsWaitedFor) {
    struct Case {
        std::string_view name;
        std::string after;  // the event during which more comes
        std::deque<Arrival> script;
        std::string notice;
        std::string last_codes;
    };
    const std::string to_rcpt = "MAIL FROM:<ann@sender.test>\r\nRCPT TO:<bob@example.test>\r\n";
    const std::string text = "a: b\r\n\r\nc\r\n.\r\n";
    const std::string pipelining = "noticed unauthorised_pipelining";
    const Case cases[] = {
        {"the banner",                      "connected",             {{"EHLO x\r\n"}, {"QUIT\r\n"}},                                                                   "noticed early_talker", "221"        },
        {"EHLO",                            "ehlo x",                {{"EHLO x\r\n"}, {"QUIT\r\n"}},                                                                   pipelining,             "221"        },
        {"HELO",                            "helo x",                {{"HELO x\r\n"}, {"QUIT\r\n"}},                                                                   pipelining,             "221"        },
        {"MAIL",                            "mail ann@sender.test",  {{"EHLO x\r\n"}, {to_rcpt}, {"QUIT\r\n"}},                                                        "",                     "221"        },
        {"MAIL after HELO",
         "mail ann@sender.test",                                     {{"HELO x\r\n"}, {"MAIL FROM:<ann@sender.test>\r\n"}, {"QUIT\r\n"}},
         pipelining,                                                                                                                                                                           "221"        },
        {"RCPT",                            "rcpt bob@example.test", {{"EHLO x\r\n"}, {to_rcpt}, {"QUIT\r\n"}},                                                        "",                     "221"        },
        {"DATA",                            "data",                  {{"EHLO x\r\n"}, {to_rcpt + "DATA\r\n"}, {text}},                                                 pipelining,             "250 250 521"},
        {"a chunk",                         "data",                  {{"EHLO x\r\n"}, {to_rcpt + "BDAT 2 LAST\r\n"}, {"\r\n"}},                                        "",                     "250"        },
        {"the end of a message",            "message 11",            {{"EHLO x\r\n"}, {to_rcpt + "DATA\r\n"}, {text}},                                                 "",                     "250"        },
        {"the end of a message after HELO",
         "message 11",                                               {{"HELO x\r\n"}, {"MAIL FROM:<>\r\n"}, {"RCPT TO:<bob@example.test>\r\n"}, {"DATA\r\n"}, {text}},
         pipelining,                                                                                                                                                                           "250"        },
    };
    for (const Case& one : cases) {
        SCOPED_TRACE(one.name);
        loop.restart();
        visit = {};
        prepare = [&](ScriptedConnection& talking) {
            talking.talks_on = [&] { return !visit.events.empty() && visit.events.back() == one.after; };
        };
        serve(one.script);
        EXPECT_TRUE(visit.saw(one.after));
        for (const std::string& notice : {pipelining, std::string("noticed early_talker")})
            EXPECT_EQ(visit.saw(notice), notice == one.notice) << notice;
        EXPECT_EQ(codes_of(last_write()), one.last_codes);
    }
}

TEST_F(SmtpDriverTest, TellsOfAnEarlyTalkerBeforeTheRulesAreAsked) {
    prepare = [&](ScriptedConnection& talking) { talking.talks_on = [&] { return visit.events.empty(); }; };
    serve({{"EHLO x\r\n"}, {"QUIT\r\n"}});
    EXPECT_EQ(visit.events.at(0), "noticed early_talker");
    EXPECT_EQ(visit.events.at(1), "connected");
}

TEST_F(SmtpDriverTest, TakesNoTextBefore354EvenIfDataIsRefused) {
    visit.data_answer = ScriptedVisit::refuse(451, "4.7.1");
    prepare = [&](ScriptedConnection& talking) {
        talking.talks_on = [&] { return !visit.events.empty() && visit.events.back() == "data"; };
    };
    serve({
        {"EHLO x\r\n"},
        {"MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n"},
        {"RSET\r\nMAIL FROM:<evil@sender.test>\r\n"},
    });
    EXPECT_EQ(codes_of(last_write()), "250 250 521");
    EXPECT_FALSE(visit.saw("mail evil@sender.test"));
}

TEST_F(SmtpDriverTest, TheClientOfXclientWaitsForItsBannerToo) {
    options.limits.greet_wait = 2s;
    options.xclient_networks = {*IpNetwork::parse("127.0.0.0/8")};
    prepare = [](ScriptedConnection& local) { local.peer_.ip = IpAddress::parse("127.0.0.1").value(); };
    const std::string hello = "EHLO relay\r\n", change = "XCLIENT ADDR=203.0.113.9\r\n";
    const auto talks = [&](std::deque<Arrival> arrivals) {
        visit = {};
        loop.restart();
        serve(std::move(arrivals));
        return visit.saw("noticed early_talker");
    };
    EXPECT_TRUE(talks({
        {hello},
        {change},
        {"EHLO x\r\n", IoStatus::ok, 1s},
        {"QUIT\r\n"}
    }));
    EXPECT_EQ(visit.last_peer.ip.to_string(), "203.0.113.9");
    EXPECT_FALSE(talks({
        {hello},
        {change},
        {"EHLO x\r\n", IoStatus::ok, 3s},
        {"QUIT\r\n"}
    }));
    // Behind the command itself.
    EXPECT_TRUE(talks({{hello}, {change + "EHLO x\r\n"}, {"QUIT\r\n"}}));
    EXPECT_EQ(codes_of(last_write()), "221");
}

TEST_F(SmtpDriverTest, AClientOfXclientThatTheLimitsDoNotAdmitIsTurnedAway) {
    options.xclient_networks = {*IpNetwork::parse("192.0.2.0/24")};
    prepare = [](ScriptedConnection& full) { full.turned_away = "too many connections"; };
    serve({{"EHLO relay\r\n"}, {"XCLIENT ADDR=203.0.113.9\r\n"}});
    EXPECT_EQ(last_write(), "421 4.7.0 too many connections\r\n");
}

}  // namespace
}  // namespace wicket
