#include "policy/rule_variants.hpp"

#include "policy/applied_overrides.hpp"

#include <algorithm>
#include <cmath>

namespace wicket {
namespace {

double shown_points(Millipoints points) {
    return static_cast<double>(points) / 1000.0;
}

std::optional<Millipoints> thousandths_of(std::optional<double> points) {
    if (!points) return std::nullopt;
    return std::llround(*points * 1000);
}

}  // namespace

Thresholds thresholds_for(const RuleSet& rules, const Facts& facts) {
    const AppliedOverrides applied = applied_overrides(compiled(rules), facts);
    return {shown_points(applied.junk), shown_points(applied.reject)};
}

std::shared_ptr<const RuleSet> with_modes(
    const RuleSet& rules, const std::vector<std::pair<std::string, RuleMode>>& modes
) {
    const CompiledRules& made = compiled(rules);
    std::vector<std::pair<std::size_t, RuleMode>> by_index;
    for (const auto& [id, mode] : modes) {
        const auto found = std::ranges::find(made.rules(), id, &Rule::id);
        if (found != made.rules().end())
            by_index.emplace_back(static_cast<std::size_t>(found - made.rules().begin()), mode);
    }
    return made.with_modes(by_index);
}

std::shared_ptr<const RuleSet> with_shadow(const RuleSet& rules, const std::vector<std::string>& in_shadow) {
    return compiled(rules).shadow_variants().find_or_make(in_shadow, [&] {
        std::vector<std::pair<std::string, RuleMode>> modes;
        for (const std::string& rule : in_shadow)
            modes.emplace_back(rule, RuleMode::shadow);
        return with_modes(rules, modes);
    });
}

std::shared_ptr<const RuleSet> with_thresholds(
    const RuleSet& rules, std::optional<double> junk, std::optional<double> reject
) {
    return compiled(rules).with_thresholds(thousandths_of(junk), thousandths_of(reject));
}

std::shared_ptr<const RuleSet> without_worst(const RuleSet& rules, const Facts& facts) {
    const CompiledRules& made = compiled(rules);
    const Override* by = applied_overrides(made, facts).worst_by;
    return by != nullptr ? made.without_worst(static_cast<std::size_t>(by - made.overrides().data()))
                         : nullptr;
}

std::vector<RuleBrief> briefs_of(const RuleSet& rules) {
    std::vector<RuleBrief> briefs;
    for (const Rule& rule : compiled(rules).rules())
        briefs.push_back({rule.id, rules.origin_of(rule.id), rule.mode, rule.action, rule.stage});
    return briefs;
}

std::string text_of_rule(const RuleSet& rules, std::string_view id) {
    const CompiledRules& made = compiled(rules);
    const auto rule = std::ranges::find(made.rules(), id, &Rule::id);
    return rule != made.rules().end() ? made.table_at(rule->source, rule->place) : std::string();
}

}  // namespace wicket
