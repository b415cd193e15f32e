// The [[test]] blocks that make a regression test of an exported record. Pure; any thread.
#pragma once

#include "policy/record.hpp"
#include "policy/rules.hpp"

#include <string>
#include <string_view>

namespace wicket {

/// One for each recipient, with the verdict of then; where policy did not decide, or these rules say
/// something else by now, with what they say, and a comment that tells so: a test of it passes under them.
/// `json`: the record as record_to_json() writes it, in a file of that name beside the rules. `rules`
/// nullptr: those in force cannot be read.
std::string exported_tests(
    const DecisionRecord& record, std::string_view json, std::string_view file, const RuleSet* rules
);

}  // namespace wicket
