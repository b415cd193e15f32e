#include "auth/backoff.hpp"

#include "base/sha256.hpp"

#include <algorithm>
#include <list>
#include <map>
#include <mutex>
#include <string>

namespace wicket {
namespace {

/// Failures by key, the least recently counted one first to go.
class FailureTable {
public:
    FailureTable(std::chrono::seconds forgets_one_each, std::size_t limit)
        : forgets_one_each_(forgets_one_each), limit_(limit) {}

    unsigned level(const std::string& key, SteadyTime now) const {
        const auto found = entries_.find(key);
        return found == entries_.end() ? 0 : level_of(found->second, now);
    }

    unsigned count(const std::string& key, SteadyTime now) {
        auto [at, is_new] = entries_.try_emplace(key);
        Entry& entry = at->second;
        if (is_new) {
            entry.place = order_.insert(order_.end(), at);
        } else {
            order_.splice(order_.end(), order_, entry.place);
            entry.level = level_of(entry, now);
        }
        entry.level = std::min(entry.level + 1, backoff_level_limit);
        entry.since = now;
        const unsigned level = entry.level;
        while (!order_.empty() && (entries_.size() > limit_ || level_of(order_.front()->second, now) == 0)) {
            const auto oldest = order_.front();
            order_.pop_front();
            entries_.erase(oldest);
        }
        return level;
    }

    std::size_t size() const { return entries_.size(); }

private:
    struct Entry;
    using Entries = std::map<std::string, Entry>;
    struct Entry {
        unsigned level = 0;
        SteadyTime since{};
        std::list<Entries::iterator>::iterator place;
    };

    unsigned level_of(const Entry& entry, SteadyTime now) const {
        const auto forgotten = (now - entry.since) / forgets_one_each_;
        return forgotten >= entry.level ? 0 : entry.level - static_cast<unsigned>(forgotten);
    }

    std::chrono::seconds forgets_one_each_;
    std::size_t limit_;
    Entries entries_;
    std::list<Entries::iterator> order_;  // by the time of the last failure
};

/// Names come from strangers: hashed, so that all take the same room.
std::string name_key(std::string_view account) {
    const Sha256 digest = sha256_of(account);
    return {digest.begin(), digest.begin() + 16};
}

}  // namespace

struct Backoff::State {
    State(const Clock& clock_in, BackoffLimits limits_in)
        : clock(clock_in),
          limits(limits_in),
          networks(limits.forgets_one_each, limits.entries),
          names(limits.forgets_one_each, limits.entries) {}

    std::chrono::milliseconds delay_of(unsigned level) const {
        if (level == 0) return std::chrono::milliseconds(0);
        return std::min<std::chrono::milliseconds>(limits.most, limits.first * (1LL << (level - 1)));
    }

    const Clock& clock;
    const BackoffLimits limits;
    mutable std::mutex mutex;  // protects what follows
    FailureTable networks;
    FailureTable names;
};

Backoff::Backoff(const Clock& clock, BackoffLimits limits) : state_(std::make_unique<State>(clock, limits)) {}
Backoff::~Backoff() = default;

std::chrono::milliseconds Backoff::before(const IpAddress& client) const {
    const std::string network = neighbourhood(client).to_string();
    const std::lock_guard lock(state_->mutex);
    const unsigned level = state_->networks.level(network, state_->clock.steady());
    return state_->delay_of(level > backoff_free_failures ? level - backoff_free_failures : 0);
}

std::chrono::milliseconds Backoff::failed(const IpAddress& client, std::string_view account) {
    const std::string network = neighbourhood(client).to_string();
    const std::string name = name_key(account);
    const std::lock_guard lock(state_->mutex);
    const SteadyTime now = state_->clock.steady();
    return state_->delay_of(std::max(state_->networks.count(network, now), state_->names.count(name, now)));
}

std::size_t Backoff::size() const {
    const std::lock_guard lock(state_->mutex);
    return state_->networks.size() + state_->names.size();
}

}  // namespace wicket
