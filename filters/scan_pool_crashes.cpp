#include "filters/scan_pool_crashes.hpp"

#include <algorithm>
#include <iterator>

namespace wicket {
namespace {

// Crashes are rare; who makes this many different ones has opened a circuit long before.
constexpr std::size_t remembered_inputs_limit = 1000;
constexpr std::size_t circuits_limit = 10'000;

void forget_old(std::deque<SteadyTime>& crashes, SteadyTime now) {
    while (!crashes.empty() && now - crashes.front() > circuit_window)
        crashes.pop_front();
}

}  // namespace

unsigned ScanCrashLedger::add_input(const Sha256& inputs, SteadyTime now) {
    forget_old_inputs(now);
    const auto found = std::ranges::find(inputs_, inputs, &CrashedInput::inputs);
    if (found != inputs_.end()) {
        inputs_.splice(inputs_.begin(), inputs_, found);
    } else {
        inputs_.push_front({inputs, 0, now});
        if (inputs_.size() > remembered_inputs_limit) inputs_.pop_back();
    }
    inputs_.front().last = now;
    return ++inputs_.front().count;
}

unsigned ScanCrashLedger::count_input(const Sha256& inputs, SteadyTime now) {
    forget_old_inputs(now);
    const auto found = std::ranges::find(inputs_, inputs, &CrashedInput::inputs);
    return found == inputs_.end() ? 0 : found->count;
}

void ScanCrashLedger::forget_old_inputs(SteadyTime now) {
    while (!inputs_.empty() && now - inputs_.back().last > crashed_input_memory)
        inputs_.pop_back();
}

void ScanCrashLedger::add(const std::string& circuit, SteadyTime now) {
    if (circuits_.size() >= circuits_limit) {
        for (auto row = circuits_.begin(); row != circuits_.end();) {
            forget_old(row->second, now);
            row = row->second.empty() ? circuits_.erase(row) : std::next(row);
        }
    }
    if (circuits_.size() >= circuits_limit && !circuits_.contains(circuit)) return;
    auto& crashes = circuits_[circuit];
    forget_old(crashes, now);
    crashes.push_back(now);
    if (crashes.size() > check_crash_limit + 1) crashes.pop_front();
}

bool ScanCrashLedger::is_open(const std::string& circuit, std::size_t limit, SteadyTime now) {
    const auto found = circuits_.find(circuit);
    if (found == circuits_.end()) return false;
    forget_old(found->second, now);
    const bool is_over = found->second.size() > limit;
    if (found->second.empty()) circuits_.erase(found);
    return is_over;
}

}  // namespace wicket
