// What is kept of a rule set under its hash: the texts it was read from, without customers' keys, and the
// names of the facts that were gathered under it. Values; any thread.
#pragma once

#include "policy/rules.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

struct RuleSetRecord {
    std::vector<RuleSource> sources;
    std::vector<std::string> facts;
    std::vector<std::string> folders = {};  // where the sources stood; none of earlier versions
    bool operator==(const RuleSetRecord&) const = default;
};

RuleSetRecord record_of(const RuleSet& rules);
std::string encode(const RuleSetRecord& record);
/// nullopt for what is no such record.
std::optional<RuleSetRecord> decode_rule_set(std::string_view octets);

}  // namespace wicket
