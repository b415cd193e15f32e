#include "mail/facts.hpp"

#include <gtest/gtest.h>

#include <map>

namespace wicket {
namespace {

FactValue number(std::int64_t value) {
    return value;
}

TEST(Facts, AreAbsentUntilTheyAreSet) {
    Facts facts;
    EXPECT_EQ(facts.size(), 0U);
    EXPECT_EQ(facts.get(0), FactValue());
    facts.set(7, Absent{});
    EXPECT_EQ(facts.size(), 0U);
    facts.set(7, number(1));
    EXPECT_EQ(facts.size(), 8U);
    EXPECT_EQ(facts.get(7), number(1));
    EXPECT_EQ(facts.get(6), FactValue());
    facts.set(7, Absent{});
    EXPECT_EQ(facts.get(7), FactValue());
    EXPECT_EQ(facts.size(), 0U);
}

TEST(Facts, AreEqualWhateverTheOrderTheyCameIn) {
    Facts up;
    Facts down;
    for (FactId id = 0; id < 9; ++id) {
        up.set(id, number(id));
        down.set(static_cast<FactId>(8 - id), number(8 - id));
    }
    EXPECT_EQ(up, down);
    down.set(3, Absent{});
    EXPECT_NE(up, down);
    down.set(3, number(4));
    EXPECT_NE(up, down);
    down.set(3, number(3));
    EXPECT_EQ(up, down);
}

// A map knows how it should be.
TEST(Facts, ComeAndGoInAnyOrder) {
    Facts facts;
    std::map<FactId, std::int64_t> want;
    std::uint32_t seed = 1;
    for (int step = 0; step < 3000; ++step) {
        seed = seed * 1664525U + 1013904223U;
        const auto id = static_cast<FactId>((seed >> 24U) % 40);
        switch ((seed >> 16U) % 8) {
            case 0:
                facts.erase_if([&](FactId one) { return one >= id; });
                std::erase_if(want, [&](const auto& one) { return one.first >= id; });
                break;
            case 1:
            case 2:
                facts.set(id, Absent{});
                want.erase(id);
                break;
            default: facts.set(id, number(step)); want[id] = step;
        }
        ASSERT_EQ(facts.size(), want.empty() ? 0U : want.rbegin()->first + 1U);
        const Facts copy(facts, 3);
        ASSERT_EQ(copy, facts);
        for (FactId one = 0; one < 41; ++one)
            ASSERT_EQ(copy.get(one), want.contains(one) ? number(want[one]) : FactValue())
                << step << ' ' << one;
    }
    facts.clear();
    EXPECT_EQ(facts, Facts());
}

}  // namespace
}  // namespace wicket
