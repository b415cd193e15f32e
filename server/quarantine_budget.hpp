// How much of what everybody refuses may be kept for people to look at: a flood of spam must neither fill the
// disk nor hold up good mail, and must not push everything else out of the quarantine within hours. A bucket
// for all and one for each network; each may be overdrawn by one message, so that a large one fits too. Any
// thread.
#pragma once

#include "base/clock.hpp"
#include "base/ip.hpp"

#include <cstdint>
#include <map>
#include <mutex>

namespace wicket {

// At this rate 10 GiB last for three hours of an attack that never pauses, and a disk that writes 50 MiB/s
// has nearly all of it for good mail.
inline constexpr std::uint64_t kept_octets_per_second = 1U << 20U;
inline constexpr std::uint64_t kept_burst_octets = 16U << 20U;
// One network cannot spend more than a sixteenth of it, once its burst is spent: some six messages a second.
inline constexpr std::uint64_t kept_network_octets_per_second = 64U << 10U;
inline constexpr std::uint64_t kept_network_burst_octets = 4U << 20U;
// Networks that are told apart; those that have spent nothing of late are forgotten first.
inline constexpr std::size_t kept_networks_limit = 4096;

class QuarantineBudget {
public:
    /// Whether a refused message of this size may be kept; its octets are spent then.
    bool take(const IpAddress& client, std::uint64_t octets, SteadyTime now);

private:
    struct Bucket {
        std::int64_t left = 0;
        SteadyTime at{};  // when it held that
    };
    static void refill(Bucket& bucket, std::uint64_t per_second, std::uint64_t burst, SteadyTime now);
    Bucket& network(const IpAddress& client, SteadyTime now);

    std::mutex mutex_;
    Bucket all_{static_cast<std::int64_t>(kept_burst_octets), SteadyTime{}};
    std::map<IpNetwork, Bucket> networks_;
};

}  // namespace wicket
