#include "net/loop_choice.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

void make_hub_late(LoopChoice& loops) {
    for (int count = 0; count < 100; ++count)
        loops.waited(2 * hub_wait_limit);
}

TEST(LoopChoice, KeepsConnectionsOnAHubThatHasTime) {
    LoopChoice loops(3);
    for (std::uint32_t count = 0; count < hub_lead_limit; ++count)
        EXPECT_EQ(loops.enter(), 0U);
}

TEST(LoopChoice, LetsTheHubBeAheadByNoMoreThanItsLimit) {
    LoopChoice loops(3);
    std::vector<std::uint32_t> open(3);
    for (int count = 0; count < 300; ++count) {
        ++open[loops.enter()];
        ASSERT_LE(open[0], std::min(open[1], open[2]) + hub_lead_limit);
    }
    EXPECT_LE(open[0], 100 + hub_lead_limit);
    EXPECT_GE(open[1], 90U);
    EXPECT_GE(open[2], 90U);
}

TEST(LoopChoice, SpreadsEvenlyWhenTheHubIsLate) {
    LoopChoice loops(2);
    make_hub_late(loops);
    for (int count = 0; count < 10; ++count)
        EXPECT_EQ(loops.enter(), count % 2 == 0 ? 1U : 0U);
    // What was kept on the hub before counts.
    loops.leave(1);
    loops.leave(1);
    EXPECT_EQ(loops.enter(), 1U);
    EXPECT_EQ(loops.enter(), 1U);
}

TEST(LoopChoice, IsNotAlarmedByOneLateHandlerAndRecovers) {
    LoopChoice loops(2);
    loops.waited(10 * hub_wait_limit);
    EXPECT_EQ(loops.enter(), 0U);
    make_hub_late(loops);
    EXPECT_EQ(loops.enter(), 1U);
    for (int count = 0; count < 50; ++count)
        loops.waited({});
    EXPECT_EQ(loops.enter(), 0U);
}

TEST(LoopChoice, HasTheHubAloneOnOneCore) {
    LoopChoice loops(1);
    make_hub_late(loops);
    EXPECT_EQ(loops.enter(), 0U);
    loops.leave(0);
    EXPECT_EQ(loops.enter(), 0U);
}

}  // namespace
}  // namespace wicket
