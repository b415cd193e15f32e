#include "receiver/byte_budget.hpp"

#include "base/message_bytes.hpp"

#include <atomic>
#include <utility>

namespace wicket {
namespace {

/// Adds `octets` unless that would pass `limit`. Not fetch_add and back: the overshoot in between would
/// refuse others that still fit.
bool take(std::atomic<std::uint64_t>& counter, std::uint64_t octets, std::uint64_t limit) {
    std::uint64_t used = counter.load(std::memory_order_relaxed);
    do {
        if (octets > limit || used > limit - octets) return false;
    } while (!counter.compare_exchange_weak(used, used + octets, std::memory_order_relaxed));
    return true;
}

bool fits(const std::atomic<std::uint64_t>& counter, std::uint64_t octets, std::uint64_t limit) {
    return octets <= limit && counter.load(std::memory_order_relaxed) <= limit - octets;
}

}  // namespace

struct ByteBudget::Counters {
    std::atomic<std::uint64_t> memory_octets = 0;
    std::atomic<std::uint64_t> spool_octets = 0;
};

ByteBudget::ByteBudget(std::uint64_t memory_limit_octets, std::uint64_t spool_limit_octets)
    : counters_(std::make_shared<Counters>()),
      memory_limit_octets_(memory_limit_octets),
      spool_limit_octets_(spool_limit_octets) {}

ByteBudget ByteBudget::with_limits(std::uint64_t memory_limit_octets, std::uint64_t spool_limit_octets)
    const {
    ByteBudget other = *this;
    other.memory_limit_octets_ = memory_limit_octets;
    other.spool_limit_octets_ = spool_limit_octets;
    return other;
}

ByteBudget::Lease ByteBudget::lease() const {
    return Lease(*this);
}

bool ByteBudget::has_room_for(std::uint64_t octets) const {
    return lease().has_room_for(octets);
}

std::uint64_t ByteBudget::memory_octets() const {
    return counters_->memory_octets.load(std::memory_order_relaxed);
}

std::uint64_t ByteBudget::spool_octets() const {
    return counters_->spool_octets.load(std::memory_order_relaxed);
}

ByteBudget::Lease::Lease(const ByteBudget& budget)
    : counters_(budget.counters_),
      memory_limit_octets_(budget.memory_limit_octets_),
      spool_limit_octets_(budget.spool_limit_octets_) {}

ByteBudget::Lease::Lease(Lease&& other) noexcept
    : counters_(std::move(other.counters_)),
      memory_limit_octets_(other.memory_limit_octets_),
      spool_limit_octets_(other.spool_limit_octets_),
      memory_octets_(std::exchange(other.memory_octets_, 0)),
      spool_octets_(std::exchange(other.spool_octets_, 0)) {}

ByteBudget::Lease& ByteBudget::Lease::operator=(Lease&& other) noexcept {
    if (this != &other) {
        give_back();
        counters_ = std::move(other.counters_);
        memory_limit_octets_ = other.memory_limit_octets_;
        spool_limit_octets_ = other.spool_limit_octets_;
        memory_octets_ = std::exchange(other.memory_octets_, 0);
        spool_octets_ = std::exchange(other.spool_octets_, 0);
    }
    return *this;
}

ByteBudget::Lease::~Lease() {
    give_back();
}

ByteBudget::Lease::Grant ByteBudget::Lease::grow_to(std::uint64_t octets) {
    if (octets <= memory_octets_ || octets <= spool_octets_) return Grant::granted;
    if (octets <= message_memory_limit_octets) {
        if (!take(counters_->memory_octets, octets - memory_octets_, memory_limit_octets_))
            return Grant::exhausted;
        memory_octets_ = octets;
        return Grant::granted;
    }
    if (!take(counters_->spool_octets, octets - spool_octets_, spool_limit_octets_)) return Grant::exhausted;
    spool_octets_ = octets;
    counters_->memory_octets.fetch_sub(std::exchange(memory_octets_, 0), std::memory_order_relaxed);
    return Grant::granted;
}

bool ByteBudget::Lease::has_room_for(std::uint64_t octets) const {
    if (octets <= memory_octets_ || octets <= spool_octets_) return true;
    if (octets <= message_memory_limit_octets)
        return fits(counters_->memory_octets, octets - memory_octets_, memory_limit_octets_);
    return fits(counters_->spool_octets, octets - spool_octets_, spool_limit_octets_);
}

void ByteBudget::Lease::give_back() {
    if (!counters_) return;
    counters_->memory_octets.fetch_sub(std::exchange(memory_octets_, 0), std::memory_order_relaxed);
    counters_->spool_octets.fetch_sub(std::exchange(spool_octets_, 0), std::memory_order_relaxed);
}

}  // namespace wicket
