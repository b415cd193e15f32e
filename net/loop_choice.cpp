#include "net/loop_choice.hpp"

namespace wicket {

std::size_t LoopChoice::enter() {
    const std::size_t least = least_loaded();
    const bool hub_has_time = wait_ <= hub_wait_limit && open_[0] < open_[least] + hub_lead_limit;
    const std::size_t chosen = hub_has_time ? 0 : least;
    ++open_[chosen];
    return chosen;
}

void LoopChoice::waited(std::chrono::nanoseconds time) {
    constexpr int weight = 16;
    wait_ += (time - wait_) / weight;
}

std::size_t LoopChoice::least_loaded() const {
    // The hub, which has the DNS to do, comes last among equals.
    std::size_t best = 0;
    for (std::size_t i = 1; i < open_.size(); ++i) {
        if (open_[i] <= open_[best]) best = i;
    }
    return best;
}

}  // namespace wicket
