// The alias file of a domain: one alias a line, `alias target[, target]`. An alias is a local part, an
// address of the domain, or `*`; targets are accounts of ours. `#` begins a comment. Read whole, checked,
// never written.
#pragma once

#include "base/diagnostic.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

/// A target as it stands in the file.
struct AliasTarget {
    std::string address;  // canonical
    SourcePlace place;
};

struct AliasTable {
    std::map<std::string, std::vector<std::string>, std::less<>>
        by_local_part;                                       // folded; targets are canonical addresses
    std::vector<std::string> catch_all;                      // empty: none
    std::vector<AliasTarget> targets;                        // all of them
    std::map<std::string, SourcePlace, std::less<>> places;  // of by_local_part
};

// A file of more is a mistake, or belongs into a directory server.
inline constexpr std::size_t alias_file_limit_octets = 16U << 20U;

/// `our_domains` in lower case: a target elsewhere is an error as long as mail cannot go out. Whether the
/// targets exist is another matter: server/alias_faults.hpp.
AliasTable parse_aliases(
    std::string_view text,
    const std::string& file,
    const std::string& domain,
    const std::vector<std::string>& our_domains,
    Diagnostics& diagnostics
);

}  // namespace wicket
