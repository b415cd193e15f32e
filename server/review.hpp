// What the reviewing commands know beside the record at hand: who was accepted before, who tried again, and
// what the rules say of it without one of them. One thread.
#pragma once

#include "policy/deciding_rules.hpp"
#include "policy/suspicion.hpp"
#include "server/config.hpp"
#include "server/record_scan.hpp"

#include <memory>
#include <optional>

namespace wicket {

class Review {
public:
    /// All must outlive it. Rules with mistakes are done without.
    Review(const Config& config, DecisionLog& log, Progress& progress);

    /// Reads all records once.
    Result<> learn();
    const SenderHistory& history() const { return history_; }
    /// nullptr if the rules have mistakes.
    const std::shared_ptr<const RuleSet>& rules() const { return rules_; }

    std::set<std::string> deciding_alone(const StoredRecord& stored);
    std::vector<Sign> signs(const StoredRecord& stored);
    std::vector<Sign> signs(const StoredRecord& stored, const std::set<std::string>& alone);

private:
    DecisionLog& log_;
    Progress& progress_;
    std::shared_ptr<const RuleSet> rules_;
    std::optional<DecidingRules> deciding_;
    SenderHistory history_;
};

}  // namespace wicket
