#include "policy/circuit_breaker.hpp"

#include "policy/time_text.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

class BreakerTest : public testing::Test {
protected:
    /// One sender, of a network of its own.
    std::vector<TrippedRule> refuse(const std::string& rule, std::vector<std::string> domains = {}) {
        return breaker_.note({now_, ++network_, false, {rule}, std::move(domains)});
    }
    void accept(std::vector<std::string> domains = {}) {
        EXPECT_TRUE(breaker_.note({now_, ++network_, true, {}, std::move(domains)}).empty());
    }
    /// Days in which every hour `refused` of 100 senders were refused by the rule.
    void live(int days, const std::string& rule, int refused) {
        for (int hour = 0; hour < 24 * days; ++hour) {
            for (int at = 0; at < 100; ++at) {
                if (at < refused)
                    EXPECT_TRUE(refuse(rule).empty());
                else
                    accept();
            }
            now_ += std::chrono::hours(1);
        }
    }
    std::vector<TrippedRule> refuse_many(const std::string& rule, int count) {
        std::vector<TrippedRule> all;
        for (int at = 0; at < count; ++at)
            for (TrippedRule& one : refuse(rule))
                all.push_back(std::move(one));
        return all;
    }

    CircuitBreaker breaker_;
    WallTime now_ = *parse_time("2026-06-01T00:00:00Z");
    std::uint64_t network_ = 0;
};

TEST_F(BreakerTest, ARuleThatRefusesTheWorldTripsOnce) {
    live(3, "zen", 3);
    const auto tripped = refuse_many("zen", 200);
    ASSERT_EQ(tripped.size(), 1U);
    EXPECT_EQ(tripped[0].rule, "zen");
    EXPECT_EQ(tripped[0].until, tripped[0].since + breaker_pause);
    EXPECT_EQ(
        tripped[0].reason,
        "it refuses 100% of all senders this hour, 50 of them, and refused 3.0% in the days before"
    );
    EXPECT_EQ(breaker_.tripped(now_).size(), 1U);
}

TEST_F(BreakerTest, AFloodDoesNotTripARuleThatRefusesMuchAnyway) {
    live(3, "zen", 40);
    EXPECT_TRUE(refuse_many("zen", 5000).empty());
}

TEST_F(BreakerTest, OneNetworkCannotTripARule) {
    live(3, "zen", 3);
    for (int at = 0; at < 5000; ++at)
        EXPECT_TRUE(breaker_.note({now_, 42, false, {"zen"}, {}}).empty());
}

TEST_F(BreakerTest, WithoutHistoryOrWithFewRefusalsNothingTrips) {
    EXPECT_TRUE(refuse_many("new", 1000).empty());
    live(3, "zen", 0);
    EXPECT_TRUE(refuse_many("zen", static_cast<int>(breaker_least_refusals) - 1).empty());
    EXPECT_EQ(refuse_many("zen", 1).size(), 1U);
}

TEST_F(BreakerTest, ARuleThatRefusesKnownGoodSendersTrips) {
    for (int domain = 0; domain < 5; ++domain)
        for (std::uint32_t at = 0; at < breaker_good_after; ++at)
            accept({fmt::format("d{}.example", domain)});
    for (int domain = 0; domain < 4; ++domain)
        EXPECT_TRUE(refuse("slip", {fmt::format("d{}.example", domain)}).empty());
    EXPECT_TRUE(refuse("slip", {"stranger.example"}).empty());
    EXPECT_TRUE(refuse("slip", {"d0.example"}).empty()) << "the same domain again";
    const auto tripped = refuse("slip", {"d4.example"});
    ASSERT_EQ(tripped.size(), 1U);
    EXPECT_EQ(tripped[0].reason, "5 of the 7 senders that it refused this hour are known to be good");
}

TEST_F(BreakerTest, AFewGoodOnesAmongManyBadOnesAreNoFault) {
    for (int domain = 0; domain < 5; ++domain)
        for (std::uint32_t at = 0; at < breaker_good_after; ++at)
            accept({fmt::format("d{}.example", domain)});
    EXPECT_TRUE(refuse_many("zen", 40).empty());
    for (int domain = 0; domain < 5; ++domain)
        EXPECT_TRUE(refuse("zen", {fmt::format("d{}.example", domain)}).empty());
}

TEST_F(BreakerTest, EndsByItselfByResetAndWithTheRule) {
    live(3, "zen", 1);
    refuse_many("zen", 60);
    EXPECT_EQ(breaker_.tripped(now_ + breaker_pause - std::chrono::seconds(1)).size(), 1U);
    EXPECT_TRUE(breaker_.tripped(now_ + breaker_pause).empty());
    now_ += std::chrono::hours(30);
    refuse_many("zen", 60);
    EXPECT_FALSE(breaker_.reset("other"));
    EXPECT_TRUE(breaker_.reset("zen"));
    EXPECT_TRUE(breaker_.tripped(now_).empty());
    EXPECT_FALSE(breaker_.reset("zen"));
    now_ += std::chrono::hours(1);
    EXPECT_EQ(refuse_many("zen", 60).size(), 1U);
    breaker_.keep_only({"zen"});
    EXPECT_EQ(breaker_.tripped(now_).size(), 1U);
    breaker_.keep_only({"other"});
    EXPECT_TRUE(breaker_.tripped(now_).empty());
}

TEST_F(BreakerTest, OutlivesARestart) {
    live(3, "zen", 3);
    refuse_many("other\trule\n", 10);
    refuse_many("slow", 60);
    CircuitBreaker again;
    again.restore(breaker_.save());
    EXPECT_EQ(again.save(), breaker_.save());
    ASSERT_EQ(again.tripped(now_).size(), 1U);
    EXPECT_EQ(again.tripped(now_)[0].reason, breaker_.tripped(now_)[0].reason);
    now_ += std::chrono::hours(1);
    breaker_ = std::move(again);
    EXPECT_EQ(refuse_many("zen", 60).size(), 1U);
    CircuitBreaker odd;
    odd.restore("\n\tx\nrule\tzen\t-1\t5\nrule\tzen\tx\t5\ntripped\ta\t1\t2\n\xFF\n");
    EXPECT_EQ(odd.save(), "");
}

TEST_F(BreakerTest, HoldsNoMoreThanItsLimits) {
    for (std::size_t at = 0; at < breaker_rules_limit + 100; ++at)
        refuse(fmt::format("r{}", at));
    EXPECT_LE(
        std::ranges::count(breaker_.save(), '\n'), static_cast<std::ptrdiff_t>(breaker_rules_limit) + 1
    );
}

}  // namespace
}  // namespace wicket
