#include "policy/record_subject.hpp"

#include "policy/rule_variants.hpp"

#include <algorithm>

namespace wicket {
namespace {

/// Facts of the record's own dictionary that the other one has too, with the same type.
void copy_facts(
    const Facts& from, const FactDictionary& recorded, const FactDictionary& dictionary, Facts& to
) {
    for (std::size_t at = 0; at < from.size() && at < recorded.rows().size(); ++at) {
        const FactValue& value = from.get(static_cast<FactId>(at));
        if (std::holds_alternative<Absent>(value)) continue;
        const FactDeclaration& row = recorded.rows()[at];
        const auto id = dictionary.find(row.name);
        if (id && dictionary.row(*id).type == row.type) to.set(*id, value);
    }
}

void set_recipient(const std::string& address, Facts& facts) {
    const std::size_t at = address.rfind('@');
    const auto set = [&facts](CoreFact fact, std::string value) {
        if (std::holds_alternative<Absent>(facts.get(id_of(fact)))) facts.set(id_of(fact), std::move(value));
    };
    facts.set(id_of(CoreFact::rcpt_address), address);
    if (at == std::string::npos) return;
    facts.set(id_of(CoreFact::rcpt_domain), address.substr(at + 1));
    set(CoreFact::rcpt_local_part, address.substr(0, at));
}

}  // namespace

std::vector<RecordSubject> subjects_of(const StoredRecord& stored, const FactDictionary& dictionary) {
    const DecisionRecord& record = stored.record;
    Facts common;
    copy_facts(record.facts, stored.dictionary, dictionary, common);
    std::vector<RecordSubject> subjects;
    for (const RecordRecipient& recipient : record.recipients) {
        RecordSubject& made = subjects.emplace_back();
        made.address = recipient.address;
        if (recipient.facts != nullptr || !recipient.absent.empty())
            copy_facts(facts_of(record, recipient), stored.dictionary, dictionary, made.facts);
        else
            made.facts = common;
        if (!recipient.address.empty()) set_recipient(recipient.address, made.facts);
        made.verdict = &recipient.verdict;
        made.in_shadow = &record.rules_in_shadow;
        made.stage = recipient.verdict.stage;
    }
    if (subjects.empty())
        subjects.push_back(
            {"", std::move(common), record.verdict.stage, &record.rules_in_shadow, &record.verdict}
        );
    return subjects;
}

const RecordSubject& leading_subject(
    const std::vector<RecordSubject>& subjects, const DecisionRecord& record
) {
    const auto same = std::ranges::find_if(subjects, [&](const RecordSubject& one) {
        return one.verdict->action == record.verdict.action && one.verdict->rule == record.verdict.rule;
    });
    return same != subjects.end() ? *same : subjects.front();
}

Verdict judge(const RuleSet& rules, const RecordSubject& subject) {
    if (subject.in_shadow == nullptr || subject.in_shadow->empty())
        return decide(rules, subject.facts, subject.stage);
    return decide(*with_shadow(rules, *subject.in_shadow), subject.facts, subject.stage);
}

bool is_judged_as_then(const RuleSet& rules, const RecordSubject& subject) {
    const Verdict verdict = judge(rules, subject);
    return verdict.action == subject.verdict->action && verdict.rule == subject.verdict->rule;
}

}  // namespace wicket
