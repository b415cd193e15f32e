// A recorded transaction or connection judged anew, by the same decide() and in the same order of stages as
// the server does: what would these rules have answered? Pure; any thread. What a record cannot tell, because
// it ended before the rules would have, or because a fact was not gathered then, is said to be undecidable.
#pragma once

#include "policy/recorded_decision.hpp"
#include "policy/rules.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace wicket {

/// The facts that rules read but that were not gathered when a record was made: they are not known, while one
/// that is absent in a record did not apply then. By FactId.
using MissingFacts = std::vector<FactId>;

/// All facts that a decision by `rules` can hang on, each once; those that only replies quote are not among
/// them.
std::vector<FactId> deciding_facts(const RuleSet& rules);

/// What `rules` read that is not among `recorded`, the names of all facts that were gathered under the rules
/// of a record.
MissingFacts missing_facts(const RuleSet& rules, const std::vector<std::string>& recorded);
/// The same of a record whose rule set is not kept: the core facts were gathered, and nothing else is sure.
MissingFacts missing_facts(const RuleSet& rules);

/// Those of `rules` that `then` has too, but makes of other patterns, or of another DNS list or other codes
/// of it.
std::vector<FactId> facts_of_other_meaning(const RuleSet& rules, const RuleSet& then);

/// Those whose meaning stands in the rules: DNS lists and patterns.
std::vector<FactId> facts_of_rules(const RuleSet& rules);

/// Why nothing can be said without it: "fact X was not recorded".
std::string not_recorded(std::string_view fact);

struct ReplayedRecipient {
    std::string address;  // "" stands for the connection, where nobody was asked for
    Verdict verdict;
    /// Why `verdict` is not what would have come of it: "fact X was not recorded"; empty if it is.
    std::string undecidable;
};

struct Replay {
    /// As those of the record; a record without recipients has one for all of it.
    std::vector<ReplayedRecipient> recipients;
    /// What the record's own verdict would be.
    Verdict verdict;
};

/// The facts of `record` must be under the dictionary of `rules`.
Replay replay(const RuleSet& rules, const RecordedDecision& record, const MissingFacts& missing);

}  // namespace wicket
