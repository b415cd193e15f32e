// What SIGHUP swaps: configuration, rules, filter graph and list health, all or none. A session keeps the one
// it began with; XCLIENT begins a new one. Immutable; the health objects inside keep themselves.
#pragma once

#include "filters/chain.hpp"
#include "filters/registry.hpp"
#include "policy/rules.hpp"
#include "server/config.hpp"

#include <memory>
#include <mutex>
#include <vector>

namespace wicket {

struct PolicyState {
    std::shared_ptr<const Config> config;
    std::shared_ptr<const RuleSet> rules;
    std::shared_ptr<const FactDictionary> dictionary;  // that of `rules`
    std::shared_ptr<const FilterChain> chain;
    std::vector<std::shared_ptr<DnsListHealth>> dns_lists;
    std::vector<std::string> rules_in_shadow;  // by the circuit breaker; `rules` has them so
};

/// What filters need that outlives a reload.
struct FilterServices {
    std::shared_ptr<ScanPool> scan_pool;  // nullptr in `check`
};

/// A test that fails keeps old rules in force, and is a mistake in a check. A start has no old rules to keep:
/// not to take mail at all would be worse than rules that are whole but for a test, so that is an alarming
/// line of the log.
enum class PolicyLoading : std::uint8_t { start, reload, check };

/// Reads configuration and rules, runs the rules' own tests, builds the chain. nullptr if anything is wrong;
/// `previous`, if not null, lends the health of the lists that are configured as before.
std::shared_ptr<const PolicyState> load_policy_state(
    const std::string& config_file,
    const FilterServices& services,
    const PolicyState* previous,
    Diagnostics& diagnostics,
    PolicyLoading loading
);

/// The one in force. Any thread.
class CurrentPolicy {
public:
    std::shared_ptr<const PolicyState> get() const {
        const std::lock_guard lock(mutex_);
        return state_;
    }
    void set(std::shared_ptr<const PolicyState> state) {
        const std::lock_guard lock(mutex_);
        state_ = std::move(state);
    }

private:
    mutable std::mutex mutex_;
    std::shared_ptr<const PolicyState> state_;
};

}  // namespace wicket
