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
    WallTime now;
    std::function<std::string(const SourcePlace&)> source_line;
};

/// Errors: conditions that never hold, rules that can never decide, and in a check those that have expired.
/// Advice in a check: a rule that refuses on one block list alone, points that decide nothing, lists that
/// overlap, expired entries, a pattern that no rule uses, a rule that no test hits.
void lint_rules(const LintInput& input, Diagnostics& diagnostics);

}  // namespace wicket
