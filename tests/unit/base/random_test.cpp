#include "base/random.hpp"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <vector>

namespace wicket {
namespace {

TEST(Random, DoesNotRepeatItself) {
    std::set<std::uint64_t> numbers;
    for (int count = 0; count < 1000; ++count)
        numbers.insert(random_u64());
    EXPECT_EQ(numbers.size(), 1000U);
    EXPECT_FALSE(numbers.contains(0));
}

TEST(Random, FillsAllOfALongBuffer) {
    // More than one getrandom call may give.
    std::vector<unsigned char> octets(100'000);
    fill_random(octets);
    std::array<int, 256> seen{};
    for (const unsigned char octet : std::span(octets).last(50'000))
        ++seen[octet];
    for (const int count : seen)
        EXPECT_GT(count, 50);
}

}  // namespace
}  // namespace wicket
