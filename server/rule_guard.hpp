// The circuit breaker of a running server (policy/circuit_breaker.hpp): hears of every decision, puts a rule
// that has gone wrong into shadow by putting another PolicyState in force, and keeps that across reloads and
// restarts. Any thread.
#pragma once

#include "base/clock.hpp"
#include "base/keyed_memory.hpp"
#include "policy/circuit_breaker.hpp"
#include "policy/record.hpp"
#include "server/policy_state.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

class RuleGuard {
public:
    /// All must outlive it.
    RuleGuard(CurrentPolicy& policy, KeyedMemory& memory, const Clock& clock);

    /// Puts rules that were just loaded in force, with those in shadow that are still tripped. A rule whose
    /// text has changed begins anew.
    void install(std::shared_ptr<const PolicyState> loaded);
    /// What came of a transaction or a connection.
    void decided(const DecisionRecord& record);
    /// Somebody has labelled it ham.
    void labelled_ham(const DecisionRecord& record);
    /// not_found if the rule is not in shadow.
    Result<> reset(const std::string& rule);
    /// By the ids of the rules.
    std::vector<TrippedRule> tripped();
    /// Keeps the counts for the next start.
    void save();

private:
    /// With the lock held: the state that fits what is tripped now, in force.
    void apply();
    /// What is to be kept of this moment; made with the lock held, written without it.
    struct Saved {
        std::uint64_t number = 0;
        std::string text;
        WallTime time{};
    };
    Saved saved_at(WallTime time);
    /// Takes the lock; a Saved if it is time for one.
    std::optional<Saved> note(CircuitBreaker::Outcome& outcome, const std::set<std::string>& deciders);
    void write(const Saved& saved);

    CurrentPolicy& policy_;
    KeyedMemory& memory_;
    const Clock& clock_;
    std::mutex mutex_;
    CircuitBreaker breaker_;
    std::shared_ptr<const PolicyState> loaded_;  // as the files have it
    std::map<std::string, std::string> keys_;    // by id: the id with a hash of the rule's text
    std::map<std::string, std::string> ids_;     // the other way round
    std::vector<std::string> in_shadow_;         // ids, as in force
    WallTime next_look_{};
    std::int64_t saved_hour_ = 0;
    std::uint64_t saves_ = 0;
    std::mutex writing_;         // never taken with mutex_ held
    std::uint64_t written_ = 0;  // under writing_: the number of the newest
};

/// By the ids of the rules: what a server that does not run any more has left in its memory.
std::vector<TrippedRule> tripped_in(KeyedMemory& memory, const RuleSet& rules, WallTime now);

/// Of the control socket: {"do":"reset_rule","rule":ID}. nullopt for another request.
std::optional<std::string> answer_rule_request(RuleGuard& guard, std::string_view request);

}  // namespace wicket
