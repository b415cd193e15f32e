#include "receiver/byte_budget.hpp"

#include "base/message_bytes.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <thread>
#include <vector>

namespace wicket {
namespace {

using Grant = ByteBudget::Lease::Grant;

TEST(ByteBudget, GrantsUpToTheLimitAndNotAnOctetMore) {
    const ByteBudget budget(100, 0);
    auto first = budget.lease();
    auto second = budget.lease();
    EXPECT_EQ(first.grow_to(60), Grant::granted);
    EXPECT_EQ(second.grow_to(41), Grant::exhausted);
    EXPECT_EQ(second.grow_to(40), Grant::granted);
    EXPECT_EQ(first.grow_to(61), Grant::exhausted);
    EXPECT_EQ(budget.memory_octets(), 100U);
    EXPECT_FALSE(budget.has_room_for(1));
    EXPECT_TRUE(budget.has_room_for(0));
}

TEST(ByteBudget, CountsListenersTogetherUpToTheLimitOfEach) {
    const ByteBudget wide(100, 0);
    const ByteBudget narrow = wide.with_limits(50, 0);
    auto first = narrow.lease();
    EXPECT_EQ(first.grow_to(51), Grant::exhausted);
    EXPECT_EQ(first.grow_to(40), Grant::granted);
    auto second = wide.lease();
    EXPECT_EQ(second.grow_to(60), Grant::granted);
    EXPECT_EQ(first.grow_to(41), Grant::exhausted);
    EXPECT_FALSE(narrow.has_room_for(1));
    EXPECT_EQ(narrow.memory_octets(), 100U);
    second = narrow.lease();
    EXPECT_EQ(first.grow_to(50), Grant::granted);
    EXPECT_EQ(second.grow_to(1), Grant::exhausted);
}

TEST(ByteBudget, GetsBackWhatALeaseHeld) {
    const ByteBudget budget(100, 0);
    {
        auto lease = budget.lease();
        EXPECT_EQ(lease.grow_to(70), Grant::granted);
        auto other = std::move(lease);
        EXPECT_EQ(budget.memory_octets(), 70U);
    }
    EXPECT_EQ(budget.memory_octets(), 0U);
}

TEST(ByteBudget, CountsLargeMessagesAgainstTheSpool) {
    const std::uint64_t large = message_memory_limit_octets + 1;
    const ByteBudget budget(message_memory_limit_octets, large);
    auto lease = budget.lease();
    EXPECT_EQ(lease.grow_to(message_memory_limit_octets), Grant::granted);
    EXPECT_EQ(lease.grow_to(large), Grant::granted);
    EXPECT_EQ(budget.memory_octets(), 0U);
    EXPECT_EQ(budget.spool_octets(), large);
    EXPECT_EQ(lease.grow_to(large + 1), Grant::exhausted);
    EXPECT_TRUE(budget.has_room_for(100));
    EXPECT_FALSE(budget.has_room_for(large));
}

TEST(ByteBudget, CountsWhatALeaseHoldsAsRoomForIt) {
    const std::uint64_t large = message_memory_limit_octets + 1;
    const ByteBudget budget(100, large);
    auto lease = budget.lease();
    EXPECT_EQ(lease.grow_to(70), Grant::granted);
    EXPECT_TRUE(lease.has_room_for(70));
    EXPECT_TRUE(lease.has_room_for(100));
    EXPECT_FALSE(lease.has_room_for(101));
    EXPECT_FALSE(budget.has_room_for(70));
    EXPECT_EQ(lease.grow_to(large), Grant::granted);
    EXPECT_TRUE(lease.has_room_for(large));
    EXPECT_FALSE(lease.has_room_for(large + 1));
    lease.give_back();
    EXPECT_TRUE(budget.has_room_for(large));
}

TEST(ByteBudget, MayDieBeforeItsLeases) {
    std::optional<ByteBudget> budget(std::in_place, 100U, 100U);
    auto lease = budget->lease();
    EXPECT_EQ(lease.grow_to(10), Grant::granted);
    budget.reset();
    EXPECT_EQ(lease.grow_to(100), Grant::granted);
    EXPECT_EQ(lease.grow_to(101), Grant::exhausted);
}

TEST(ByteBudget, IsExactWithManyThreads) {
    constexpr int rounds = 20000;
    const ByteBudget budget(3, 0);
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&budget] {
            for (int i = 0; i < rounds; ++i) {
                auto lease = budget.lease();
                lease.grow_to(1);
                EXPECT_LE(budget.memory_octets(), 3U);
            }
        });
    }
    threads.clear();
    EXPECT_EQ(budget.memory_octets(), 0U);
}

}  // namespace
}  // namespace wicket
