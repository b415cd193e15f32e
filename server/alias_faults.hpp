// Faults of aliases that only the accounts show: targets that do not exist. `check` takes them for mistakes;
// a server that runs only warns, since an account may be deleted at any time and mail must not stop for it.
#pragma once

#include "base/diagnostic.hpp"

#include <cstdint>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace wicket {

struct Config;

/// What look-ups for mail met. Any thread.
class MissingTargets {
public:
    /// Counts, and logs each target once.
    void note(const std::string& alias, const std::string& target);
    std::uint64_t count() const;

private:
    // More are not told one by one.
    static constexpr std::size_t told_limit = 1000;

    mutable std::mutex mutex_;
    std::set<std::string> told_;
    std::uint64_t count_ = 0;
};

/// How much it matters that an alias leads to no account.
enum class AliasCheck : std::uint8_t {
    strict,  // an error
    mild     // a warning: accounts come and go while the server runs
};

/// Each target that is none of `accounts` (canonical names), with its place and the nearest account; and a
/// warning for each alias that an account of the same name hides.
void check_alias_targets(
    const Config& config, const std::vector<std::string>& accounts, AliasCheck check, Diagnostics& diagnostics
);

/// The same at a reload, where an account that is missing is an error only if `before` did not name it: what
/// was just written is a mistake, and an account that has gone since then stops no reload.
void check_alias_targets(
    const Config& config,
    const std::vector<std::string>& accounts,
    const Config& before,
    Diagnostics& diagnostics
);

}  // namespace wicket
