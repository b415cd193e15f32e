// The facts that one verdict of a record was made from, under the dictionary of other rules, so that decide()
// can be asked again: with a rule off, a fact changed, an exception added. Pure; any thread.
#pragma once

#include "policy/record.hpp"
#include "policy/rules.hpp"

#include <string>
#include <vector>

namespace wicket {

/// A recipient, or the connection where nobody was asked for.
struct RecordSubject {
    std::string address;  // empty: the connection
    Facts facts;
    Stage stage = Stage::end;                             // at which it was decided
    const std::vector<std::string>* in_shadow = nullptr;  // rules that the circuit breaker had put there
    const Verdict* verdict = nullptr;                     // of then; lives in the record
};

/// All of them, in the record's order; never none.
std::vector<RecordSubject> subjects_of(const StoredRecord& stored, const FactDictionary& dictionary);
/// The one that stands for the record: the first whose verdict is the record's.
const RecordSubject& leading_subject(
    const std::vector<RecordSubject>& subjects, const DecisionRecord& record
);

/// decide() for the subject at its stage.
Verdict judge(const RuleSet& rules, const RecordSubject& subject);
/// Whether these rules say of the subject what was said then: the same action by the same rule.
bool is_judged_as_then(const RuleSet& rules, const RecordSubject& subject);

}  // namespace wicket
