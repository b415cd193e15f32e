#include "policy/rule_set_record.hpp"

#include "policy/record.pb.h"

namespace wicket {
namespace {

namespace pb = record_pb;

// A list of addresses may be as long as it likes, and no decision is told by it: longer texts are not kept.
constexpr std::size_t source_limit_octets = 256U << 10U;

}  // namespace

RuleSetRecord record_of(const RuleSet& rules) {
    RuleSetRecord record{{}, rules.dictionary().names()};
    for (const RuleSource& source : rules.sources())
        if (source.content.size() <= source_limit_octets) record.sources.push_back(source);
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
    return made.SerializeAsString();
}

std::optional<RuleSetRecord> decode_rule_set(std::string_view octets) {
    pb::RuleSet stored;
    if (!stored.ParseFromArray(octets.data(), static_cast<int>(octets.size()))) return std::nullopt;
    RuleSetRecord record;
    for (const auto& source : stored.sources())
        record.sources.push_back({source.name(), source.content()});
    record.facts.assign(stored.facts().begin(), stored.facts().end());
    return record;
}

}  // namespace wicket
