// The rule sets that were in force, by their hash, so that a decision can be told with the rules of its time.
// What is kept of one is opaque here. Any thread; both may block.
#pragma once

#include "base/result.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace wicket {

// A change an hour for six weeks; beyond it the oldest go.
inline constexpr std::size_t rule_sets_limit = 1000;

class RuleArchive {
public:
    virtual ~RuleArchive() = default;
    /// Synced. Of a hash that is there already nothing changes but the time it was last in force.
    virtual Result<> keep(std::string_view hash, std::string octets) = 0;
    /// not_found if it is not kept.
    virtual Result<std::string> find(std::string_view hash) = 0;
};

}  // namespace wicket
