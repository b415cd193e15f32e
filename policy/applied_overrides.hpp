// What the thresholds and overrides of a rule set come to for one recipient, and which of them said so. Pure;
// any thread.
#pragma once

#include "policy/compiled_rules.hpp"

#include <optional>
#include <vector>

namespace wicket {

/// Of each value the first override that applies and has it decides. Pointers are into the rule set; nullptr
/// where no override says anything.
struct AppliedOverrides {
    Millipoints junk = 0;
    Millipoints reject = 0;
    const Override* junk_by = nullptr;
    const Override* reject_by = nullptr;
    std::optional<Action> worst = {};
    const Override* worst_by = nullptr;  // nullptr beside `worst`: postmaster is always reachable
    std::vector<const Override*> modes = {};
};

AppliedOverrides applied_overrides(const CompiledRules& rules, const Facts& facts);

}  // namespace wicket
