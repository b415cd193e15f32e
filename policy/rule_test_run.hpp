// One [[test]] of a rule set, run. Only policy/ includes this.
#pragma once

#include "policy/compiled_rules.hpp"

namespace wicket {

/// What decide() says of the facts of the test.
Verdict verdict_of_test(const CompiledRules& rules, const RuleTest& test);

}  // namespace wicket
