#include "receiver/message_pace.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t quota = 500 * 60;

class MessagePaceTest : public ::testing::Test {
protected:
    /// How long the peer may go on being silent.
    std::chrono::seconds left(Awaiting awaiting) const {
        return std::chrono::duration_cast<std::chrono::seconds>(pace.deadline(awaiting, now) - now);
    }

    SteadyTime now = ManualClock(WallTime{}).steady();
    MessagePace pace{ReceiverTimeouts{}};
};

TEST_F(MessagePaceTest, GivesAWindowOfTextAndAWindowOfPauses) {
    EXPECT_EQ(left(Awaiting::data_rest), 60s);
    for (const Awaiting pause : {Awaiting::data, Awaiting::command, Awaiting::command_rest})
        EXPECT_EQ(left(pause), 300s);
    pace.received(Awaiting::data_rest, 59s, 1);
    pace.received(Awaiting::command, 100s, 1);
    pace.received(Awaiting::data, 100s, 1);
    EXPECT_EQ(left(Awaiting::data_rest), 1s);
    EXPECT_EQ(left(Awaiting::command), 100s);
}

TEST_F(MessagePaceTest, MovesOnOnlyWhenTheQuotaIsWhole) {
    pace.received(Awaiting::data_rest, 30s, quota - 1);
    EXPECT_EQ(left(Awaiting::data_rest), 30s);
    pace.received(Awaiting::data_rest, 10s, 1);
    EXPECT_EQ(left(Awaiting::data_rest), 60s);
    EXPECT_EQ(left(Awaiting::command), 300s);
}

TEST_F(MessagePaceTest, FindsOutOneOctetEveryTenSeconds) {
    int octets = 0;
    for (; left(Awaiting::data_rest) > 0s; ++octets)
        pace.received(Awaiting::data_rest, 10s, 1);
    EXPECT_EQ(octets, 6);
}

TEST_F(MessagePaceTest, LetsTheExactRatePassForEver) {
    for (int i = 0; i < 3600; ++i) {
        pace.received(Awaiting::data_rest, 1s, 500);
        ASSERT_GT(left(Awaiting::data_rest), 0s) << i;
    }
}

TEST_F(MessagePaceTest, GivesNoCreditForEarlierSpeed) {
    pace.received(Awaiting::data_rest, 1s, 10'000'000);
    pace.received(Awaiting::data_rest, 60s, 1);
    EXPECT_EQ(left(Awaiting::data_rest), 0s);
}

TEST_F(MessagePaceTest, IsOffAtZero) {
    ReceiverTimeouts timeouts;
    timeouts.least_octets_per_second = 0;
    pace = MessagePace(timeouts);
    pace.received(Awaiting::data_rest, 100h, 1);
    EXPECT_EQ(pace.deadline(Awaiting::data_rest, now), SteadyTime::max());
}

}  // namespace
}  // namespace wicket
