// What one verdict was measured by: the thresholds and overrides that were in force for its recipient, and
// the text of what decided. Pure; any thread.
#pragma once

#include "policy/record_subject.hpp"
#include "policy/rule_variants.hpp"

#include <optional>
#include <string>

namespace wicket {

struct VerdictBasis {
    /// Where points decided, and these rules are those that judged.
    std::optional<Thresholds> thresholds = {};
    /// What decided wanted something harder, and no more than this was allowed; none: it was not so.
    Action worst = Action::none;
    std::string worst_place = {};  // FILE:LINE of the override; empty: postmaster is always reachable
    std::string rule_place = {};   // FILE:LINE of what decided: a rule, [thresholds] or the override of them
    std::string rule_text = {};    // the table that stands there

    bool operator==(const VerdictBasis&) const = default;
};

VerdictBasis basis_of(const RuleSet& rules, const RecordSubject& subject);

}  // namespace wicket
