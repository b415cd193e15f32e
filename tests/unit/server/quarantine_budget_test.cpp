#include "server/quarantine_budget.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

using std::chrono::seconds;

constexpr std::uint64_t message_octets = 100'000;

IpAddress client(int network) {
    return *IpAddress::parse(
        "10." + std::to_string(network / 250) + "." + std::to_string(network % 250) + ".1"
    );
}

TEST(QuarantineBudget, OneNetworkSpendsItsOwnShareAndNotThatOfOthers) {
    QuarantineBudget budget;
    SteadyTime now{seconds(1000)};
    std::uint64_t kept = 0;
    for (int i = 0; i < 1000; ++i)
        kept += budget.take(client(1), message_octets, now) ? message_octets : 0;
    EXPECT_GE(kept, kept_network_burst_octets);
    EXPECT_LE(kept, kept_network_burst_octets + message_octets);
    EXPECT_FALSE(budget.take(*IpAddress::parse("10.0.1.200"), 1, now)) << "the same network";
    EXPECT_TRUE(budget.take(client(2), message_octets, now));
    now += seconds(10);
    EXPECT_TRUE(budget.take(client(1), message_octets, now));
}

TEST(QuarantineBudget, AFloodFromEverywhereIsBounded) {
    QuarantineBudget budget;
    std::uint64_t kept = 0;
    for (int second = 0; second < 60; ++second)
        for (int i = 0; i < 1000; ++i)
            kept +=
                budget.take(client((second * 1000 + i) % 60000), message_octets, SteadyTime{seconds(second)})
                    ? message_octets
                    : 0;
    EXPECT_LE(kept, kept_burst_octets + 60 * (kept_octets_per_second + message_octets));
    EXPECT_GE(kept, kept_burst_octets + 55 * kept_octets_per_second);
}

TEST(QuarantineBudget, TheLargestMessageIsKeptOnce) {
    QuarantineBudget budget;
    EXPECT_TRUE(budget.take(client(1), 50U << 20U, SteadyTime{seconds(1)}));
    EXPECT_FALSE(budget.take(client(2), 1, SteadyTime{seconds(1)}));
    EXPECT_TRUE(budget.take(client(2), 1, SteadyTime{seconds(60)}));
}

}  // namespace
}  // namespace wicket
