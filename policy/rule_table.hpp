// What is in force, and where it comes from: the rows of `rules show`. Values; any thread.
#pragma once

#include "policy/rules.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace wicket {

/// One row. What does not apply is empty.
struct RuleTableRow {
    std::string kind = {};    // threshold, dnsbl, list, pattern, rule, override
    std::string check = {};   // its id or name
    std::string stage = {};   // at which it answers
    std::string points = {};  // "3", "3..5" of several cases
    std::string action = {};
    std::string mode = {};
    std::string scope = {};   // "domains a.example; clients 192.0.2.0/24"
    std::string origin = {};  // FILE:LINE; "default" of what no file says
    std::string detail = {};  // conditions, expiry, what it replaces
};

/// Thresholds, block lists, lists, patterns, rules in file order, overrides.
std::vector<RuleTableRow> rule_table(const RuleSet& rules);

}  // namespace wicket
