#include "policy/circuit_breaker.hpp"

#include "policy/time_text.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fmt/format.h>

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

    /// Five domains that are known to be good: d0.example to d4.example.
    void meet_good_senders() {
        for (std::uint32_t at = 0; at < breaker_good_after; ++at) {
            // The last messages come an hour later.
            if (at + 1 == breaker_good_after) now_ += std::chrono::hours(1);
            for (int domain = 0; domain < 5; ++domain)
                accept({fmt::format("d{}.example", domain)});
        }
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
    breaker_.watch({"zen"}, now_);
    live(3, "zen", 0);
    EXPECT_TRUE(refuse_many("zen", static_cast<int>(breaker_least_refusals) - 1).empty());
    EXPECT_EQ(refuse_many("zen", 1).size(), 1U);
}

TEST_F(BreakerTest, ARuleThatRefusesKnownGoodSendersTrips) {
    meet_good_senders();
    for (int domain = 0; domain < 4; ++domain)
        EXPECT_TRUE(refuse("slip", {fmt::format("d{}.example", domain)}).empty());
    EXPECT_TRUE(refuse("slip", {"stranger.example"}).empty());
    EXPECT_TRUE(refuse("slip", {"d0.example"}).empty()) << "the same domain again";
    const auto tripped = refuse("slip", {"d4.example"});
    ASSERT_EQ(tripped.size(), 1U);
    EXPECT_EQ(tripped[0].reason, "5 of the 7 senders that it refused this hour are known to be good");
}

TEST_F(BreakerTest, OneMessageThatSomebodyCalledHamMakesASenderKnown) {
    for (int domain = 0; domain < 5; ++domain)
        breaker_.note_ham({fmt::format("mail.d{}.example", domain)}, now_);
    for (int domain = 0; domain < 4; ++domain)
        EXPECT_TRUE(refuse("slip", {fmt::format("d{}.example", domain)}).empty());
    EXPECT_EQ(refuse("slip", {"d4.example"}).size(), 1U);
}

TEST_F(BreakerTest, AFewGoodOnesAmongManyBadOnesAreNoFault) {
    meet_good_senders();
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
    EXPECT_FALSE(breaker_.reset("other", now_));
    EXPECT_TRUE(breaker_.reset("zen", now_));
    EXPECT_TRUE(breaker_.tripped(now_).empty());
    EXPECT_FALSE(breaker_.reset("zen", now_));
    now_ += breaker_rest;
    EXPECT_EQ(refuse_many("zen", 60).size(), 1U);
    breaker_.watch({"zen"}, now_);
    EXPECT_EQ(breaker_.tripped(now_).size(), 1U);
    breaker_.watch({"other"}, now_);
    EXPECT_TRUE(breaker_.tripped(now_).empty());
}

TEST_F(BreakerTest, OnePeerCannotTripARule) {
    // Names below one domain are one sender.
    for (int hour = 0; hour < 6; ++hour, now_ += std::chrono::hours(1))
        for (int name = 0; name < 5; ++name)
            accept({fmt::format("g{}.evil.test", name), fmt::format("d{}.example", name)});
    for (int name = 0; name < 20; ++name)
        EXPECT_TRUE(refuse("slip", {fmt::format("g{}.evil.test", name % 5)}).empty());
    // Domains of one network count once.
    now_ += std::chrono::hours(1);
    for (int at = 0; at < 20; ++at)
        EXPECT_TRUE(breaker_.note({now_, 42, false, {"slip"}, {fmt::format("d{}.example", at % 5)}}).empty());
    for (int domain = 0; domain < 3; ++domain)
        EXPECT_TRUE(refuse("slip", {fmt::format("d{}.example", domain), "d3.example"}).empty());
    EXPECT_EQ(refuse("slip", {"d4.example"}).size(), 1U) << "the fifth domain from the fifth network";
}

TEST_F(BreakerTest, ASenderIsKnownOnlyByMoreThanAnHour) {
    for (std::uint32_t at = 0; at < 10 * breaker_good_after; ++at)
        for (int domain = 0; domain < 5; ++domain)
            accept({fmt::format("d{}.example", domain)});
    for (int domain = 0; domain < 5; ++domain)
        EXPECT_TRUE(refuse("slip", {fmt::format("d{}.example", domain)}).empty());
}

TEST_F(BreakerTest, ANewRuleHasNoPast) {
    live(3, "zen", 3);
    breaker_.watch({"zen", "new"}, now_);
    // From its first day on it refuses much, and is right.
    for (int hour = 0; hour < 24 * 4; ++hour, now_ += std::chrono::hours(1)) {
        EXPECT_TRUE(refuse_many("new", 60).empty()) << hour;
        for (int at = 0; at < 40; ++at)
            accept();
    }
    // One that was there for two days without a refusal has a past.
    breaker_.watch({"zen", "new", "quiet"}, now_);
    for (int hour = 0; hour < breaker_history_hours; ++hour, now_ += std::chrono::hours(1)) {
        for (int at = 0; at < 100; ++at)
            accept();
        CircuitBreaker again;
        again.restore(breaker_.save());
        EXPECT_EQ(again.save(), breaker_.save());
        if (hour % 12 != 0) continue;
        again.watch({"zen", "new", "quiet"}, now_);  // a reload, a restart
        std::swap(again, breaker_);
        EXPECT_TRUE(refuse_many("quiet", 60).empty()) << hour;
        std::swap(again, breaker_);
    }
    EXPECT_EQ(refuse_many("quiet", 60).size(), 1U);
}

TEST_F(BreakerTest, WhatWasBeforeARuleIsNotItsPast) {
    live(5, "zen", 3);
    breaker_.watch({"zen", "new"}, now_);
    live(2, "new", 25);
    EXPECT_TRUE(refuse_many("new", 80).empty());
}

TEST_F(BreakerTest, ARuleThatWasResetIsRight) {
    live(3, "zen", 3);
    ASSERT_EQ(refuse_many("zen", 60).size(), 1U);
    ASSERT_TRUE(breaker_.reset("zen", now_));
    CircuitBreaker again;
    again.restore(breaker_.save());
    breaker_ = std::move(again);
    breaker_.watch({"zen"}, now_);
    for (int hour = 0; hour < 24 * 5; ++hour, now_ += std::chrono::hours(1)) {
        EXPECT_TRUE(refuse_many("zen", 70).empty()) << hour;
        for (int at = 0; at < 30; ++at)
            accept();
    }
}

TEST_F(BreakerTest, AClockThatWasAheadLeavesNoRuleAloneForLong) {
    live(3, "zen", 3);
    ASSERT_EQ(refuse_many("zen", 60).size(), 1U);
    ASSERT_TRUE(breaker_.reset("zen", now_ + std::chrono::hours(24 * 365)));
    breaker_.watch({"zen"}, now_);
    now_ += breaker_rest;
    EXPECT_EQ(refuse_many("zen", 60).size(), 1U);
}

TEST(KnownSendersTest, ForgetsStrangersBeforeThoseThatAreGood) {
    KnownSenders senders;
    for (std::uint32_t at = 0; at < breaker_good_after; ++at)
        senders.note_accepted("good.example", at);
    for (std::size_t at = 0; at < breaker_domains_limit + 10; ++at)
        senders.note_accepted(fmt::format("d{}.example", at), 10);
    EXPECT_EQ(senders.size(), breaker_domains_limit + 1);
    // The table is full, and still learns.
    for (std::uint32_t at = 0; at < breaker_good_after; ++at)
        senders.note_accepted("late.example", 11 + at);
    EXPECT_TRUE(senders.is_good("late.example"));
    EXPECT_TRUE(senders.is_good("good.example"));
    // Good ones are bounded, too; the one that was seen last stays.
    for (std::size_t at = 0; at < breaker_domains_limit; ++at) {
        for (std::uint32_t hour = 0; hour < breaker_good_after; ++hour)
            senders.note_accepted(fmt::format("g{}.example", at), hour);
        senders.note_accepted("late.example", 20);
    }
    EXPECT_LE(senders.size(), 2 * breaker_domains_limit);
    EXPECT_FALSE(senders.is_good("good.example"));
    EXPECT_TRUE(senders.is_good("late.example"));
}

TEST_F(BreakerTest, OutlivesARestart) {
    breaker_.watch({"slow", "zen"}, now_);
    live(3, "zen", 3);
    refuse_many("other\trule\n", 10);
    ASSERT_EQ(refuse_many("slow", 60).size(), 1U);
    CircuitBreaker again;
    again.restore(breaker_.save());
    EXPECT_EQ(again.save(), breaker_.save());
    ASSERT_EQ(again.tripped(now_).size(), 1U);
    EXPECT_EQ(again.tripped(now_)[0].reason, breaker_.tripped(now_)[0].reason);
    now_ += std::chrono::hours(1);
    breaker_ = std::move(again);
    EXPECT_EQ(refuse_many("zen", 60).size(), 1U);
    // A server of before kept no first hours.
    CircuitBreaker older;
    const std::int64_t hour = std::chrono::floor<std::chrono::hours>(now_).time_since_epoch().count();
    older.restore(fmt::format("all\t\t{0}\t900\nrule\tzen\t{0}\t9\n", hour - 60));
    std::swap(breaker_, older);
    EXPECT_EQ(refuse_many("zen", 60).size(), 1U);
    CircuitBreaker odd;
    odd.restore("\n\tx\nrule\tzen\t-1\t5\nrule\tzen\tx\t5\ntripped\ta\t1\t2\n\xFF\n");
    EXPECT_EQ(odd.save(), "");
}

TEST_F(BreakerTest, HoldsNoMoreThanItsLimits) {
    for (std::size_t at = 0; at < breaker_rules_limit + 100; ++at)
        refuse(fmt::format("r{}", at));
    EXPECT_LE(
        std::ranges::count(breaker_.save(), '\n'), 2 * static_cast<std::ptrdiff_t>(breaker_rules_limit) + 1
    );
}

}  // namespace
}  // namespace wicket
