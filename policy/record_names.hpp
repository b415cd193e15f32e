// Numbers for the names of facts in stored records, so that a record stays small. Append only: a number keeps
// its name for ever. A fact without a number is stored under its name. Any thread.
#pragma once

#include "mail/fact_dictionary.hpp"

#include <cstdint>
#include <string_view>

namespace wicket {

struct RecordName {
    std::string_view name;
    FactType type;
};

/// The number of this name with this type; 0 if it has none.
std::uint32_t record_name_number(std::string_view name, FactType type);
/// The same for a fact of a dictionary, of which the core facts need no search.
std::uint32_t record_name_number(FactId id, const FactDeclaration& row, FactType type);
/// nullptr for a number that this version does not know.
const RecordName* record_name(std::uint32_t number);

}  // namespace wicket
