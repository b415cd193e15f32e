#include "auth/backoff.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace wicket {
namespace {

using namespace std::chrono_literals;

IpAddress ip(std::string_view text) {
    return IpAddress::parse(text).value();
}

class BackoffTest : public testing::Test {
protected:
    ManualClock clock_{WallTime{}};
    Backoff backoff_{clock_};
};

TEST_F(BackoffTest, DoublesTheDelayOfEachFailureUpToFifteenSeconds) {
    const std::vector<std::chrono::milliseconds> want = {2s, 4s, 8s, 15s, 15s};
    for (const auto delay : want)
        EXPECT_EQ(backoff_.failed(ip("192.0.2.1"), "a@b"), delay);
}

TEST_F(BackoffTest, MakesANetworkWaitBeforehandAfterTwoFailures) {
    EXPECT_EQ(backoff_.before(ip("192.0.2.1")), 0ms);
    for (const auto before : {0s, 0s, 2s, 4s, 8s, 15s, 15s}) {
        backoff_.failed(ip("192.0.2.1"), "a@b");
        EXPECT_EQ(backoff_.before(ip("192.0.2.1")), before);
    }
    EXPECT_EQ(backoff_.before(ip("192.0.2.77")), 15s) << "the same /24";
}

TEST_F(BackoffTest, CountsAnIpv6NetworkOfSixtyFourBitsAsOne) {
    for (int i = 0; i < 9; ++i)
        backoff_.failed(ip("2001:db8:1:2::" + std::to_string(i)), "name" + std::to_string(i));
    EXPECT_EQ(backoff_.before(ip("2001:db8:1:2:ffff::1")), 15s);
    EXPECT_EQ(backoff_.before(ip("2001:db8:1:3::1")), 0s);
}

TEST_F(BackoffTest, NeverDelaysTheTrueUserForTheFailuresOfOthers) {
    for (int i = 0; i < 200; ++i)
        backoff_.failed(ip("198.51." + std::to_string(i) + ".1"), "victim@example.test");
    EXPECT_EQ(backoff_.before(ip("192.0.2.1")), 0s);
    EXPECT_EQ(backoff_.failed(ip("192.0.2.1"), "victim@example.test"), 15s)
        << "a wrong password for that name waits";
}

TEST_F(BackoffTest, ForgetsOneFailureAMinute) {
    for (int i = 0; i < 50; ++i)
        backoff_.failed(ip("192.0.2.1"), "a@b");
    clock_.advance(7min);
    EXPECT_EQ(backoff_.before(ip("192.0.2.1")), 2s);
    clock_.advance(3min);
    EXPECT_EQ(backoff_.before(ip("192.0.2.1")), 0s);
    EXPECT_EQ(backoff_.failed(ip("192.0.2.1"), "a@b"), 2s);
}

TEST_F(BackoffTest, HoldsNoMoreThanItsLimitAndDropsWhatIsForgotten) {
    BackoffLimits limits;
    limits.entries = 100;
    Backoff small(clock_, limits);
    for (int i = 0; i < 1000; ++i)
        small.failed(ip("10.0." + std::to_string(i % 250) + ".1"), "n" + std::to_string(i));
    EXPECT_EQ(small.size(), 200U);
    clock_.advance(20min);
    small.failed(ip("192.0.2.1"), "a@b");
    EXPECT_EQ(small.size(), 2U);
}

}  // namespace
}  // namespace wicket
