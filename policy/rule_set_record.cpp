#include "policy/rule_set_record.hpp"

#include "policy/customer_keys.hpp"
#include "policy/record.pb.h"

#include <algorithm>

namespace wicket {
namespace {

namespace pb = record_pb;

// A list of addresses may be as long as it likes, and no decision is told by it: of longer texts only the
// name is kept, so that the rules beside them can still be read.
constexpr std::size_t source_limit_octets = 256U << 10U;

/// The sources as they may stand on the disk: none if a key would still be in them, written so that only
/// TOML can read it.
std::vector<RuleSource> keepable_sources(const RuleSet& rules) {
    if (rules.customer_keys().empty()) return rules.sources();
    std::vector<RuleSource> sources = sources_without_keys(rules.sources(), rules.customer_keys());
    Diagnostics ignored;
    const auto made = recompile_rules(sources, ignored);
    const auto& keys = rules.customer_keys();
    if (made == nullptr ||
        std::ranges::find_first_of(made->customer_keys(), keys) != made->customer_keys().end())
        return {};
    return sources;
}

}  // namespace

RuleSetRecord record_of(const RuleSet& rules) {
    RuleSetRecord record{{}, rules.dictionary().names(), rules.folders()};
    for (RuleSource& source : keepable_sources(rules)) {
        if (source.content.size() > source_limit_octets) source.content.clear();
        record.sources.push_back(std::move(source));
    }
    return record;
}

std::string encode(const RuleSetRecord& record) {
    pb::RuleSet made;
    for (const RuleSource& source : record.sources) {
        auto* one = made.add_sources();
        one->set_name(source.name);
        one->set_content(source.content);
    }
    for (const std::string& fact : record.facts)
        made.add_facts(fact);
    for (const std::string& folder : record.folders)
        made.add_folders(folder);
    return made.SerializeAsString();
}

std::optional<RuleSetRecord> decode_rule_set(std::string_view octets) {
    pb::RuleSet stored;
    if (!stored.ParseFromArray(octets.data(), static_cast<int>(octets.size()))) return std::nullopt;
    RuleSetRecord record;
    for (const auto& source : stored.sources())
        record.sources.push_back({source.name(), source.content()});
    record.facts.assign(stored.facts().begin(), stored.facts().end());
    record.folders.assign(stored.folders().begin(), stored.folders().end());
    return record;
}

}  // namespace wicket
