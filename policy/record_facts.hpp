// Facts out of a record as `export` and `explain --json` write it: the inverse of the writer in
// record_json.cpp. Only policy/ includes this; any thread.
#pragma once

#include "base/result.hpp"
#include "mail/fact_dictionary.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace wicket {

// A record is some kilobytes; one with a long list of results is far below this.
inline constexpr std::size_t record_file_limit_octets = 4U << 20U;

struct RecordedFacts {
    Facts facts;
    /// What was left out: facts that the dictionary does not have, or has with another type.
    std::vector<std::string> left_out;
};

/// `recipient` chooses whose own facts are laid over those of the record; empty: there is one at most.
/// invalid with a message for what is no record, or has no such recipient.
Result<RecordedFacts> facts_from_record(
    std::string_view json, std::string_view recipient, const FactDictionary& dictionary
);

}  // namespace wicket
