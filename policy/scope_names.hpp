// Whether the domains and recipients that scopes of rules and overrides name can be any of ours: a misspelt
// one would hit nobody, in silence. Rule files do not know which domains there are; whoever has a
// configuration asks. Any thread.
#pragma once

#include "base/diagnostic.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace wicket {

struct ScopedName;
struct ServedDomains;

/// Whether some address matches a glob of `recipients`.
bool can_match_an_address(std::string_view glob);
/// Whether some address of `domain` does.
bool can_match_an_address_of(std::string_view glob, std::string_view domain);

/// Reports each entry of a scope that matches nobody in `domains`.
void check_scope_names(
    const std::vector<ScopedName>& names, const ServedDomains& domains, Diagnostics& diagnostics
);

}  // namespace wicket
