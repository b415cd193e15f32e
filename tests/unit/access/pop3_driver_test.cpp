#include "access/pop3_driver.hpp"

#include "auth/password.hpp"
#include "base/text.hpp"
#include "tests/unit/access/fake_mail_store.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <functional>
#include <vector>

namespace wicket {
namespace {

using namespace std::chrono_literals;
using boost::asio::awaitable;

/// A connection whose client is a list of what each read returns.
class ScriptedConnection : public Connection {
public:
    ScriptedConnection(boost::asio::io_context& loop, std::vector<std::string> reads)
        : loop_(loop), reads_(std::move(reads)) {
        peer_.ip = peer_.socket_ip = IpAddress::parse("127.0.0.1").value();
    }

    const Peer& peer() const override { return peer_; }
    std::optional<std::string> become(Peer /*peer*/) override { return std::nullopt; }
    const TlsDetails& tls() const override { return tls_; }
    bool is_scarce() const override { return false; }
    const std::string& listener() const override { return listener_; }

    awaitable<ReadResult> read(SteadyTime deadline, Drain) override {
        deadlines.push_back(deadline);
        if (next_ == reads_.size()) co_return ReadResult{end, {}};
        co_return ReadResult{IoStatus::ok, reads_[next_++]};
    }
    bool has_input() override { return next_ != reads_.size(); }
    awaitable<IoStatus> write(std::string octets, SteadyTime) override {
        if (writes_left-- == 0) co_return IoStatus::timed_out;
        if (on_write) on_write(octets);
        written += octets;
        largest_write = std::max(largest_write, octets.size());
        co_return IoStatus::ok;
    }
    awaitable<IoStatus> start_tls(SteadyTime) override {
        tls_.version = "TLSv1.3";
        co_return handshake;
    }
    void close() override { is_closed = true; }
    boost::asio::any_io_executor executor() override { return loop_.get_executor(); }

    Peer peer_;
    IoStatus end = IoStatus::closed;
    IoStatus handshake = IoStatus::ok;
    int writes_left = 1000000;
    std::function<void(const std::string&)> on_write;
    std::string written;
    std::size_t largest_write = 0;
    std::vector<SteadyTime> deadlines;
    bool is_closed = false;

private:
    boost::asio::io_context& loop_;
    std::vector<std::string> reads_;
    std::size_t next_ = 0;
    TlsDetails tls_;
    std::string listener_ = "pop3 127.0.0.1:110";
};

class OneAccount : public AccountDirectory {
public:
    explicit OneAccount(std::string hash) : hash_(std::move(hash)) {}
    Result<std::optional<PasswordRecord>> find(std::string_view local_part, std::string_view domain)
        override {
        if (lower_case(local_part) != "anna" || domain != "example.test") return std::nullopt;
        return PasswordRecord{"anna@example.test", hash_};
    }

private:
    std::string hash_;
};

class Pop3DriverTest : public testing::Test {
protected:
    static void SetUpTestSuite() { hash_ = make_password_verifiers("secret").value().argon2id; }

    std::shared_ptr<ScriptedConnection> connection(std::vector<std::string> reads) {
        return std::make_shared<ScriptedConnection>(loop_, std::move(reads));
    }

    void serve(const std::shared_ptr<ScriptedConnection>& client) {
        const Pop3Options options{
            .hostname = "pop.example.test", .offers_stls = true, .limits = {}, .timeouts = {}
        };
        const Pop3Parts parts{store_, authenticator_, hashing_, reading_, sizes_, clock_};
        boost::asio::co_spawn(loop_, serve_pop3(client, options, parts), boost::asio::detached);
        loop_.restart();
        loop_.run();
        EXPECT_TRUE(client->is_closed);
        EXPECT_FALSE(store_.is_locked());
    }

    std::string said(std::vector<std::string> reads) {
        const auto client = connection(std::move(reads));
        serve(client);
        return client->written;
    }

    static inline std::string hash_;
    const std::string login_ = "USER anna@example.test\r\nPASS secret\r\n";
    boost::asio::io_context loop_;
    ManualClock clock_{WallTime{}};
    FakeMailStore store_;
    OneAccount directory_{hash_};
    Authenticator authenticator_{
        directory_, clock_, BackoffLimits{.first = 1ms, .most = 2ms}
    };
    OffloadPool hashing_{"hash", 1, 8};
    OffloadPool reading_{"read", 2, 64};
    SurrogateSizes sizes_;
};

TEST_F(Pop3DriverTest, ServesASessionFromLoginToUpdate) {
    store_.add("A: b\r\n\r\n.x\r\n");
    store_.add("Subject: \xC3\xA4\r\n\r\n");
    EXPECT_EQ(
        said({login_ + "STAT\r\nRETR 1\r\nDELE 1\r\n", "QUIT\r\n"}),
        "+OK pop.example.test Mailwicket POP3 ready\r\n+OK send the password\r\n+OK the maildrop holds 2 "
        "messages\r\n"
        "+OK 2 41\r\n+OK the message follows\r\nA: b\r\n\r\n..x\r\n.\r\n+OK marked as deleted\r\n+OK "
        "goodbye\r\n"
    );
    EXPECT_EQ(store_.uids(), std::vector<Uid>{2});
}

TEST_F(Pop3DriverTest, MeasuresEachMessageOnceForAllSessions) {
    for (int i = 0; i < 200; ++i)
        store_.add("Subject: \xC3\xA4\r\n\r\n");
    EXPECT_TRUE(said({login_ + "STAT\r\n"}).ends_with("+OK 200 5800\r\n"));
    EXPECT_EQ(store_.opened, 200);
    EXPECT_TRUE(said({login_ + "STAT\r\n"}).ends_with("+OK 200 5800\r\n"));
    EXPECT_EQ(store_.opened, 200);
}

TEST_F(Pop3DriverTest, AnswersUnknownNameAndWrongPasswordAlikeForOneHashEach) {
    const std::string wrong = said({"USER anna@example.test\r\nPASS x\r\n"});
    EXPECT_EQ(authenticator_.hash_count(), 1U);
    const std::string unknown = said({"USER nobody@example.test\r\nPASS x\r\n"});
    EXPECT_EQ(authenticator_.hash_count(), 2U);
    EXPECT_EQ(wrong, unknown);
    EXPECT_TRUE(wrong.ends_with("-ERR [AUTH] the login name or the password is wrong\r\n"));
}

TEST_F(Pop3DriverTest, SaysTemporaryWhenHashingIsBusy) {
    hashing_.stop();
    EXPECT_TRUE(said({login_}).contains("-ERR [SYS/TEMP] logins"));
    EXPECT_EQ(authenticator_.hash_count(), 0U);
}

TEST_F(Pop3DriverTest, SendsLargeMessagesInPieces) {
    std::string message = "A: b\r\n\r\n";
    while (message.size() < 1000000)
        message += "a line of the body\r\n";
    store_.add(message);
    const auto client = connection({login_ + "RETR 1\r\nTOP 1 1\r\n"});
    serve(client);
    EXPECT_TRUE(client->written.contains("+OK the message follows\r\n" + message + ".\r\n"));
    EXPECT_TRUE(client->written.ends_with("A: b\r\n\r\na line of the body\r\n.\r\n"));
    EXPECT_LT(client->largest_write, 140000U);
}

TEST_F(Pop3DriverTest, NeverMakesADamagedMessageLookWhole) {
    store_.corrupt = {1, 2};
    store_.add("A: b\r\n\r\nx\r\n");
    store_.add("A: b\r\n\r\n" + std::string(300000, 'x') + "\r\n");
    EXPECT_TRUE(said({login_ + "RETR 1\r\nNOOP\r\n"})
                    .ends_with("-ERR [SYS/PERM] that message is damaged\r\n+OK nothing done\r\n"));
    EXPECT_TRUE(said({login_ + "TOP 1 0\r\n"}).ends_with("-ERR [SYS/PERM] that message is damaged\r\n"));
    for (const std::string command : {"RETR 2\r\n", "TOP 2 0\r\n"}) {
        const std::string broken = said({login_ + command + "NOOP\r\n"});
        EXPECT_TRUE(broken.contains("message follows\r\n"));
        EXPECT_FALSE(broken.contains("\r\n.\r\n"));
        EXPECT_FALSE(broken.contains("nothing done"));
    }
}

TEST_F(Pop3DriverTest, ASessionGetsNothingOfAMaildropThatWasMadeAnew) {
    store_.add("A: b\r\n\r\n");
    const auto client = connection({login_, "RETR 1\r\nDELE 1\r\nQUIT\r\n"});
    client->on_write = [this](const std::string& octets) {
        if (octets.contains("the maildrop holds")) store_.uid_validity = 43;
    };
    serve(client);
    EXPECT_TRUE(
        client->written.ends_with("-ERR [SYS/PERM] that message is gone\r\n+OK marked as deleted\r\n"
                                  "-ERR [SYS/PERM] the maildrop is gone, nothing was deleted\r\n")
    ) << client->written;
    EXPECT_EQ(store_.uids().size(), 1U);
}

TEST_F(Pop3DriverTest, DeletesNothingHoweverTheConnectionEnds) {
    store_.add("A: b\r\n\r\n");
    for (const IoStatus end : {IoStatus::closed, IoStatus::timed_out, IoStatus::failed, IoStatus::draining}) {
        const auto client = connection({login_ + "DELE 1\r\n"});
        client->end = end;
        serve(client);
        EXPECT_EQ(store_.uids().size(), 1U);
    }
    // The client stops reading at each of the writes of a session.
    for (int writes = 0; writes < 4; ++writes) {
        const auto client = connection({login_, "DELE 1\r\n", "RETR 1\r\n"});
        client->writes_left = writes;
        serve(client);
        EXPECT_EQ(store_.uids().size(), 1U);
    }
}

TEST_F(Pop3DriverTest, SharesAMaildropWithNobodyUntilItSaysGoodbye) {
    store_.lock_fails = ErrorCode::busy;
    EXPECT_TRUE(said({login_ + "NOOP\r\n"}).contains("-ERR [IN-USE]"));

    store_.lock_fails.reset();
    const auto client = connection({login_ + "QUIT\r\n"});
    bool was_locked = false;
    client->on_write = [&](const std::string& octets) {
        if (octets.contains("goodbye")) was_locked = store_.is_locked();
    };
    serve(client);
    EXPECT_TRUE(client->written.ends_with("+OK goodbye\r\n"));
    EXPECT_FALSE(was_locked) << "the client may come back as soon as it has read that";
}

TEST_F(Pop3DriverTest, HoldsOneDeadlineUntilTheLoginAndANewOneForEachCommandAfterIt) {
    const auto client =
        connection({"CA", "PA\r\n", "USER anna@example.test\r\n", "PASS secret\r\n", "NO", "OP\r\n"});
    serve(client);
    const SteadyTime begin = clock_.steady();
    ASSERT_EQ(client->deadlines.size(), 7U);
    for (int i = 0; i < 4; ++i)
        EXPECT_EQ(client->deadlines[static_cast<std::size_t>(i)], begin + 180s);
    for (int i = 4; i < 7; ++i)
        EXPECT_EQ(client->deadlines[static_cast<std::size_t>(i)], begin + 600s);
}

TEST_F(Pop3DriverTest, TakesPasswordsFromElsewhereUnderTlsOnly) {
    const auto client = connection({"USER anna@example.test\r\n", "STLS\r\n", login_});
    client->peer_.ip = IpAddress::parse("192.0.2.1").value();
    serve(client);
    EXPECT_TRUE(client->written.contains("-ERR [SYS/PERM] passwords are taken under TLS only"));
    EXPECT_TRUE(client->written.ends_with(
        "+OK begin TLS\r\n+OK send the password\r\n+OK the maildrop holds 0 messages\r\n"
    ));

    const auto proxied = connection({"USER anna@example.test\r\n"});
    proxied->peer_.socket_ip = IpAddress::parse("192.0.2.1").value();
    serve(proxied);
    EXPECT_TRUE(proxied->written.contains("-ERR [SYS/PERM]")) << "a proxy elsewhere says that it is loopback";

    const auto failing = connection({"STLS\r\n", login_});
    failing->handshake = IoStatus::failed;
    serve(failing);
    EXPECT_TRUE(failing->written.ends_with("+OK begin TLS\r\n"));
}

}  // namespace
}  // namespace wicket
