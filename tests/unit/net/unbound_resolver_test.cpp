#include "net/unbound_resolver.hpp"

#include "tests/support/dns_server.hpp"
#include "tests/unit/net/net_fixture.hpp"

#include <thread>
#include <vector>

namespace wicket {
namespace {

using boost::asio::awaitable;
using std::chrono::milliseconds;
using std::chrono::seconds;

awaitable<DnsAnswer> ask(DnsResolver* resolver, DnsQuestion question, milliseconds time) {
    co_return co_await resolver->lookup(std::move(question), in(time));
}

class UnboundResolverTest : public testing::Test {
protected:
    UnboundResolverTest() {
        create(std::nullopt);
        loops_.start();
    }

    void create(std::optional<bool> randomises_case) {
        ResolverOptions options;
        options.forward = {server_.address()};
        options.randomises_case = randomises_case;
        auto made = UnboundResolver::create(loops_.hub(), system_clock(), options);
        EXPECT_TRUE(made) << made.error().message;
        resolver_ = std::move(*made);
    }

    std::future<DnsAnswer> begin(
        std::string name, DnsType type, milliseconds time = seconds(20), std::size_t loop = 1
    ) {
        return boost::asio::co_spawn(
            loops_.at(loop), ask(resolver_.get(), {std::move(name), type}, time), boost::asio::use_future
        );
    }
    DnsAnswer lookup(std::string name, DnsType type, milliseconds time = seconds(20)) {
        return begin(std::move(name), type, time).get();
    }

    TestDnsServer server_;
    EventLoops loops_{2};
    std::unique_ptr<UnboundResolver> resolver_;
};

TEST_F(UnboundResolverTest, MixesCapitalsIntoQuestionsThatLeaveTheHost) {
    server_.add_a("a-long-name-to-be-asked.example.test", "192.0.2.1");
    EXPECT_EQ(lookup("a-long-name-to-be-asked.example.test", DnsType::a).status, DnsStatus::found);
    EXPECT_EQ(server_.asked_with_capitals(), 0U);
    loops_.stop();
    resolver_.reset();
    create(true);
    loops_.start();
    EXPECT_EQ(lookup("a-long-name-to-be-asked.example.test", DnsType::a).status, DnsStatus::found);
    EXPECT_EQ(server_.asked_with_capitals(), 1U);
    EXPECT_EQ(server_.questions().size(), 2U);
}

TEST_F(UnboundResolverTest, AnswersEveryTypeThatWeAskFor) {
    server_.add_a("a.example.test", "192.0.2.1");
    server_.add_a("a.example.test", "192.0.2.2");
    server_.add_aaaa("a.example.test", "2001:db8::1");
    server_.add_txt("example.test", "v=spf1 -all", 77);
    server_.add_mx("example.test", 10, "MX.Example.Test");
    server_.add_mx("null.test", 0, "");
    server_.add_ptr("10.1.2.3", "Host.Example.Test");
    server_.add_ptr("127.0.0.9", "local.example.test");
    server_.add_ptr("::1", "six.example.test");
    server_.add_alias("www.example.test", "a.example.test", 11);
    const auto a = lookup("a.example.test", DnsType::a);
    EXPECT_EQ(a.status, DnsStatus::found) << a.reason;
    EXPECT_EQ(
        a.records,
        (std::vector<std::string>{
            "\xC0" + std::string("\0\x02\x01", 3), "\xC0" + std::string("\0\x02\x02", 3)
        })
    );
    EXPECT_EQ(a.ttl_seconds, 300);
    EXPECT_GT(a.micros, 0);
    EXPECT_FALSE(a.is_authentic);
    EXPECT_EQ(lookup("a.example.test", DnsType::aaaa).records.at(0).size(), 16);
    const auto text = lookup("example.test", DnsType::txt);
    EXPECT_EQ(text.records, std::vector<std::string>{"v=spf1 -all"});
    EXPECT_EQ(text.ttl_seconds, 77);
    EXPECT_EQ(
        lookup("example.test", DnsType::mx).records,
        (std::vector<std::string>{std::string("\0\x0A", 2) + "mx.example.test"})
    );
    EXPECT_EQ(lookup("null.test", DnsType::mx).records, (std::vector<std::string>{std::string(2, '\0')}));
    EXPECT_EQ(
        lookup("3.2.1.10.in-addr.arpa", DnsType::ptr).records, std::vector<std::string>{"host.example.test"}
    );
    EXPECT_EQ(
        lookup("9.0.0.127.in-addr.arpa", DnsType::ptr).records, std::vector<std::string>{"local.example.test"}
    );
    const auto six = IpAddress::parse("::1")->reversed_labels() + ".ip6.arpa";
    EXPECT_EQ(lookup(six, DnsType::ptr).records, std::vector<std::string>{"six.example.test"});
    const auto alias = lookup("www.example.test", DnsType::a);
    EXPECT_EQ(alias.records.size(), 2);
    EXPECT_EQ(alias.ttl_seconds, 11);
}

TEST_F(UnboundResolverTest, TellsNoDataFromNoSuchName) {
    server_.add_a("a.example.test", "192.0.2.1");
    const auto none = lookup("a.example.test", DnsType::txt);
    EXPECT_EQ(none.status, DnsStatus::no_data) << none.reason;
    EXPECT_EQ(none.ttl_seconds, 60);
    const auto nobody = lookup("b.example.test", DnsType::a);
    EXPECT_EQ(nobody.status, DnsStatus::no_such_name) << nobody.reason;
    EXPECT_EQ(nobody.ttl_seconds, 60);
    for (const auto* zone : {"x.invalid", "x.home.arpa", "1.0.0.10.in-addr.arpa"}) {
        EXPECT_EQ(lookup(zone, DnsType::ptr).status, DnsStatus::no_such_name) << zone;
        EXPECT_EQ(server_.asked(zone), 1) << zone;
    }
}

TEST_F(UnboundResolverTest, DoesNotAskForWhatIsNoName) {
    for (const auto& name :
         {std::string(), std::string("a..b"), std::string(64, 'a'), std::string(254, 'a')}) {
        EXPECT_EQ(lookup(name, DnsType::a).status, DnsStatus::no_such_name);
    }
    EXPECT_EQ(server_.asked("*"), 0);
    server_.add_a("odd name\\.example.test", "192.0.2.1");
    EXPECT_EQ(lookup("odd name\\.example.test", DnsType::a).status, DnsStatus::found);
}

TEST_F(UnboundResolverTest, AnswersFromItsCacheWithoutAsking) {
    server_.add_a("a.example.test", "192.0.2.1");
    lookup("a.example.test", DnsType::a);
    const auto again = lookup("A.example.TEST", DnsType::a);
    EXPECT_EQ(again.status, DnsStatus::found);
    EXPECT_EQ(again.micros, 0);
    EXPECT_EQ(server_.asked("a.example.test"), 1);
    EXPECT_EQ(resolver_->counters().questions, 2);
    EXPECT_EQ(resolver_->counters().cached, 1);
    EXPECT_EQ(resolver_->counters().sent, 1);
    resolver_->flush_cache();
    lookup("a.example.test", DnsType::a);
    EXPECT_EQ(resolver_->counters().sent, 2);
}

TEST_F(UnboundResolverTest, AsksAnewThoughItKnowsTheAnswer) {
    const std::string listed = "2.0.0.127.list.test";
    const std::string unlisted = "1.0.0.127.list.test";
    const auto anew = [this](const std::string& name) {
        auto work = resolver_->lookup_anew({name, DnsType::a}, in(seconds(20)));
        return boost::asio::co_spawn(loops_.at(1), std::move(work), boost::asio::use_future).get().status;
    };
    const auto known = [this](const std::string& name) { return lookup(name, DnsType::a).status; };
    server_.add_a(listed, "127.0.0.2", 3600);
    EXPECT_EQ(anew(listed), DnsStatus::found);
    EXPECT_EQ(anew(unlisted), DnsStatus::no_such_name);
    server_.add_a(unlisted, "127.0.0.2", 3600);
    EXPECT_EQ(known(unlisted), DnsStatus::no_such_name) << "the cache knows it";
    EXPECT_EQ(anew(listed), DnsStatus::found);
    EXPECT_EQ(anew(unlisted), DnsStatus::found);
    EXPECT_EQ(known(unlisted), DnsStatus::found) << "the new answer stands in the cache";
    server_.clear();
    EXPECT_EQ(known(unlisted), DnsStatus::found);
    EXPECT_EQ(anew(listed), DnsStatus::no_such_name);
    EXPECT_EQ(anew(unlisted), DnsStatus::no_such_name);
    EXPECT_EQ(known(unlisted), DnsStatus::no_such_name);
    EXPECT_EQ(server_.asked(listed), 3U);
    EXPECT_EQ(server_.asked(unlisted), 3U);
    EXPECT_EQ(resolver_->counters().sent, 6U);
    EXPECT_EQ(resolver_->counters().cached, 4U);
}

TEST_F(UnboundResolverTest, AsksEqualQuestionsUnderWayOnce) {
    server_.add_a("slow.example.test", "192.0.2.1");
    server_.set_fault("slow.example.test", DnsFault::delay, TestDnsServer::always, milliseconds(200));
    std::vector<std::future<DnsAnswer>> answers;
    for (std::size_t i = 0; i < 20; ++i)
        answers.push_back(begin("slow.example.test", DnsType::a, seconds(20), i % 2));
    for (auto& answer : answers)
        EXPECT_EQ(answer.get().status, DnsStatus::found);
    EXPECT_EQ(server_.asked("slow.example.test"), 1);
    EXPECT_EQ(resolver_->counters().sent, 1);
}

TEST_F(UnboundResolverTest, SurvivesFaultsOnTheWay) {
    struct Case {
        const char* name;
        DnsFault fault;
        std::uint32_t count;
    };
    const std::vector<Case> cases = {
        {"drop.test",      DnsFault::drop,      2                    },
        {"servfail.test",  DnsFault::servfail,  1                    },
        {"wrong-id.test",  DnsFault::wrong_id,  1                    },
        {"truncated.test", DnsFault::truncated, TestDnsServer::always},
        {"garbage.test",   DnsFault::garbage,   1                    },
    };
    for (const auto& [name, fault, count] : cases) {
        server_.add_a(name, "192.0.2.1");
        server_.set_fault(name, fault, count);
    }
    for (const auto& row : cases) {
        SCOPED_TRACE(row.name);
        const auto answer = lookup(row.name, DnsType::a);
        EXPECT_EQ(answer.status, DnsStatus::found) << answer.reason;
    }
    EXPECT_GE(server_.asked_by_tcp(), 1);
}

TEST_F(UnboundResolverTest, AsksFiveTimesBeforeItBelievesAServfail) {
    server_.add_a("soon.test", "192.0.2.1");
    server_.set_fault("soon.test", DnsFault::servfail, 4);
    EXPECT_EQ(lookup("soon.test", DnsType::a).status, DnsStatus::found);
    EXPECT_EQ(server_.asked("soon.test"), 5);
    server_.set_fault("never.test", DnsFault::servfail);
    const auto failed = lookup("never.test", DnsType::a);
    EXPECT_EQ(failed.status, DnsStatus::try_again);
    EXPECT_EQ(failed.reason, "SERVFAIL");
    EXPECT_EQ(server_.asked("never.test"), 5);
    EXPECT_EQ(resolver_->counters().failed, 1);
}

TEST_F(UnboundResolverTest, GivesUpAtTheDeadline) {
    server_.set_fault("*", DnsFault::drop);
    const auto begun = system_clock().steady();
    const auto answer = lookup("dead.test", DnsType::a, milliseconds(300));
    EXPECT_EQ(answer.status, DnsStatus::try_again);
    EXPECT_EQ(answer.reason, "time-out");
    const auto passed = system_clock().steady() - begun;
    EXPECT_GE(passed, milliseconds(300));
    EXPECT_LT(passed, seconds(3));
    EXPECT_GE(answer.micros, 300'000);
}

TEST_F(UnboundResolverTest, ReadsAnswersThatNeedTcp) {
    const std::string large(30'000, 'x');
    server_.add_txt("large.test", large);
    const auto answer = lookup("large.test", DnsType::txt);
    ASSERT_EQ(answer.status, DnsStatus::found) << answer.reason;
    EXPECT_EQ(answer.records.at(0), large);
}

TEST_F(UnboundResolverTest, EndsWithQuestionsUnderWay) {
    server_.set_fault("*", DnsFault::drop);
    auto waiting = begin("never.test", DnsType::a);
    const auto end = in(patience);
    while (resolver_->counters().sent == 0 && system_clock().steady() < end)
        sched_yield();
    resolver_.reset();
    EXPECT_EQ(waiting.get().status, DnsStatus::try_again);
}

TEST_F(UnboundResolverTest, EndsWithTheLoopsStoppedFirst) {
    server_.set_fault("*", DnsFault::drop);
    const auto waiting = begin("never.test", DnsType::a);
    const auto end = in(patience);
    while (resolver_->counters().sent == 0 && system_clock().steady() < end)
        sched_yield();
    loops_.stop();
    resolver_.reset();
}

TEST(UnboundResolver, StartsWithoutForwarders) {
    EventLoops loops(1);
    EXPECT_TRUE(UnboundResolver::create(loops.hub(), system_clock(), {}));
}

TEST(UnboundResolver, RefusesForwardersAndAnchorsThatMakeNoSense) {
    EventLoops loops(1);
    for (const auto* forwarder : {"", "127.0.0.1", "dns.example:53", "127.0.0.1@53"}) {
        ResolverOptions options;
        options.forward = {forwarder};
        EXPECT_FALSE(UnboundResolver::create(loops.hub(), system_clock(), options)) << forwarder;
    }
    ResolverOptions options;
    options.trust_anchor_file = "/nonexistent/root.key";
    EXPECT_FALSE(UnboundResolver::create(loops.hub(), system_clock(), options));
}

}  // namespace
}  // namespace wicket
