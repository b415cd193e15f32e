#include "base/rate_budget.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

TEST(RateBudget, GivesSoManyASecondAndKeepsNone) {
    const SteadyTime start{std::chrono::seconds(1000)};
    RateBudget budget(3);
    for (int second = 0; second < 3; ++second) {
        SCOPED_TRACE(second);
        const SteadyTime now = start + std::chrono::seconds(10 * second);
        for (int i = 0; i < 3; ++i)
            EXPECT_TRUE(budget.take(now + std::chrono::milliseconds(300 * i)));
        EXPECT_FALSE(budget.take(now + std::chrono::milliseconds(999)));
    }
    EXPECT_TRUE(budget.take(start + std::chrono::seconds(21)));
    EXPECT_FALSE(RateBudget(0).take(start));
}

}  // namespace
}  // namespace wicket
