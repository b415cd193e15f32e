// Rule sets with some rules in shadow, as records of the past were decided by. Only policy/ includes this.
#pragma once

#include "policy/rules.hpp"

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace wicket {

/// Variants of one rule set that were asked for lately, each by the rules in shadow there. A copy of the rule
/// set has its own. Any thread.
class ShadowVariants {
public:
    ShadowVariants() = default;
    ShadowVariants(const ShadowVariants&) {}
    ShadowVariants& operator=(const ShadowVariants&) = delete;

    template <class Make>
    std::shared_ptr<const RuleSet> find_or_make(const std::vector<std::string>& in_shadow, Make&& make) {
        const std::lock_guard lock(mutex_);
        for (const auto& [rules, made] : kept_)
            if (rules == in_shadow) return made;
        // Two threads may be reading records of different days. A variant is as large as the rules.
        constexpr std::size_t kept_limit = 2;
        if (kept_.size() == kept_limit) kept_.erase(kept_.begin());
        return kept_.emplace_back(in_shadow, make()).second;
    }

private:
    std::mutex mutex_;
    std::vector<std::pair<std::vector<std::string>, std::shared_ptr<const RuleSet>>> kept_;
};

}  // namespace wicket
