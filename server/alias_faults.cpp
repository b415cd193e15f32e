#include "server/alias_faults.hpp"

#include "base/log.hpp"
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

void check_alias_targets(
    const Config& config,
    const std::vector<std::string>& accounts,
    Severity severity,
    Diagnostics& diagnostics
) {
    const std::set<std::string_view> known(accounts.begin(), accounts.end());
    for (const DomainConfig& domain : config.domains) {
        for (const AliasTarget& target : domain.aliases.targets) {
            if (known.contains(target.address)) continue;
            diagnostics.add(
                {severity,
                 target.place,
                 fmt::format("there is no account {}: an alias leads to accounts", target.address),
                 nearest_word(target.address, accounts),
                 {}}
            );
        }
        for (const auto& [local_part, place] : domain.aliases.places) {
            const std::string address = local_part + "@" + domain.name;
            if (known.contains(address))
                diagnostics.warning(
                    place, fmt::format("the alias is never used: {} is an account, which wins", address)
                );
        }
    }
}

}  // namespace wicket
