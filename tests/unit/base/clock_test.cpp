#include "base/clock.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

using namespace std::chrono_literals;

TEST(Clock, FormatsForRecordsAndForHeaderFields) {
    const WallTime time = std::chrono::sys_days(2026y / 1 / 31) + 12h + 3min + 4s + 5us;
    EXPECT_EQ(to_rfc3339(time), "2026-01-31T12:03:04.000005Z");
    EXPECT_EQ(to_rfc5322(time), "Sat, 31 Jan 2026 12:03:04 +0000");
    EXPECT_EQ(to_rfc3339(WallTime()), "1970-01-01T00:00:00.000000Z");
    EXPECT_EQ(to_rfc5322(WallTime(-1us)), "Wed, 31 Dec 1969 23:59:59 +0000");
    EXPECT_EQ(to_rfc5322(std::chrono::sys_days(2024y / 2 / 29)), "Thu, 29 Feb 2024 00:00:00 +0000");
}

TEST(Clock, StandsStillUntilItIsTold) {
    ManualClock clock{WallTime(5s)};
    const auto before = clock.steady();
    EXPECT_EQ(clock.wall(), WallTime(5s));
    clock.advance(2s);
    EXPECT_EQ(clock.wall(), WallTime(7s));
    EXPECT_EQ(clock.steady() - before, 2s);
    EXPECT_GT(system_clock().wall(), std::chrono::sys_days(2020y / 1 / 1));
}

}  // namespace
}  // namespace wicket
