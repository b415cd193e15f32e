// A rule set with an exception added, where a file of it would stand: what would it let in? Pure; any thread.
#pragma once

#include "policy/rules.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

/// The name under which a rule set has the file FOLDER/NAME, as in RuleSource; `folder` counts from 0.
std::string source_name(std::size_t folder, std::string_view file_name);

/// The sources with `text` appended to the file of this name, which is made where there is none.
std::vector<RuleSource> with_text(
    const std::vector<RuleSource>& sources, const std::string& name, std::string_view text
);
/// The same in a file of its own, read before or after all others.
enum class TrialPlace : std::uint8_t { first, last };
std::vector<RuleSource> with_file(
    const std::vector<RuleSource>& sources, TrialPlace place, std::string_view text
);

}  // namespace wicket
