#include "server/greylist.hpp"

#include "tests/support/table_memory.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

using namespace std::chrono_literals;

std::string key_from(std::string_view client) {
    return Greylist::key_of(IpAddress::parse(client).value(), "a@b.test", "c@d.test");
}

class GreylistTest : public testing::Test {
protected:
    ManualClock clock_{WallTime(std::chrono::days(20'000))};
    TableMemory memory_{clock_};
    Greylist greylist_{memory_, clock_};
};

TEST_F(GreylistTest, CountsFromTheFirstTry) {
    const std::string key = key_from("192.0.2.1");
    EXPECT_EQ(greylist_.age(key), std::nullopt);
    greylist_.begin(key);
    clock_.advance(100s);
    greylist_.begin(key);
    clock_.advance(250s);
    EXPECT_EQ(greylist_.age(key), 350);
}

TEST_F(GreylistTest, ForgetsWhoDoesNotComeAgainSoonerThanWhoDid) {
    const std::string one = key_from("192.0.2.1");
    const std::string other = key_from("198.51.100.1");
    greylist_.begin(one);
    greylist_.begin(other);
    clock_.advance(greylist_window - 1s);
    greylist_.keep(one);
    clock_.advance(1s);
    EXPECT_EQ(greylist_.age(other), std::nullopt);
    clock_.advance(greylist_pass - 2s);
    EXPECT_NE(greylist_.age(one), std::nullopt);
    clock_.advance(1s);
    EXPECT_EQ(greylist_.age(one), std::nullopt);
    greylist_.keep(one);
    EXPECT_EQ(greylist_.age(one), std::nullopt);
}

TEST_F(GreylistTest, TakesANetworkForOneSender) {
    EXPECT_EQ(key_from("192.0.2.1"), key_from("192.0.2.200"));
    EXPECT_NE(key_from("192.0.2.1"), key_from("192.0.3.1"));
    EXPECT_EQ(key_from("2001:db8::1"), key_from("2001:db8::2:1"));
    const IpAddress client = IpAddress::parse("192.0.2.1").value();
    EXPECT_NE(Greylist::key_of(client, "", "c@d.test"), Greylist::key_of(client, "a@b.test", "c@d.test"));
}

}  // namespace
}  // namespace wicket
