#include "policy/rule_set_record.hpp"

#include "base/text.hpp"
#include "policy/record.pb.h"

namespace wicket {
namespace {

namespace pb = record_pb;

// A list of addresses may be as long as it likes, and no decision is told by it: longer texts are not kept.
constexpr std::size_t source_limit_octets = 256U << 10U;

constexpr std::string_view rule_head = "[[rule]]";

std::string_view take_line(std::string_view& text) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return line;
}

/// Whether a line gives a rule this id.
bool gives_id(std::string_view line, std::string_view id) {
    line = trimmed(line);
    if (!line.starts_with("id")) return false;
    line = trimmed(line.substr(2));
    if (!line.starts_with('=')) return false;
    line = trimmed(line.substr(1));
    if (line.size() < id.size() + 2 || (line.front() != '"' && line.front() != '\'')) return false;
    return line.substr(1, id.size()) == id && line[id.size() + 1] == line.front();
}

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

std::optional<RuleText> text_of_rule(const RuleSetRecord& record, std::string_view id) {
    for (const RuleSource& source : record.sources) {
        std::string_view rest = source.content;
        std::size_t number = 0;
        std::size_t began = 0;
        std::string table;
        bool is_it = false;
        const auto found = [&] {
            return RuleText{source.name + ':' + std::to_string(began), std::string(trimmed(table))};
        };
        while (!rest.empty()) {
            const std::string_view line = take_line(rest);
            ++number;
            if (trimmed(line).starts_with('[')) {
                if (is_it) return found();
                table.clear();
                is_it = false;
                began = trimmed(line).starts_with(rule_head) ? number : 0;
            }
            if (began == 0) continue;
            is_it = is_it || gives_id(line, id);
            table.append(line).append("\n");
        }
        if (is_it) return found();
    }
    return std::nullopt;
}

}  // namespace wicket
