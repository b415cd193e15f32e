#include "policy/rule_table.hpp"

#include "policy/compiled_rules.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace wicket {
namespace {

std::string points_cell(Millipoints points) {
    return fmt::format("{:g}", static_cast<double>(points) / 1000);
}

std::string place_cell(const SourcePlace& place) {
    return place.line == 0 ? std::string("default") : fmt::format("{}:{}", place.file, place.line);
}

void append_cell_part(std::string& text, std::string_view separator, std::string_view part) {
    if (part.empty()) return;
    if (!text.empty()) text += separator;
    text += part;
}

template <class Items, class Show>
void append_cell_names(std::string& text, std::string_view what, const Items& items, Show show) {
    if (items.empty()) return;
    std::string names;
    for (const auto& item : items)
        append_cell_part(names, ", ", show(item));
    append_cell_part(text, "; ", fmt::format("{} {}", what, names));
}

std::string scope_cell(const PolicyScope& scope) {
    std::string text;
    const auto as_it_is = [](const std::string& name) { return name; };
    const auto network = [](const IpNetwork& one) { return one.to_string(); };
    append_cell_names(text, "domains", scope.domains, as_it_is);
    append_cell_names(text, "recipients", scope.recipients, as_it_is);
    append_cell_names(text, "listeners", scope.services, as_it_is);
    append_cell_names(text, "listeners", scope.listeners, network);
    append_cell_names(text, "clients", scope.clients, network);
    return text;
}

std::string case_points_cell(const Rule& rule) {
    if (!rule.has_points || rule.cases.empty()) return {};
    const auto [least, most] = std::ranges::minmax(rule.cases, {}, &PointsCase::points);
    if (least.points == most.points) return points_cell(least.points);
    return points_cell(least.points) + ".." + points_cell(most.points);
}

std::string action_cell(const Rule& rule) {
    if (rule.has_points) return "points";
    if (rule.skips()) {
        std::string text;
        append_cell_names(text, "skip", rule.skipped_checks, [](const std::string& name) { return name; });
        return text;
    }
    if (rule.action != Action::none) return std::string(to_string(rule.action));
    return "header " + rule.header_name;
}

std::string detail_cell(const Rule& rule) {
    std::string text;
    for (const PointsCase& one : rule.cases) {
        const bool is_one_of_several = rule.cases.size() > 1;
        append_cell_part(
            text, "; ", is_one_of_several ? points_cell(one.points) + ": " + one.text : one.text
        );
    }
    if (rule.on_unknown == OnUnknown::defer) append_cell_part(text, "; ", "on_unknown defer");
    if (rule.answer == AnswerTime::now) append_cell_part(text, "; ", "answer now");
    if (rule.expires) append_cell_part(text, "; ", "expires " + to_rfc3339(*rule.expires));
    if (!rule.replaces.empty()) append_cell_part(text, "; ", "replaces " + rule.replaces);
    return text;
}

std::string action_cell(const Override& one) {
    std::string text;
    if (one.junk) append_cell_part(text, ", ", "junk " + points_cell(*one.junk));
    if (one.reject) append_cell_part(text, ", ", "reject " + points_cell(*one.reject));
    if (one.worst) append_cell_part(text, ", ", fmt::format("worst {}", to_string(*one.worst)));
    return text;
}

std::string modes_cell(const Override& one, const CompiledRules& rules) {
    std::string text;
    for (const auto& [index, mode] : one.modes)
        append_cell_part(text, ", ", fmt::format("{} {}", rules.rules()[index].id, to_string(mode)));
    return text;
}

}  // namespace

std::vector<RuleTableRow> rule_table(const RuleSet& rules) {
    const CompiledRules& made = compiled(rules);
    std::vector<RuleTableRow> rows;
    const auto threshold = [&](std::string name, Millipoints points) {
        rows.push_back(
            {.kind = "threshold",
             .check = name,
             .stage = "end",
             .points = points_cell(points),
             .action = std::move(name),
             .origin = place_cell(made.thresholds_place())}
        );
    };
    threshold("junk", made.junk_threshold());
    threshold("reject", made.reject_threshold());
    for (const ShownDnsList& list : made.shown_dns_lists())
        rows.push_back(
            {.kind = "dnsbl",
             .check = "dnsbl." + list.name,
             .stage = std::string(to_string(list.stage)),
             .mode = list.is_enabled ? "on" : "off",
             .origin = place_cell(list.place),
             .detail = list.detail}
        );
    for (const ShownList& list : made.lists())
        rows.push_back(
            {.kind = "list",
             .check = list.name,
             .origin = place_cell(list.place),
             .detail = fmt::format("{}, {} entries of {}", list.kind, list.entries, list.file)}
        );
    for (const ShownPattern& pattern : made.shown_patterns())
        rows.push_back(
            {.kind = "pattern",
             .check = "pattern." + pattern.id,
             .stage = "end",
             .origin = place_cell(pattern.place),
             .detail = pattern.detail}
        );
    for (const Rule& rule : made.rules())
        rows.push_back(
            {.kind = "rule",
             .check = rule.id,
             .stage = std::string(to_string(rule.has_points ? Stage::end : rule.stage)),
             .points = case_points_cell(rule),
             .action = action_cell(rule),
             .mode = std::string(to_string(rule.mode)),
             .scope = scope_cell(rule.scope),
             .origin = place_cell(rule.place),
             .detail = detail_cell(rule)}
        );
    for (const Override& one : made.overrides())
        rows.push_back(
            {.kind = "override",
             .stage = "rcpt",
             .action = action_cell(one),
             .mode = modes_cell(one, made),
             .scope = scope_cell(one.scope),
             .origin = place_cell(one.place)}
        );
    return rows;
}

}  // namespace wicket
