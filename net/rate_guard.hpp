// Watches over the least rate at which a peer may send: pure arithmetic. Each quota of rate x window octets
// has to be complete within one window of the quota before it, so no window passes on credit of earlier speed
// and a peer that sends one octet now and then is found out. A value; one thread.
#pragma once

#include "base/clock.hpp"

#include <chrono>
#include <cstdint>

namespace wicket {

class RateGuard {
public:
    // The average is taken over this: long enough for a lost segment or two, too short for a slow trickle.
    static constexpr std::chrono::seconds window{60};

    /// `least_octets_per_second` 0: any rate is fine.
    RateGuard(SteadyTime start, std::uint32_t least_octets_per_second)
        : window_start_(start), quota_(std::uint64_t{least_octets_per_second} * window.count()) {}

    /// `octets` have come by `now`.
    void received(std::uint64_t octets, SteadyTime now) {
        in_window_ += octets;
        if (in_window_ < quota_) return;
        in_window_ = 0;
        window_start_ = now;
    }

    /// When the peer is too slow unless the quota is met, or what it sends has ended, before.
    SteadyTime deadline() const { return quota_ == 0 ? SteadyTime::max() : window_start_ + window; }
    bool is_too_slow(SteadyTime now) const { return now >= deadline(); }

private:
    SteadyTime window_start_;
    std::uint64_t quota_;
    std::uint64_t in_window_ = 0;
};

}  // namespace wicket
