// Rules from one text, for tests: its mistakes are failures.
#pragma once

#include "policy/rules.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace wicket {

inline std::shared_ptr<const RuleSet> compiled_text(const std::string& text) {
    Diagnostics diagnostics;
    auto rules = compile_rules(
        {
            {"rules.toml", text}
    },
        diagnostics
    );
    for (const Diagnostic& one : diagnostics.sorted())
        if (one.severity == Severity::error) ADD_FAILURE() << render(one);
    return rules;
}

}  // namespace wicket
