#include "policy/deciding_rules.hpp"

#include "policy/record_subject.hpp"
#include "policy/rule_hits.hpp"
#include "policy/rule_variants.hpp"

namespace wicket {

const RuleSet& DecidingRules::without(const std::string& rule) {
    auto& made = without_[rule];
    if (made == nullptr)
        made = with_modes(
            *rules_,
            {
                {rule, RuleMode::off}
        }
        );
    return *made;
}

std::set<std::string> DecidingRules::alone(const StoredRecord& stored) {
    std::set<std::string> found;
    const auto subjects = subjects_of(stored, rules_->dictionary());
    const RecordSubject& subject = leading_subject(subjects, stored.record);
    if (!is_judged_as_then(*rules_, subject)) return found;
    for (const std::string& rule : RuleHits::deciders(stored))
        if (!rules_->origin_of(rule).empty() &&
            judge(without(rule), subject).action < subject.verdict->action)
            found.insert(rule);
    return found;
}

std::optional<double> DecidingRules::margin(const StoredRecord& stored) const {
    const std::string& rule = stored.record.verdict.rule;
    if (!rule.starts_with("threshold:")) return std::nullopt;
    const auto subjects = subjects_of(stored, rules_->dictionary());
    const RecordSubject& subject = leading_subject(subjects, stored.record);
    if (!is_judged_as_then(*rules_, subject)) return std::nullopt;
    const Thresholds thresholds = thresholds_for(*rules_, subject.facts);
    return subject.verdict->points - (rule == "threshold:reject" ? thresholds.reject : thresholds.junk);
}

}  // namespace wicket
