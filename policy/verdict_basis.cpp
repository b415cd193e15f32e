#include "policy/verdict_basis.hpp"

#include "policy/applied_overrides.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace wicket {
namespace {

std::string place_text(const SourcePlace& place) {
    return place.line == 0 ? std::string() : fmt::format("{}:{}", place.file, place.line);
}

/// What the deciding rule asked for, whatever was allowed.
Action action_wanted(const CompiledRules& rules, const Verdict& verdict) {
    if (verdict.rule == "threshold:reject") return Action::reject;
    if (verdict.rule == "threshold:junk") return Action::junk;
    const auto rule = std::ranges::find(rules.rules(), verdict.rule, &Rule::id);
    const bool is_its_own = rule != rules.rules().end() && !rule->has_points && !defers_for_unknown(verdict);
    return is_its_own ? rule->action : verdict.action;
}

}  // namespace

VerdictBasis basis_of(const RuleSet& rules, const RecordSubject& subject) {
    const CompiledRules& made = compiled(rules);
    const AppliedOverrides applied = applied_overrides(made, subject.facts);
    const Verdict& verdict = *subject.verdict;
    VerdictBasis basis;
    const bool is_reject = verdict.rule == "threshold:reject";
    if (is_reject || verdict.rule == "threshold:junk") {
        const Override* by = is_reject ? applied.reject_by : applied.junk_by;
        const SourcePlace& place = by != nullptr ? by->place : made.thresholds_place();
        basis.rule_place = place_text(place);
        basis.rule_text = made.table_at(by != nullptr ? by->source : made.thresholds_source(), place);
    } else {
        basis.rule_place = rules.origin_of(verdict.rule);
        basis.rule_text = text_of_rule(rules, verdict.rule);
    }
    if (!is_judged_as_then(rules, subject)) return basis;
    if (subject.stage == Stage::end) basis.thresholds = thresholds_for(rules, subject.facts);
    if (applied.worst && action_wanted(made, verdict) > *applied.worst) {
        basis.worst = *applied.worst;
        if (applied.worst_by != nullptr) basis.worst_place = place_text(applied.worst_by->place);
    }
    return basis;
}

}  // namespace wicket
