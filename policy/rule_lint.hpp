// The linter of rule sets: what each line alone does not show. It sees a set that is whole, and adds what it
// finds to the diagnostics. Only policy/ includes this; one thread.
#pragma once

#include "mail/pattern.hpp"
#include "policy/compiled_rules.hpp"
#include "policy/named_list.hpp"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace wicket {

struct LintedList {
    std::string name;
    SourcePlace place;
    std::shared_ptr<const NamedList> list;
    std::vector<ListEntry> entries;
};

struct LintInput {
    const CompiledRules& rules;
    const std::vector<LintedList>& lists;
    const std::vector<std::pair<Pattern, SourcePlace>>& patterns;
    RuleReading reading;
    bool is_whole;  // else some rules, lists or tests had mistakes and are not here
    WallTime now;
    std::function<std::string(const SourcePlace&)> source_line;
};

/// Rules that have expired, also those whose conditions have mistakes: to be told before these are left out.
void lint_expiry(const LintInput& input, Diagnostics& diagnostics);

/// Errors: conditions that never hold, rules that can never decide, overrides that set nothing. Advice in a
/// check: a rule that refuses on one block list alone, points that decide nothing, lists that overlap,
/// expired entries, a pattern that no rule uses, a rule that no test hits.
void lint_rules(const LintInput& input, Diagnostics& diagnostics);

}  // namespace wicket
