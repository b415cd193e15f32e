#include "policy/replay.hpp"

#include "policy/compiled_rules.hpp"
#include "policy/rule_variants.hpp"
#include "policy/transaction_outcome.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

namespace wicket {
namespace {

constexpr std::string_view why_unknown = "not recorded";

Millipoints to_thousandths(double points) {
    return std::llround(points * 1000);
}

/// The recipient's facts are not those of the connection.
Facts without_recipient(const Facts& facts) {
    Facts made = facts;
    for (const CoreFact fact :
         {CoreFact::rcpt_address,
          CoreFact::rcpt_domain,
          CoreFact::rcpt_local_part,
          CoreFact::rcpt_count,
          CoreFact::rcpt_unknown_count})
        made.set(id_of(fact), Absent{});
    return made;
}

bool is_same_codes(const std::vector<DnsListCode>& a, const std::vector<DnsListCode>& b) {
    return std::ranges::equal(a, b, [](const DnsListCode& x, const DnsListCode& y) {
        return x.name == y.name && x.first == y.first && x.last == y.last;
    });
}

template <class Recorded>
Verdict recorded_verdict(const Recorded& recorded) {
    Verdict verdict;
    verdict.action = recorded.action;
    verdict.stage = recorded.stage;
    verdict.rule = recorded.rule;
    return verdict;
}

class Replaying {
public:
    Replaying(const CompiledRules& rules, const RecordedDecision& record, const MissingFacts& missing)
        : rules_(rules), record_(record), missing_(missing) {
        made_.recipients.reserve(std::max<std::size_t>(record.recipients.size(), 1));
    }

    Replay run() {
        if (record_.recipients.empty()) {
            replay_connection();
            return std::move(made_);
        }
        const auto at_once = answer_at_once();
        for (const RecordedRecipient& recipient : record_.recipients) {
            ReplayedRecipient& made = made_.recipients.emplace_back();
            made.address = recipient.address;
            if (at_once)
                made.verdict = *at_once;
            else
                replay_rcpt(recipient, made);
        }
        if (at_once)
            made_.verdict = *at_once;
        else
            replay_message();
        return std::move(made_);
    }

private:
    /// What the session refuses of its own accord, it refuses in shadow too.
    bool passes(const Verdict& verdict) const {
        return verdict.lets_pass() || (record_.policy_shadow && !is_builtin_rule(verdict.rule));
    }

    /// How far the session went: what comes behind was neither asked nor seen.
    Stage reached() const { return record_.took_message() ? Stage::end : record_.stage; }

    /// With what was not gathered set unknown.
    Verdict judge(const Facts& facts, Stage stage) const {
        if (missing_.empty()) return decide(rules_, facts, stage);
        Facts filled = facts;
        for (const FactId id : missing_)
            if (std::holds_alternative<Absent>(filled.get(id)))
                filled.set(id, Unknown{std::string(why_unknown)});
        return decide(rules_, filled, stage);
    }

    /// Rules with answer = "now" refuse before there is a recipient.
    std::optional<Verdict> answer_at_once() const {
        std::optional<Facts> facts;
        for (const Stage stage : {Stage::connect, Stage::helo, Stage::mail}) {
            if (stage > reached() || (stage == Stage::mail && !record_.has_from)) break;
            // A MAIL that the session refused by itself was never put before the rules.
            if (stage == Stage::mail && record_.recipients.empty() && record_.stage == stage &&
                is_builtin_rule(record_.rule))
                break;
            if (!rules_.has_immediate_answers(stage)) continue;
            if (!facts) facts = without_recipient(record_.facts);
            Verdict verdict = judge(*facts, stage);
            if (!verdict.answer_now || passes(verdict)) continue;
            // RFC 5321 section 3.1, as the server answers.
            if (stage == Stage::connect) verdict.reply.code = verdict.reply.code < 500 ? 421 : 554;
            return verdict;
        }
        return std::nullopt;
    }

    void replay_connection() {
        ReplayedRecipient& made = made_.recipients.emplace_back();
        if (auto verdict = answer_at_once()) {
            made.verdict = std::move(*verdict);
        } else if (record_.action == Action::none || is_builtin_rule(record_.rule)) {
            made.verdict = recorded_verdict(record_);
        } else {
            made.undecidable = what_comes_after(record_.stage);
        }
        made_.verdict = made.verdict;
    }

    /// What rules would still have read, had the session gone on.
    std::string what_comes_after(Stage stage) const {
        const FactDeclaration* first = nullptr;
        for (const Rule& rule : rules_.rules()) {
            if (rule.mode == RuleMode::off) continue;
            for (const PointsCase& one : rule.cases) {
                for (const FactId id : one.condition.facts()) {
                    const FactDeclaration& row = rules_.dictionary().row(id);
                    if (row.stage > stage && (first == nullptr || row.stage < first->stage)) first = &row;
                }
            }
        }
        return not_recorded(first != nullptr ? first->name : "message.size");
    }

    bool answers_before_data() const {
        for (const Stage stage : {Stage::connect, Stage::helo, Stage::mail, Stage::rcpt})
            if (rules_.answers_at(stage)) return true;
        return false;
    }

    void replay_rcpt(const RecordedRecipient& recipient, ReplayedRecipient& made) {
        const bool was_refused = recipient.stage <= Stage::rcpt && !passes(recorded_verdict(recipient));
        if (was_refused && is_builtin_rule(recipient.rule)) {
            made.verdict = recorded_verdict(recipient);
            return;
        }
        if (!record_.is_late && answers_before_data()) {
            const Facts& facts =
                recipient.differs_at_rcpt ? recipient.facts_at_rcpt : recipient.facts(record_.facts);
            made.verdict = judge(facts, Stage::rcpt);
            note_missing(made, facts);
            if (!passes(made.verdict)) return;
        }
        const bool is_known = record_.took_message() || !was_refused || made.verdict.action == Action::accept;
        if (!is_known) made.undecidable = what_comes_after(Stage::rcpt);
        accepted_.push_back({&recipient, made_.recipients.size() - 1});
    }

    /// What a rule that could not be evaluated might have changed.
    void note_missing(ReplayedRecipient& made, const Facts& facts) const {
        if (missing_.empty() || made.verdict.unknown_rules.empty()) return;
        Millipoints least = 0;
        Millipoints most = 0;
        std::string first;
        bool is_open = false;
        for (const std::string& id : made.verdict.unknown_rules) {
            const auto rule = std::ranges::find(rules_.rules(), id, &Rule::id);
            if (rule == rules_.rules().end()) continue;
            const std::string fact = missing_fact_of(*rule);
            if (fact.empty()) continue;
            if (first.empty()) first = fact;
            if (rule->has_points) {
                Millipoints lowest = 0;
                Millipoints highest = 0;
                for (const PointsCase& one : rule->cases) {
                    lowest = std::min(lowest, one.points);
                    highest = std::max(highest, one.points);
                }
                least += lowest;
                most += highest;
            } else if (rule->action != Action::none && rule->action != made.verdict.action) {
                is_open = true;
            }
        }
        if (first.empty()) return;
        const Thresholds limits = thresholds_for(rules_, facts);
        const auto level = [&](Millipoints points) {
            return points >= to_thousandths(limits.reject) ? 2
                                                           : (points >= to_thousandths(limits.junk) ? 1 : 0);
        };
        const auto total = to_thousandths(made.verdict.points);
        const bool is_by_points =
            made.verdict.rule == "default" || made.verdict.rule.starts_with("threshold:");
        if (is_open ||
            (is_by_points && (level(total + least) != level(total) || level(total + most) != level(total))))
            made.undecidable = not_recorded(first);
    }

    std::string missing_fact_of(const Rule& rule) const {
        for (const PointsCase& one : rule.cases)
            for (const FactId id : one.condition.facts())
                if (std::ranges::find(missing_, id) != missing_.end())
                    return rules_.dictionary().row(id).name;
        return {};
    }

    std::vector<const Verdict*> verdicts_of_accepted() const {
        std::vector<const Verdict*> verdicts;
        for (const Accepted& one : accepted_)
            verdicts.push_back(&made_.recipients[one.index].verdict);
        return verdicts;
    }

    void tell_accepted(const Verdict& told) {
        for (const Accepted& one : accepted_)
            tell(made_.recipients[one.index].verdict, told);
    }

    /// As it is when nothing is answered behind RCPT: what was told last.
    void conclude_without_message() {
        made_.verdict = {};
        made_.verdict.stage = record_.stage;
        for (const ReplayedRecipient& one : made_.recipients)
            if (!passes(one.verdict)) made_.verdict = one.verdict;
        if (made_.verdict.action == Action::none && !accepted_.empty())
            made_.verdict = made_.recipients[accepted_.front().index].verdict;
    }

    void replay_message() {
        if (accepted_.empty()) return conclude_without_message();
        const bool was_refused_by_session =
            is_builtin_rule(record_.rule) && record_.stage >= Stage::data && record_.action != Action::none;
        if (was_refused_by_session) {
            made_.verdict = recorded_verdict(record_);
            tell_accepted(made_.verdict);
            return;
        }
        if (reached() >= Stage::data && !record_.is_late && rules_.answers_at(Stage::data) &&
            !record_.policy_shadow) {
            judge_accepted(Stage::data);
            const auto verdicts = verdicts_of_accepted();
            if (std::ranges::none_of(verdicts, [&](const Verdict* one) { return passes(*one); })) {
                made_.verdict = *verdicts.front();
                tell_accepted(made_.verdict);
                return;
            }
        }
        if (!record_.took_message()) {
            if (record_.stage == Stage::data && !passes(recorded_verdict(record_)))
                for (const Accepted& one : accepted_)
                    made_.recipients[one.index].undecidable = what_comes_after(Stage::data);
            return conclude_without_message();
        }
        judge_accepted(Stage::end);
        const auto verdicts = verdicts_of_accepted();
        const auto refusing =
            record_.policy_shadow ? std::optional<std::size_t>() : refusing_recipient(verdicts);
        made_.verdict = *verdicts[refusing.value_or(leading_recipient(verdicts))];
        if (refusing) tell_accepted(Verdict(made_.verdict));
    }

    void judge_accepted(Stage stage) {
        for (const Accepted& one : accepted_) {
            ReplayedRecipient& made = made_.recipients[one.index];
            const Facts& facts = one.recorded->facts(record_.facts);
            made.verdict = judge(facts, stage);
            made.undecidable.clear();
            note_missing(made, facts);
        }
    }

    struct Accepted {
        const RecordedRecipient* recorded;
        std::size_t index;
    };

    const CompiledRules& rules_;
    const RecordedDecision& record_;
    const MissingFacts& missing_;
    std::vector<Accepted> accepted_;
    Replay made_;
};

}  // namespace

std::vector<FactId> deciding_facts(const RuleSet& rules) {
    // Of scopes, expiries, third tries, greylisting, and how far a session went.
    std::vector<FactId> facts = {
        id_of(CoreFact::time_now),
        id_of(CoreFact::client_ip),
        id_of(CoreFact::listener_service),
        id_of(CoreFact::listener_address),
        id_of(CoreFact::rcpt_address),
        id_of(CoreFact::rcpt_domain),
        id_of(CoreFact::message_size),
        id_of(CoreFact::deferred_envelope),
        id_of(CoreFact::deferred_message),
        id_of(CoreFact::greylist_age)
    };
    for (const Rule& rule : compiled(rules).rules())
        for (const PointsCase& one : rule.cases)
            for (const FactId fact : one.condition.facts())
                if (std::ranges::find(facts, fact) == facts.end()) facts.push_back(fact);
    return facts;
}

MissingFacts missing_facts(const RuleSet& rules, const std::vector<std::string>& recorded) {
    const FactDictionary& dictionary = rules.dictionary();
    MissingFacts missing;
    for (const Rule& rule : compiled(rules).rules()) {
        for (const PointsCase& one : rule.cases) {
            for (const FactId id : one.condition.facts()) {
                if (std::ranges::find(recorded, dictionary.row(id).name) == recorded.end() &&
                    std::ranges::find(missing, id) == missing.end())
                    missing.push_back(id);
            }
        }
    }
    return missing;
}

MissingFacts missing_facts(const RuleSet& rules) {
    static const std::vector<std::string> core = FactDictionary().names();
    return missing_facts(rules, core);
}

std::vector<FactId> facts_of_other_meaning(const RuleSet& rules, const RuleSet& then) {
    const FactDictionary& dictionary = rules.dictionary();
    std::vector<FactId> changed;
    for (const DnsList& list : rules.dns_lists()) {
        const auto was = std::ranges::find(then.dns_lists(), list.name, &DnsList::name);
        if (was == then.dns_lists().end()) continue;
        // Zones as they are shown, for keys are not kept.
        const bool is_same = was->shown_zone == list.shown_zone && is_same_codes(was->listed, list.listed) &&
                             dictionary.row(list.of).name == then.dictionary().row(was->of).name;
        if (!is_same) changed.push_back(list.fact);
    }
    if (!rules.patterns() || !then.patterns()) return changed;
    for (const Pattern& pattern : rules.patterns()->patterns) {
        const auto id = then.dictionary().find(dictionary.row(pattern.fact).name);
        const auto was = std::ranges::find_if(then.patterns()->patterns, [&](const Pattern& one) {
            return id && one.fact == *id;
        });
        if (was == then.patterns()->patterns.end()) continue;
        if (was->part != pattern.part || was->field != pattern.field || was->regexes != pattern.regexes)
            changed.push_back(pattern.fact);
    }
    return changed;
}

std::vector<FactId> facts_of_rules(const RuleSet& rules) {
    std::vector<FactId> facts;
    for (const DnsList& list : rules.dns_lists())
        facts.push_back(list.fact);
    if (rules.patterns())
        for (const Pattern& pattern : rules.patterns()->patterns)
            facts.push_back(pattern.fact);
    return facts;
}

std::string not_recorded(std::string_view fact) {
    return "fact " + std::string(fact) + " was not recorded";
}

Replay replay(const RuleSet& rules, const RecordedDecision& record, const MissingFacts& missing) {
    if (!record.rules_in_shadow.empty()) {
        const auto then = with_shadow(rules, record.rules_in_shadow);
        return Replaying(compiled(*then), record, missing).run();
    }
    return Replaying(compiled(rules), record, missing).run();
}

}  // namespace wicket
