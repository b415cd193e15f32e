#include "net/rate_guard.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

using std::chrono::seconds;

constexpr std::uint32_t least = 500;
constexpr std::uint64_t quota = least * 60;

TEST(RateGuard, GivesTheFirstWindowToTheFirstOctets) {
    ManualClock clock{WallTime{}};
    RateGuard guard(clock.steady(), least);
    EXPECT_EQ(guard.deadline(), clock.steady() + seconds(60));
    clock.advance(seconds(59));
    EXPECT_FALSE(guard.is_too_slow(clock.steady()));
    clock.advance(seconds(1));
    EXPECT_TRUE(guard.is_too_slow(clock.steady()));
}

TEST(RateGuard, MovesOnOnlyWhenTheQuotaIsWhole) {
    ManualClock clock{WallTime{}};
    const auto start = clock.steady();
    RateGuard guard(start, least);
    clock.advance(seconds(30));
    guard.received(quota - 1, clock.steady());
    EXPECT_EQ(guard.deadline(), start + seconds(60));
    guard.received(1, clock.steady());
    EXPECT_EQ(guard.deadline(), start + seconds(90));
}

TEST(RateGuard, FindsOutOneOctetEveryTenSeconds) {
    ManualClock clock{WallTime{}};
    RateGuard guard(clock.steady(), least);
    int octets = 0;
    while (!guard.is_too_slow(clock.steady())) {
        clock.advance(seconds(10));
        guard.received(1, clock.steady());
        ++octets;
    }
    EXPECT_EQ(octets, 6);
}

TEST(RateGuard, LetsTheExactRatePassForEver) {
    ManualClock clock{WallTime{}};
    RateGuard guard(clock.steady(), least);
    for (int i = 0; i < 3600; ++i) {
        clock.advance(seconds(1));
        guard.received(least, clock.steady());
        ASSERT_FALSE(guard.is_too_slow(clock.steady())) << i;
    }
}

TEST(RateGuard, GivesNoCreditForEarlierSpeed) {
    ManualClock clock{WallTime{}};
    RateGuard guard(clock.steady(), least);
    guard.received(10'000'000, clock.steady());
    clock.advance(seconds(60));
    EXPECT_TRUE(guard.is_too_slow(clock.steady()));
}

TEST(RateGuard, IsOffAtZero) {
    ManualClock clock{WallTime{}};
    const RateGuard guard(clock.steady(), 0);
    clock.advance(std::chrono::hours(100));
    EXPECT_FALSE(guard.is_too_slow(clock.steady()));
}

}  // namespace
}  // namespace wicket
