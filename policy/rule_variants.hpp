// A rule set with one thing changed, to ask what would have been: a rule off, another threshold. Any thread.
#pragma once

#include "policy/rules.hpp"

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace wicket {

struct Thresholds {
    double junk = 0;
    double reject = 0;

    bool operator==(const Thresholds&) const = default;
};

/// Those that apply to these facts, overrides included.
Thresholds thresholds_for(const RuleSet& rules, const Facts& facts);

/// The same rules with these in another mode, whatever overrides say; ids that it does not have are passed
/// over. `hash` and everything else stay.
std::shared_ptr<const RuleSet> with_modes(
    const RuleSet& rules, const std::vector<std::pair<std::string, RuleMode>>& modes
);
/// The same rules with those in shadow that the circuit breaker had put there. Made once: many records in a
/// row, and many questions about each, ask for the same.
std::shared_ptr<const RuleSet> with_shadow(const RuleSet& rules, const std::vector<std::string>& in_shadow);
/// The same rules with other thresholds, for everybody.
std::shared_ptr<const RuleSet> with_thresholds(
    const RuleSet& rules, std::optional<double> junk, std::optional<double> reject
);
/// The same rules without the `worst` of the override that decides how hard the verdict may be for these
/// facts; nullptr if none does.
std::shared_ptr<const RuleSet> without_worst(const RuleSet& rules, const Facts& facts);

/// What a table of rules shows of each.
struct RuleBrief {
    std::string id;
    std::string origin;  // FILE:LINE
    RuleMode mode = RuleMode::enforce;
    Action action = Action::none;  // none: it has points, or marks
    Stage stage = Stage::end;
};
/// In file order.
std::vector<RuleBrief> briefs_of(const RuleSet& rules);
/// The rule's table as it stands in its own file; empty if there is no such rule.
std::string text_of_rule(const RuleSet& rules, std::string_view id);

}  // namespace wicket
