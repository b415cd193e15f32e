// The patterns of a rule set: [[pattern]] of its files. policy/ reads them, a scan worker looks for them in
// messages, and each makes the fact pattern.ID: true if it matched, unknown if it did not and something was
// not looked at, else absent, so that records hold only what was found. Values; any thread.
#pragma once

#include "base/sha256.hpp"
#include "mail/facts.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

/// Where a pattern is looked for.
enum class PatternPart : std::uint8_t {
    headers,  // each field of the message's header, and each Content- field of its parts, decoded
    body,     // the decoded text of each text part; of HTML what is shown
    raw,      // everything after the header, as received
    urls,     // each address that the texts name, or HTML leads to
};
inline constexpr std::size_t pattern_part_count = 4;

std::string_view to_string(PatternPart part);
std::optional<PatternPart> parse_pattern_part(std::string_view word);

// What a rule set may have at most. A frame to a worker must hold all of it (filters/scan/frames.hpp), and a
// worker compiles it anew after every few hundred messages.
inline constexpr std::size_t pattern_count_limit = 1000;
inline constexpr std::size_t pattern_regex_count_limit = 2000;
inline constexpr std::size_t pattern_octets_limit = 128U << 10U;  // all regular expressions and field names
// As a condition; longer ones are lists, and lists are what several regular expressions in one pattern are
// for.
inline constexpr std::size_t pattern_regex_limit_octets = 4096;
// Program and states of one compiled set. A worker holds two rule sets of five such at most: 120 MiB of the
// 512 that it may allocate.
inline constexpr std::int64_t pattern_memory_octets = 12 << 20;

struct Pattern {
    FactId fact = 0;
    PatternPart part = PatternPart::body;
    std::string field = {};  // lower case; of headers: this field's value alone; empty: all lines
    std::vector<std::string> regexes = {};  // RE2, any of them
};

struct PatternSet {
    std::vector<Pattern> patterns;
    Sha256 hash{};  // of all of the above: two sets with one hash are one set
};

PatternSet make_pattern_set(std::vector<Pattern> patterns);

}  // namespace wicket
