#include "server/log_follower.hpp"

#include <functional>

namespace wicket {

WallTime LogFollower::look(WallTime now, SteadyTime at) {
    at_ = at;
    oldest_ = RecordId::first_at(now - follow_span);
    seen_.erase(seen_.begin(), seen_.lower_bound(oldest_));
    auto span = spans.front();
    for (std::size_t i = 0; i < spans.size(); ++i) {
        if (at < next_[i]) continue;
        next_[i] = at + spans[i] / looks_in_span;
        span = spans[i];
    }
    return now - span;
}

bool LogFollower::is_done(const RecordId& id) const {
    const auto found = seen_.find(id);
    return found != seen_.end() && found->second.is_ended;
}

bool LogFollower::shows(const RecordId& id, RecordState state, std::string_view told) {
    // Only the first look goes so far back, and needs no memory of it.
    if (id < oldest_) return true;
    Seen& seen = seen_.try_emplace(id, Seen{.first = at_}).first->second;
    if (seen.is_ended) return false;
    const std::size_t told_hash = std::hash<std::string_view>()(told);
    if (state == RecordState::open) {
        if (seen.is_shown || at_ < seen.first + follow_open_wait) return false;
        seen.told_hash = told_hash;
        seen.is_shown = true;
        return true;
    }
    seen.is_ended = true;
    return !seen.is_shown || seen.told_hash != told_hash;
}

}  // namespace wicket
