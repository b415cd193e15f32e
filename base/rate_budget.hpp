// So many of something a second, and no more; what one second leaves is not kept for the next. Any thread,
// without a lock.
#pragma once

#include "base/clock.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>

namespace wicket {

class RateBudget {
public:
    explicit RateBudget(std::uint32_t per_second) : per_second_(per_second) {}

    /// Whether there was one left; it is gone then.
    bool take(SteadyTime now) {
        const auto second = static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count()
        );
        std::uint64_t seen = state_.load(std::memory_order_relaxed);
        while (true) {
            const std::uint64_t taken = seen >> count_bits == second ? seen & count_mask : 0;
            if (taken >= per_second_) return false;
            const std::uint64_t next = second << count_bits | (taken + 1);
            if (state_.compare_exchange_weak(seen, next, std::memory_order_relaxed)) return true;
        }
    }

private:
    static constexpr unsigned count_bits = 32;
    static constexpr std::uint64_t count_mask = 0xFFFF'FFFF;

    std::uint32_t per_second_;
    std::atomic<std::uint64_t> state_ = 0;  // the second, and how many were taken in it
};

}  // namespace wicket
