#include "net/limit_table.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

using std::chrono::milliseconds;

IpAddress ip(std::string_view text) {
    return IpAddress::parse(text).value();
}

struct LimitTableTest : testing::Test {
    ManualClock clock{WallTime{}};
    Admission admit(LimitTable& table, std::string_view address) {
        return table.admit(ip(address), clock.steady());
    }
};

TEST_F(LimitTableTest, StopsAtTheLimitOfAnAddressAndGoesOnWhenOneLeaves) {
    LimitTable table({.per_ip = 2, .per_network = 100, .total = 100});
    EXPECT_EQ(admit(table, "192.0.2.1"), Admission::admitted);
    EXPECT_EQ(admit(table, "192.0.2.1"), Admission::admitted);
    EXPECT_EQ(admit(table, "192.0.2.1"), Admission::per_ip);
    EXPECT_EQ(admit(table, "192.0.2.2"), Admission::admitted);
    table.release(ip("192.0.2.1"));
    EXPECT_EQ(admit(table, "192.0.2.1"), Admission::admitted);
    EXPECT_EQ(admit(table, "192.0.2.1"), Admission::per_ip);
}

TEST_F(LimitTableTest, IsScarceWhileFourFifthsAreTaken) {
    LimitTable table({.per_ip = 20, .per_network = 100, .total = 5});
    for (int i = 0; i < 4; ++i) {
        EXPECT_FALSE(table.is_scarce()) << i;
        EXPECT_EQ(table.enter(), Admission::admitted);
    }
    EXPECT_TRUE(table.is_scarce());
    table.leave();
    EXPECT_FALSE(table.is_scarce());
}

TEST_F(LimitTableTest, CountsNeighbourhoodsOfBothFamilies) {
    struct Case {
        const char *name, *inside1, *inside2, *outside;
    };
    for (const auto& [name, inside1, inside2, outside] : {
             Case{"/24", "192.0.2.1",       "192.0.2.255",          "192.0.3.1"      },
             Case{"/64", "2001:db8:0:1::1", "2001:db8:0:1:ffff::1", "2001:db8:0:2::1"},
    }) {
        SCOPED_TRACE(name);
        LimitTable table({.per_ip = 10, .per_network = 2, .total = 100});
        EXPECT_EQ(admit(table, inside1), Admission::admitted);
        EXPECT_EQ(admit(table, inside2), Admission::admitted);
        EXPECT_EQ(admit(table, inside2), Admission::per_network);
        EXPECT_EQ(admit(table, outside), Admission::admitted);
    }
}

TEST_F(LimitTableTest, ExemptsLoopbackFromAllButTheTotal) {
    LimitTable table({.per_ip = 1, .per_network = 1, .total = 2, .rate_per_second = 0.1});
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(admit(table, "127.0.0.1"), Admission::admitted);
        EXPECT_EQ(admit(table, "::1"), Admission::admitted);
    }
    table.release(ip("127.0.0.1"));
    EXPECT_EQ(table.rows(), 0);
    EXPECT_EQ(table.enter(), Admission::admitted);
    EXPECT_EQ(table.enter(), Admission::admitted);
    EXPECT_EQ(table.enter(), Admission::total);
    table.leave();
    EXPECT_EQ(table.enter(), Admission::admitted);
}

TEST_F(LimitTableTest, LetsABurstOfTenSecondsPassAndThenTheRate) {
    LimitTable table({.per_ip = 1000, .per_network = 1000, .total = 1000, .rate_per_second = 2});
    for (int i = 0; i < 20; ++i)
        EXPECT_EQ(admit(table, "192.0.2.1"), Admission::admitted) << i;
    EXPECT_EQ(admit(table, "192.0.2.1"), Admission::rate);
    EXPECT_EQ(admit(table, "192.0.2.2"), Admission::admitted);
    clock.advance(milliseconds(499));
    EXPECT_EQ(admit(table, "192.0.2.1"), Admission::rate);
    clock.advance(milliseconds(2));
    EXPECT_EQ(admit(table, "192.0.2.1"), Admission::admitted);
    EXPECT_EQ(admit(table, "192.0.2.1"), Admission::rate);
}

TEST_F(LimitTableTest, MeasuresAHostOfIpv6ByItsNetwork) {
    LimitTable table({.per_ip = 1000, .per_network = 1000, .total = 1000, .rate_per_second = 0.1});
    EXPECT_EQ(admit(table, "2001:db8::1"), Admission::admitted);
    EXPECT_EQ(admit(table, "2001:db8::2"), Admission::rate);
}

TEST_F(LimitTableTest, ForgetsWhoLeftAndBoundsTheRates) {
    LimitTable table({.per_ip = 2, .per_network = 1000, .total = 1000, .rate_per_second = 1});
    for (std::uint32_t i = 0; i < LimitTable::rate_entries_limit + 100; ++i) {
        const char octets[] = {
            10, static_cast<char>(i >> 16U), static_cast<char>(i >> 8U), static_cast<char>(i)
        };
        const auto client = IpAddress::from_octets({octets, 4}).value();
        ASSERT_EQ(table.admit(client, clock.steady()), Admission::admitted);
        table.release(client);
    }
    EXPECT_EQ(table.rows(), LimitTable::rate_entries_limit);
    clock.advance(std::chrono::seconds(10));
    EXPECT_EQ(admit(table, "192.0.2.1"), Admission::admitted);
    EXPECT_EQ(table.rows(), 3);
}

}  // namespace
}  // namespace wicket
