// decide(): facts in, verdict out. No I/O, no clock, no state: what it depends on is all in its arguments.
#include "base/text.hpp"
#include "policy/applied_overrides.hpp"
#include "policy/compiled_rules.hpp"
#include "policy/fact_lookup.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <stdexcept>
#include <utility>

namespace wicket {
namespace {

// What is said of one message fits in two lines of a reply; whoever wants to know more has the id.
constexpr std::size_t reply_limit_octets = 900;

double to_points(Millipoints points) {
    return static_cast<double>(points) / 1000.0;
}

std::string points_text(Millipoints points) {
    std::array<char, 32> buffer{};
    const int length = std::snprintf(buffer.data(), buffer.size(), "%g", to_points(points));
    return {buffer.data(), static_cast<std::size_t>(std::max(length, 0))};
}

/// Of several cases of one rule the highest counts: the most points, and the most credit only where there are
/// none. Credit cannot make up for what the same list says against somebody.
bool is_higher(Millipoints a, Millipoints b) {
    if (a > 0 || b > 0) return a > b;
    return a < b;
}

/// Refusals differ only in whether the connection lives on, deferrals only in their words.
bool is_same_outcome(Action a, Action b) {
    const auto refuses = [](Action action) { return action >= Action::reject; };
    const auto defers = [](Action action) { return action == Action::greylist || action == Action::defer; };
    return a == b || (refuses(a) && refuses(b)) || (defers(a) && defers(b));
}

struct DefaultReply {
    int code;
    std::string_view enhanced;
    std::string_view text;
};

/// RFC 3463: x.7.1 is "delivery not authorised", of a refusal by policy.
DefaultReply default_reply(Action action) {
    switch (action) {
        case Action::greylist: return {451, "4.7.1", "Not seen before: try again in a few minutes"};
        case Action::defer: return {451, "4.7.1", "Try again later"};
        case Action::reject: return {550, "5.7.1", ""};
        case Action::disconnect: return {554, "5.7.1", ""};
        default: return {250, "2.0.0", "Message accepted"};
    }
}

class Decision {
public:
    Decision(const CompiledRules& rules, const Facts& facts, Stage stage)
        : rules_(rules), facts_(facts), applied_(applied_overrides(rules, facts)) {
        verdict_.stage = stage;
    }

    Verdict run() {
        run_then_rules();
        const bool is_end = verdict_.stage == Stage::end;
        if (is_end && !ends_policy_) {
            const Millipoints total = sum_points(Stage::end);
            verdict_.points = to_points(total);
            if (verdict_.action == Action::none && !defer_for_unknown(total)) decide_by_total(total);
        } else if (!is_end && verdict_.action == Action::none) {
            decide_early();
        }
        defer_for_unknown_rule();
        return std::move(verdict_);
    }

private:
    RuleMode mode_of(std::size_t index) const {
        for (const Override* one : applied_.modes) {
            const auto found = std::ranges::find(one->modes, index, &std::pair<std::size_t, RuleMode>::first);
            if (found != one->modes.end()) return found->second;
        }
        return rules_.rules()[index].mode;
    }

    bool is_in_force(const Rule& rule, RuleMode mode) const {
        if (mode == RuleMode::off) return false;
        if (rule.expires) {
            const auto* now = std::get_if<WallTime>(&facts_.get(id_of(CoreFact::time_now)));
            if (now != nullptr && *now >= *rule.expires) return false;
        }
        return rule.scope.is_empty() || rule.scope.includes(facts_);
    }

    void run_then_rules() {
        for (const std::size_t index : rules_.rules_by_stage()) {
            const Rule& rule = rules_.rules()[index];
            if (rule.stage > verdict_.stage) return;
            const RuleMode mode = mode_of(index);
            if (!is_in_force(rule, mode) || (skips_greylist_ && rule.action == Action::greylist)) continue;
            const Truth truth = truth_of(rule.cases.front().condition);
            if (truth == Truth::no) continue;
            if (truth == Truth::unknown) {
                verdict_.unknown_rules.push_back(rule.id);
                if (mode == RuleMode::enforce && rule.skips()) milder_may_come_ = true;
                if (mode != RuleMode::enforce || rule.action == Action::none) continue;
                if (verdict_.action == Action::none) verdict_.hangs_on_unknown = true;
                if (rule.on_unknown == OnUnknown::defer && verdict_.action == Action::none &&
                    may_defer(rule.stage)) {
                    unknown_deciders_.push_back(&rule);
                } else if (rule.action < Action::reject) {
                    milder_may_come_ = true;
                }
                continue;
            }
            verdict_.hits.push_back({rule.id, 0, mode, rule.action});
            if (mode != RuleMode::enforce) continue;
            if (rule.action == Action::greylist && has_waited()) continue;
            if (rule.skips()) {
                skip_by(rule);
            } else if (rule.action == Action::none) {
                add_header(rule);
            } else if (verdict_.action == Action::none) {
                decide_by(rule);
                ends_policy_ = rule.action == Action::accept;
                if (ends_policy_) return;
            }
        }
    }

    /// A condition that cannot be told without a skipped check does not hold, and that is no failure.
    Truth truth_of(const Expression& condition) const {
        if (!unskipped_) return condition.evaluate(lookup_);
        const Truth truth = condition.evaluate(*unskipped_);
        if (truth != Truth::unknown) return truth;
        const auto is_skipped = [&](FactId fact) {
            return std::ranges::find(skipped_facts_, fact) != skipped_facts_.end();
        };
        return std::ranges::any_of(condition.facts(), is_skipped) ? Truth::no : truth;
    }

    void skip_by(const Rule& rule) {
        skips_greylist_ |= rule.skips_greylist;
        if (rule.skipped_facts.empty()) return;
        if (!unskipped_) unskipped_ = facts_;
        for (const FactId fact : rule.skipped_facts) {
            skipped_facts_.push_back(fact);
            if (!std::holds_alternative<Absent>(unskipped_->get(fact)))
                unskipped_->set(fact, Unknown{"skipped by rule " + rule.id});
        }
    }

    /// What would a rule with on_unknown = "defer" have decided, had its condition been true? It defers only
    /// if that is not what becomes of the message anyway.
    void defer_for_unknown_rule() {
        for (const Rule* rule : unknown_deciders_) {
            const Action wanted = applied_.worst ? std::min(rule->action, *applied_.worst) : rule->action;
            if (is_same_outcome(wanted, verdict_.action)) continue;
            return defer_by(*rule);
        }
    }

    void add_header(const Rule& rule) {
        if (verdict_.stage != Stage::end) return;
        std::string value;
        rule.header_value.append_to(value, facts_);
        verdict_.added_headers.emplace_back(rule.header_name, std::move(value));
    }

    /// Whether something unknown at `stage` may defer: not from the third try on. A rule that answers before
    /// the end is judged again at the end, where tries are counted by the message too.
    bool may_defer(Stage stage) const {
        if (applied_.worst && *applied_.worst < Action::defer) return false;
        if (count_of(CoreFact::deferred_message) >= deferrals_limit) return false;
        return stage == Stage::end || count_of(CoreFact::deferred_envelope) < deferrals_limit;
    }

    bool has_waited() const { return count_of(CoreFact::greylist_age) >= greylist_delay.count(); }

    std::int64_t count_of(CoreFact fact) const {
        const auto* count = std::get_if<std::int64_t>(&facts_.get(id_of(fact)));
        return count != nullptr ? *count : 0;
    }

    void set_action(Action action) {
        verdict_.action = applied_.worst ? std::min(action, *applied_.worst) : action;
        const DefaultReply reply = default_reply(verdict_.action);
        verdict_.reply = {reply.code, std::string(reply.enhanced), std::string(reply.text)};
    }

    void decide_by(const Rule& rule) {
        if (!begin_decision(rule, rule.action)) return;
        std::string text;
        append_sentence(text, rule.why);
        if (text.empty())
            text = verdict_.reply.text.empty() ? "Refused by rule " + rule.id : verdict_.reply.text;
        append_sentence(text, rule.fix);
        set_text(std::move(text));
    }

    /// A deferral for an unknown fact is not what the rule's own words are about.
    void defer_by(const Rule& rule) {
        if (begin_decision(rule, Action::defer)) set_text("A check could not be made: try again later");
    }

    /// Whether the reply needs words.
    bool begin_decision(const Rule& rule, Action action) {
        set_action(action);
        verdict_.rule = rule.id;
        verdict_.answer_now = rule.answer == AnswerTime::now;
        if (verdict_.reply.is_positive()) return false;
        if (verdict_.action == rule.action && rule.reply_code != 0) {
            verdict_.reply.code = rule.reply_code;
            verdict_.reply.enhanced = rule.reply_enhanced;
        }
        return true;
    }

    void append_sentence(std::string& text, const ReplyTemplate& sentence) const {
        if (sentence.empty()) return;
        if (!text.empty()) text += "; ";
        sentence.append_to(text, facts_);
    }

    void set_text(std::string text) {
        if (text.size() > reply_limit_octets) text.replace(reply_limit_octets - 3, std::string::npos, "...");
        verdict_.reply.text = std::move(text);
    }

    /// The total of the rules known at `stage`; hits and unknown rules go into the verdict.
    Millipoints sum_points(Stage stage) {
        Millipoints total = 0;
        const bool is_quick = applied_.modes.empty() && !unskipped_;
        for (const auto& [condition, index, rule_stage, is_plain] : rules_.points_rules()) {
            if (rule_stage > stage) continue;
            if (is_quick && is_plain && condition != nullptr && evaluate(*condition, lookup_) == Truth::no)
                continue;
            const Rule& rule = rules_.rules()[index];
            const RuleMode mode = mode_of(index);
            if (!is_in_force(rule, mode)) continue;
            const PointsCase* best = nullptr;
            Millipoints least_unknown = 0;  // of the cases that are unknown
            Millipoints most_unknown = 0;
            for (const PointsCase& one : rule.cases) {
                const Truth truth = truth_of(one.condition);
                if (truth == Truth::yes) {
                    if (best == nullptr || is_higher(one.points, best->points)) best = &one;
                } else if (truth == Truth::unknown) {
                    least_unknown = std::min(least_unknown, one.points);
                    most_unknown = std::max(most_unknown, one.points);
                }
            }
            const Millipoints counted = best != nullptr ? best->points : 0;
            note_unknown_case(rule, mode, counted, {least_unknown, most_unknown});
            if (best == nullptr) continue;
            verdict_.hits.push_back({rule.id, to_points(counted), mode, Action::none});
            if (mode == RuleMode::enforce) total += counted;
        }
        return total;
    }

    /// `unknown`: what cases of the rule might count that are not known, instead of `counted`.
    void note_unknown_case(
        const Rule& rule, RuleMode mode, Millipoints counted, std::array<Millipoints, 2> unknown
    ) {
        bool is_noted = false;
        for (const Millipoints points : unknown) {
            if (!is_higher(points, counted)) continue;
            if (!std::exchange(is_noted, true)) verdict_.unknown_rules.push_back(rule.id);
            if (mode != RuleMode::enforce) continue;
            unknown_credit_ += std::max<Millipoints>(counted - points, 0);
            unknown_debit_ += std::max<Millipoints>(points - counted, 0);
            if (rule.on_unknown == OnUnknown::defer) deferring_.emplace_back(&rule, points - counted);
        }
    }

    Action action_of(Millipoints total) const {
        if (total >= applied_.reject) return Action::reject;
        return total >= applied_.junk ? Action::junk : Action::accept;
    }

    /// Whether a points rule with on_unknown = "defer" would decide.
    bool defer_for_unknown(Millipoints total) {
        if (!may_defer(Stage::end)) return false;
        for (const auto& [rule, points] : deferring_) {
            if (action_of(total + points) == action_of(total)) continue;
            defer_by(*rule);
            return true;
        }
        return false;
    }

    void decide_by_total(Millipoints total) {
        const Action action = action_of(total);
        set_action(action);
        if (action == Action::accept) {
            verdict_.rule = "default";
            return;
        }
        verdict_.rule = action == Action::reject ? "threshold:reject" : "threshold:junk";
        if (!verdict_.reply.is_positive()) explain_total(total);
    }

    /// Before the end: only if the total stays over the threshold whatever may still come.
    void decide_early() {
        const auto credit = rules_.credit_after(verdict_.stage);
        if (!credit || milder_may_come_) return;
        const std::size_t hit_count = verdict_.hits.size();
        const std::size_t unknown_count = verdict_.unknown_rules.size();
        const Millipoints total = sum_points(verdict_.stage);
        if (total - *credit - unknown_credit_ >= applied_.reject) {
            verdict_.points = to_points(total);
            decide_by_total(total);
            return;
        }
        verdict_.hangs_on_unknown |= total - *credit + unknown_debit_ >= applied_.reject;
        // Points are summed at the end only: what was found here is not part of this answer.
        verdict_.hits.resize(hit_count);
        verdict_.unknown_rules.resize(unknown_count);
    }

    /// The two heaviest hits that can say why, and the remedy of the first that has one.
    void explain_total(Millipoints total) {
        std::array<const Rule*, 2> heaviest{};
        std::array<double, 2> weight{};
        for (const RuleHit& hit : verdict_.hits) {
            if (hit.mode != RuleMode::enforce || hit.points <= weight[1]) continue;
            const auto rule = std::ranges::find(rules_.rules(), hit.rule, &Rule::id);
            if (hit.points > weight[0]) {
                heaviest[1] = std::exchange(heaviest[0], &*rule);
                weight[1] = std::exchange(weight[0], hit.points);
            } else {
                heaviest[1] = &*rule;
                weight[1] = hit.points;
            }
        }
        std::string text = "This message has " + points_text(total) + " points, and " +
                           points_text(applied_.reject) + " are refused";
        std::string remedy;
        char separator = ':';
        for (const Rule* rule : heaviest) {
            if (rule == nullptr) continue;
            text += std::exchange(separator, ',');
            text += ' ';
            if (rule->why.empty())
                text += "rule " + rule->id;
            else
                rule->why.append_to(text, facts_);
            if (remedy.empty()) rule->fix.append_to(remedy, facts_);
        }
        if (!remedy.empty()) text += "; " + remedy;
        set_text(std::move(text));
    }

    const CompiledRules& rules_;
    const Facts& facts_;
    AppliedOverrides applied_;
    FactLookup lookup_{facts_};
    Verdict verdict_;
    std::vector<std::pair<const Rule*, Millipoints>> deferring_;
    // Those with on_unknown = "defer" that stand before the first hit.
    std::vector<const Rule*> unknown_deciders_;
    Millipoints unknown_credit_ = 0;  // what unknown conditions may take off
    Millipoints unknown_debit_ = 0;   // and what they may add
    // What then = "skip" left out: the facts with those unknown, and which they are.
    std::optional<Facts> unskipped_;
    std::vector<FactId> skipped_facts_;
    bool skips_greylist_ = false;
    bool ends_policy_ = false;
    bool milder_may_come_ = false;
};

}  // namespace

const CompiledRules& compiled(const RuleSet& rules) {
    const auto* made = dynamic_cast<const CompiledRules*>(&rules);
    if (made == nullptr) throw std::logic_error("a RuleSet that load_rules did not make");
    return *made;
}

Verdict decide(const RuleSet& rules, const Facts& facts, Stage stage) {
    return Decision(compiled(rules), facts, stage).run();
}

std::vector<std::pair<std::string, std::string>> skipped_checks(
    const RuleSet& rules, const Verdict& verdict
) {
    std::vector<std::pair<std::string, std::string>> skipped;
    for (const RuleHit& hit : verdict.hits) {
        if (hit.mode != RuleMode::enforce || hit.action != Action::none || hit.points != 0) continue;
        const auto rule = std::ranges::find(compiled(rules).rules(), hit.rule, &Rule::id);
        if (rule == compiled(rules).rules().end()) continue;
        for (const std::string& check : rule->skipped_checks)
            skipped.emplace_back(check, rule->id);
    }
    return skipped;
}

bool defers_for_unknown(const Verdict& verdict) {
    return verdict.action == Action::defer &&
           std::ranges::find(verdict.unknown_rules, verdict.rule) != verdict.unknown_rules.end();
}

std::string policy_key(const RuleSet& rules, const Facts& facts) {
    const CompiledRules& made = compiled(rules);
    std::string key;
    for (std::size_t at = 0; at < made.overrides().size(); ++at) {
        const PolicyScope& scope = made.overrides()[at].scope;
        if (scope.is_about_recipients() && scope.includes(facts)) key += 'o' + std::to_string(at);
    }
    for (std::size_t at = 0; at < made.rules().size(); ++at) {
        const PolicyScope& scope = made.rules()[at].scope;
        if (scope.is_about_recipients() && scope.includes(facts)) key += 'r' + std::to_string(at);
    }
    return key;
}

Verdict builtin_verdict(std::string_view which, Stage stage, SmtpReply reply) {
    Verdict verdict;
    verdict.action =
        reply.is_positive() ? Action::accept : (reply.code < 500 ? Action::defer : Action::reject);
    verdict.stage = stage;
    verdict.rule = "builtin:" + std::string(which);
    verdict.reply = std::move(reply);
    return verdict;
}

}  // namespace wicket
