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

/// Each target that is none of `accounts` (canonical names), with its place and the nearest account; and a
/// warning for each alias that an account of the same name hides.
void check_alias_targets(
    const Config& config,
    const std::vector<std::string>& accounts,
    Severity severity,
    Diagnostics& diagnostics
);

}  // namespace wicket
