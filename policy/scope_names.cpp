#include "policy/scope_names.hpp"

#include "policy/compiled_rules.hpp"
#include "policy/named_list.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace wicket {
namespace {

/// Whether a local part matches: an at sign stands in quotes only.
bool can_be_local_part(std::string_view glob) {
    constexpr std::string_view quote_or_any = "\"*?";
    if (glob.empty()) return false;
    return !glob.contains('@') ||
           (glob.size() > 1 && quote_or_any.contains(glob.front()) && quote_or_any.contains(glob.back()));
}

/// Whether the glob can be split into a local part and what `is_good` takes: a glob for "@" and a domain.
bool splits(std::string_view glob, auto is_good) {
    for (std::size_t at = 0; at < glob.size(); ++at) {
        if (!std::string_view("@*?").contains(glob[at])) continue;
        // A star may stand for the end of the local part, too.
        const std::string_view local_part = glob.substr(0, glob[at] == '*' ? at + 1 : at);
        if (can_be_local_part(local_part) && is_good(glob.substr(at))) return true;
    }
    return false;
}

std::string nearest_of(const ScopedName& name, const std::vector<std::string>& domains) {
    if (name.kind == ScopedName::Kind::domain) return nearest_word(name.glob, domains);
    const auto at = name.glob.rfind('@');
    if (at == std::string::npos) return {};
    const std::string near = nearest_word(name.glob.substr(at + 1), domains);
    return near.empty() ? near : name.glob.substr(0, at + 1) + near;
}

bool matches_somebody(const ScopedName& name, const std::vector<std::string>& domains) {
    return std::ranges::any_of(domains, [&](const std::string& domain) {
        return name.kind == ScopedName::Kind::domain ? matches_glob(name.glob, domain)
                                                     : can_match_an_address_of(name.glob, domain);
    });
}

}  // namespace

bool can_match_an_address(std::string_view glob) {
    return splits(glob, [](std::string_view rest) {
        const std::string_view domain = rest.substr(1);
        return !domain.contains('@') && (!domain.empty() || rest.front() == '*');
    });
}

bool can_match_an_address_of(std::string_view glob, std::string_view domain) {
    const std::string wanted = '@' + std::string(domain);
    return splits(glob, [&](std::string_view rest) { return matches_glob(rest, wanted); });
}

void check_scope_names(
    const std::vector<ScopedName>& names, const ServedDomains& domains, Diagnostics& diagnostics
) {
    for (const ScopedName& name : names) {
        if (matches_somebody(name, domains.names)) continue;
        diagnostics.add(
            {domains.severity,
             name.place,
             fmt::format("\"{}\" matches nobody: it is in no [[domain]] of the configuration", name.glob),
             nearest_of(name, domains.names),
             name.source_line}
        );
    }
}

}  // namespace wicket
