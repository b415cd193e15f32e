#include "server/deferrals.hpp"

#include "tests/support/table_memory.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

using namespace std::chrono_literals;

IpAddress ip(std::string_view text) {
    return IpAddress::parse(text).value();
}

TEST(Deferrals, CountAndAreForgottenSomeDaysAfterTheLast) {
    ManualClock clock(WallTime(std::chrono::days(20'000)));
    TableMemory memory(clock);
    Deferrals deferrals(memory, clock);
    const std::string key = Deferrals::envelope_key(ip("192.0.2.1"), "a@b.test", "c@d.test");
    EXPECT_EQ(deferrals.count(key), 0);
    deferrals.add(key);
    EXPECT_EQ(deferrals.count(key), 1);
    clock.advance(deferral_memory - 1s);
    deferrals.add(key);
    EXPECT_EQ(deferrals.count(key), 2);
    clock.advance(deferral_memory - 1s);
    EXPECT_EQ(deferrals.count(key), 2);
    clock.advance(1s);
    EXPECT_EQ(deferrals.count(key), 0);
}

TEST(Deferrals, WhatIsRememberedWrongCountsAsNothing) {
    ManualClock clock(WallTime(std::chrono::days(20'000)));
    TableMemory memory(clock);
    Deferrals deferrals(memory, clock);
    for (const std::string_view value : {"", "x", "-7", "99999999999999999999999"}) {
        SCOPED_TRACE(value);
        memory.remember("k", value, clock.wall() + 1h);
        EXPECT_EQ(deferrals.count("k"), 0);
    }
}

TEST(Deferrals, KnowASenderByItsNetworkAndEnvelope) {
    const auto key = Deferrals::envelope_key(ip("192.0.2.1"), "a@b.test", "c@d.test");
    EXPECT_EQ(key, Deferrals::envelope_key(ip("192.0.2.254"), "a@b.test", "c@d.test"));
    EXPECT_NE(key, Deferrals::envelope_key(ip("192.0.3.1"), "a@b.test", "c@d.test"));
    EXPECT_NE(key, Deferrals::envelope_key(ip("192.0.2.1"), "", "c@d.test"));
    EXPECT_NE(key, Deferrals::envelope_key(ip("192.0.2.1"), "a@b.test", ""));

    const auto message = Deferrals::message_key(ip("192.0.2.1"), "a@b.test", {"x@d.test", "y@d.test"}, "h1");
    EXPECT_EQ(message, Deferrals::message_key(ip("192.0.2.2"), "a@b.test", {"y@d.test", "x@d.test"}, "h1"));
    EXPECT_NE(message, Deferrals::message_key(ip("192.0.2.1"), "a@b.test", {"x@d.test", "y@d.test"}, "h2"));
    EXPECT_NE(message, Deferrals::message_key(ip("192.0.2.1"), "a@b.test", {"x@d.test"}, "h1"));
    EXPECT_NE(message, key);
    EXPECT_LT(message.size(), 64U);
}

}  // namespace
}  // namespace wicket
