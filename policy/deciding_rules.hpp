// Which of the rules that decided a record decided it alone: without one of those, something milder would
// have come of it. Found by asking decide() with that rule off. One thread.
#pragma once

#include "policy/record.hpp"
#include "policy/rules.hpp"

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

namespace wicket {

class DecidingRules {
public:
    explicit DecidingRules(std::shared_ptr<const RuleSet> rules) : rules_(std::move(rules)) {}

    /// Empty if no rule decided alone, or if these rules do not say what was said then.
    std::set<std::string> alone(const StoredRecord& stored);
    /// Points over the threshold that decided; nullopt if none did, or as above.
    std::optional<double> margin(const StoredRecord& stored) const;

private:
    const RuleSet& without(const std::string& rule);

    std::shared_ptr<const RuleSet> rules_;
    std::map<std::string, std::shared_ptr<const RuleSet>> without_;  // as many as rules
};

}  // namespace wicket
