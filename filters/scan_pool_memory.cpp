#include "filters/scan_pool_memory.hpp"

#include <chrono>
#include <utility>

namespace wicket {
namespace {

// Sender domains of a busy server within an hour; an entry takes about half a kilobyte.
constexpr std::size_t remembered_limit = 20'000;
// A policy that no longer needs a question would drag it along for ever.
constexpr std::chrono::minutes remembered_for{30};

}  // namespace

std::vector<DnsQuestion> QuestionMemory::recall(const std::string& key, SteadyTime now) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return {};
    if (now - found->second->learned_at > remembered_for) {
        forget(key);
        return {};
    }
    entries_.splice(entries_.begin(), entries_, found->second);
    return entries_.front().questions;
}

void QuestionMemory::learn(const std::string& key, std::vector<DnsQuestion> questions, SteadyTime now) {
    forget(key);
    if (questions.empty()) return;
    if (entries_.size() == remembered_limit) {
        by_key_.erase(entries_.back().key);
        entries_.pop_back();
    }
    entries_.push_front({key, std::move(questions), now});
    by_key_[key] = entries_.begin();
}

void QuestionMemory::forget(const std::string& key) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return;
    entries_.erase(found->second);
    by_key_.erase(found);
}

}  // namespace wicket
