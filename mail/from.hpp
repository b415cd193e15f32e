// The From field: who says to have written a message (RFC 5322 section 3.4 with the obsolete forms of
// section 4.4, UTF-8 as in RFC 6532, groups as in RFC 6854). Mail programs disagree about malformed ones, and
// forgers live on that: what is not plainly one author is a fault, never a guess. Linear, iterative; values;
// any thread.
#pragma once

#include "mail/header.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

// People do not sign with more names; beyond it reading stops.
inline constexpr std::size_t from_addresses_limit = 100;

enum class FromFault : std::uint8_t {
    missing,          // no From field
    several_fields,   // more than one From field
    empty,            // a From field without an address, also "<>" and an empty group
    several_authors,  // more than one address
    ambiguous,        // a display name that is another address, unquoted: programs show one or the other
    route,            // an obsolete source route: likewise
    malformed,        // anything that the grammar does not allow, or octets that are not UTF-8
    too_many,         // over from_addresses_limit
};

/// Words for a reply or the log: "the From field holds several addresses".
std::string_view describe(FromFault fault);
/// As the fact from.fault says it: "several_fields".
std::string_view to_word(FromFault fault);

struct FromAddress {
    std::string display_name;  // unquoted and unfolded; encoded words (RFC 2047) are not decoded
    std::string local_part;    // without quoting
    std::string domain;        // lower case; or a literal in its brackets

    /// Quoted only if it must be, without the display name.
    std::string to_string() const;
    bool operator==(const FromAddress&) const = default;
};

struct FromList {
    std::vector<FromAddress> addresses;  // up to the fault
    std::optional<FromFault> fault;      // malformed, empty, ambiguous, route or too_many
};

/// Reads the value of one From field.
FromList parse_from(std::string_view value);

/// What a whole header says about its author.
struct Author {
    std::vector<FromAddress> addresses;  // of all From fields, at most from_addresses_limit
    std::optional<FromFault> fault;      // why there is no single author
    std::string domain;                  // of the single author; empty with a fault
};
Author find_author(const HeaderBlock& header);

}  // namespace wicket
