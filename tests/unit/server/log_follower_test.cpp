#include "server/log_follower.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using State = LogFollower::RecordState;

constexpr WallTime start{std::chrono::microseconds(1'760'000'000'000'000)};

class LogFollowerTest : public testing::Test {
protected:
    /// A look at the next moment; from how far back it reads.
    std::chrono::microseconds look(std::chrono::microseconds later) {
        clock_.advance(later);
        return clock_.wall() - follower_.look(clock_.wall(), clock_.steady());
    }
    static RecordId id_at(WallTime time, std::uint32_t number = 0) { return RecordId::make(time, 1, number); }

    ManualClock clock_{start};
    LogFollower follower_;
};

TEST_F(LogFollowerTest, ShowsARecordOnceHoweverOldItsIdIs) {
    look(seconds(0));
    EXPECT_TRUE(follower_.shows(id_at(start), State::ended, "accept"));
    EXPECT_TRUE(follower_.shows(id_at(start - minutes(5)), State::ended, "accept"));
    EXPECT_TRUE(follower_.is_done(id_at(start)));
    EXPECT_FALSE(follower_.is_done(id_at(start, 1)));
    EXPECT_FALSE(follower_.shows(id_at(start), State::ended, "accept"));
}

TEST_F(LogFollowerTest, ReadsEveryTransactionSoonAfterItsEndHoweverLongItTook) {
    // Tries transactions of all lengths that end between any two looks.
    for (const auto took :
         {milliseconds(1),
          milliseconds(4700),
          milliseconds(30'000),
          milliseconds(300'000),
          milliseconds(6'000'000),
          milliseconds(100'000'000)}) {
        LogFollower follower;
        ManualClock clock(start);
        const WallTime began = start + seconds(100) - took;
        WallTime shown_at{};
        for (int i = 0; shown_at == WallTime{} && i < 200'000; ++i) {
            const WallTime from = follower.look(clock.wall(), clock.steady());
            if (clock.wall() >= start + seconds(100) && from <= began) shown_at = clock.wall();
            clock.advance(follow_interval);
        }
        const auto late = shown_at - (start + seconds(100));
        EXPECT_LE(late, follow_interval + took * 12 / 25 + seconds(1)) << took.count();
    }
}

TEST_F(LogFollowerTest, APauseLeavesNothingOut) {
    look(seconds(0));
    for (const auto pause : {seconds(3), seconds(50), seconds(1000), seconds(20'000)})
        EXPECT_GE(look(pause), pause);
}

TEST_F(LogFollowerTest, AnOpenRefusalIsShownAfterAWhileAndAgainOnlyIfMoreIsDecided) {
    look(seconds(0));
    EXPECT_FALSE(follower_.shows(id_at(start), State::open, "reject"));
    EXPECT_FALSE(follower_.shows(id_at(start, 1), State::open, "reject"));
    EXPECT_FALSE(follower_.shows(id_at(start, 2), State::open, "reject"));
    look(milliseconds(200));
    EXPECT_TRUE(follower_.shows(id_at(start, 2), State::ended, "reject"));
    look(follow_open_wait);
    EXPECT_TRUE(follower_.shows(id_at(start), State::open, "reject"));
    EXPECT_TRUE(follower_.shows(id_at(start, 1), State::open, "reject"));
    look(milliseconds(200));
    EXPECT_FALSE(follower_.shows(id_at(start), State::open, "reject"));
    EXPECT_FALSE(follower_.shows(id_at(start), State::ended, "reject"));
    EXPECT_TRUE(follower_.shows(id_at(start, 1), State::ended, "accept"));
    EXPECT_TRUE(follower_.is_done(id_at(start, 1)));
}

TEST_F(LogFollowerTest, ForgetsWhatIsOlderThanAnyTransaction) {
    look(seconds(0));
    EXPECT_TRUE(follower_.shows(id_at(start - follow_span - hours(1)), State::ended, ""));
    EXPECT_EQ(follower_.remembered(), 0U);
    EXPECT_TRUE(follower_.shows(id_at(start), State::ended, ""));
    EXPECT_EQ(follower_.remembered(), 1U);
    look(follow_span + hours(1));
    EXPECT_EQ(follower_.remembered(), 0U);
}

}  // namespace
}  // namespace wicket
