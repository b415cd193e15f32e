// Facts of checks that are coming. Any thread.
#pragma once

#include "mail/fact_dictionary.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace wicket {

struct PlannedFact {
    std::string_view name;
    FactType type;
    std::string_view filter;
    std::string_view meaning;
    std::vector<std::string> words;
    std::string_view unknown_word;
};

/// Facts of checks that are coming. Rules may name them already: they are absent until then, and a warning
/// says so.
const std::vector<PlannedFact>& planned_facts();

}  // namespace wicket
