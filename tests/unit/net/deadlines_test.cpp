#include "net/deadlines.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <vector>

namespace wicket {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Node final : DeadlineNode {
    explicit Node(std::function<void()> its_action = {}) : action(std::move(its_action)) {}
    void on_deadline() override {
        ++fired;
        if (action) action();
    }
    std::function<void()> action;
    int fired = 0;
};

struct DeadlineWheelTest : testing::Test {
    ManualClock clock{WallTime{}};
    DeadlineWheel wheel{clock.steady()};

    void pass(std::chrono::microseconds time) {
        clock.advance(time);
        wheel.advance(clock.steady());
    }
};

TEST_F(DeadlineWheelTest, FiresOnceAndNeverEarlyAndAtMostATickLate) {
    for (const int wait : {1, 249, 250, 251, 1000, 127'999, 128'000, 128'001, 300'000}) {
        SCOPED_TRACE(wait);
        pass(milliseconds(37));
        Node node;
        wheel.add(node, clock.steady() + milliseconds(wait));
        int waited = 0;
        while (node.fired == 0 && waited < wait + 1000) {
            pass(milliseconds(1));
            ++waited;
        }
        EXPECT_GE(waited, wait);
        EXPECT_LE(waited, wait + DeadlineWheel::tick.count());
        EXPECT_EQ(wheel.size(), 0);
        pass(seconds(300));
        EXPECT_EQ(node.fired, 1);
    }
}

TEST_F(DeadlineWheelTest, DoesNotFireWhatHasBeenRemovedOrMoved) {
    Node removed;
    Node moved;
    wheel.add(removed, clock.steady() + seconds(1));
    wheel.add(moved, clock.steady() + seconds(1));
    wheel.remove(removed);
    wheel.remove(removed);
    wheel.add(moved, clock.steady() + seconds(10));
    EXPECT_EQ(wheel.size(), 1);
    pass(seconds(2));
    EXPECT_EQ(removed.fired + moved.fired, 0);
    pass(seconds(9));
    EXPECT_EQ(moved.fired, 1);
    EXPECT_EQ(removed.fired, 0);
}

TEST_F(DeadlineWheelTest, TakesTheEndOfTimeForNoDeadline) {
    Node node;
    wheel.add(node, SteadyTime::max());
    EXPECT_FALSE(node.is_waiting());
    pass(std::chrono::hours(1000));
    EXPECT_EQ(node.fired, 0);
}

TEST_F(DeadlineWheelTest, LetsACallbackAddAndRemoveAnyNode) {
    Node victim;
    Node later;
    Node first;
    first.action = [&] {
        wheel.remove(victim);
        wheel.add(first, clock.steady());
        wheel.add(later, clock.steady() + seconds(1));
    };
    wheel.add(first, clock.steady() + milliseconds(10));
    wheel.add(victim, clock.steady() + milliseconds(10));
    pass(milliseconds(250));
    EXPECT_EQ(first.fired, 1);
    EXPECT_EQ(victim.fired, 0);
    pass(milliseconds(250));
    EXPECT_EQ(first.fired, 2);
    wheel.remove(first);
    pass(seconds(2));
    EXPECT_EQ(later.fired, 1);
    wheel.remove(first);
}

TEST_F(DeadlineWheelTest, SeesEveryNodeAfterALongSleep) {
    std::vector<std::unique_ptr<Node>> nodes;
    for (int i = 0; i < 600; ++i) {
        nodes.push_back(std::make_unique<Node>());
        wheel.add(*nodes.back(), clock.steady() + milliseconds(250) * i);
    }
    pass(std::chrono::hours(5));
    for (const auto& node : nodes)
        EXPECT_EQ(node->fired, 1);
    EXPECT_EQ(wheel.size(), 0);
}

TEST(Deadlines, RunTheTimerOnlyWhileSomebodyWaits) {
    boost::asio::io_context loop;
    Deadlines deadlines(loop, system_clock());
    Node node;
    deadlines.add(node, deadlines.now() + milliseconds(20));
    // Returns when nothing is left to be done: so the timer has not been armed again.
    loop.run();
    EXPECT_EQ(node.fired, 1);
    loop.restart();
    Node again;
    deadlines.add(again, deadlines.now() + milliseconds(20));
    loop.run();
    EXPECT_EQ(again.fired, 1);
}

}  // namespace
}  // namespace wicket
