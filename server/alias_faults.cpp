#include "server/alias_faults.hpp"

#include "base/log.hpp"
#include "base/source_lines.hpp"
#include "server/config.hpp"

#include <fmt/format.h>

namespace wicket {

void MissingTargets::note(const std::string& alias, const std::string& target) {
    const std::lock_guard lock(mutex_);
    ++count_;
    if (told_.size() >= told_limit || !told_.insert(target).second) return;
    log_warning(
        "an alias names an account that does not exist",
        {
            {"alias",  alias },
            {"target", target}
    }
    );
}

std::uint64_t MissingTargets::count() const {
    const std::lock_guard lock(mutex_);
    return count_;
}

namespace {

/// `severity_of(target)` of those that are no accounts.
template <typename SeverityOf>
void check_targets(
    const Config& config,
    const std::vector<std::string>& accounts,
    const SeverityOf& severity_of,
    Diagnostics& diagnostics
) {
    const std::set<std::string_view> known(accounts.begin(), accounts.end());
    SourceLines lines;
    for (const DomainConfig& domain : config.domains) {
        for (const AliasTarget& target : domain.aliases.targets) {
            if (known.contains(target.address)) continue;
            diagnostics.add(
                {severity_of(target.address),
                 target.place,
                 fmt::format("there is no account {}: an alias leads to accounts", target.address),
                 nearest_word(target.address, accounts),
                 lines.line_at(target.place)}
            );
        }
        for (const auto& [local_part, place] : domain.aliases.places) {
            const std::string address = local_part + "@" + domain.name;
            if (known.contains(address))
                diagnostics.warning(
                    place,
                    fmt::format("the alias is never used: {} is an account, which wins", address),
                    {},
                    lines.line_at(place)
                );
        }
    }
}

}  // namespace

void check_alias_targets(
    const Config& config, const std::vector<std::string>& accounts, AliasCheck check, Diagnostics& diagnostics
) {
    const Severity severity = check == AliasCheck::strict ? Severity::error : Severity::warning;
    check_targets(config, accounts, [&](const std::string&) { return severity; }, diagnostics);
}

void check_alias_targets(
    const Config& config,
    const std::vector<std::string>& accounts,
    const Config& before,
    Diagnostics& diagnostics
) {
    std::set<std::string_view> named;
    for (const DomainConfig& domain : before.domains)
        for (const AliasTarget& target : domain.aliases.targets)
            named.insert(target.address);
    const auto severity_of = [&](const std::string& target) {
        return named.contains(target) ? Severity::warning : Severity::error;
    };
    check_targets(config, accounts, severity_of, diagnostics);
}

}  // namespace wicket
