#include "policy/rule_lint.hpp"

#include "policy/condition_logic.hpp"
#include "policy/condition_values.hpp"
#include "policy/rule_test_run.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace wicket {
namespace {

/// Whether whatever matches `inner` matches `outer`.
bool covers(const std::string& outer, const std::string& inner) {
    return outer == inner || outer == "*" || (!is_glob(inner) && matches_glob(outer, inner));
}

template <class Name>
bool is_each_covered(const std::vector<Name>& outer, const std::vector<Name>& inner) {
    return std::ranges::all_of(inner, [&](const Name& name) {
        return std::ranges::any_of(outer, [&](const Name& one) { return covers(one, name); });
    });
}

/// Of one kind of names in a scope, of which none stands for all.
template <class Name>
bool are_covered(const std::vector<Name>& outer, const std::vector<Name>& inner) {
    return outer.empty() || (!inner.empty() && is_each_covered(outer, inner));
}

/// Services and addresses are names of one kind: a listener that fits either is meant.
bool are_listeners_covered(const PolicyScope& outer, const PolicyScope& inner) {
    if (outer.services.empty() && outer.listeners.empty()) return true;
    if (inner.services.empty() && inner.listeners.empty()) return false;
    return is_each_covered(outer.services, inner.services) &&
           is_each_covered(outer.listeners, inner.listeners);
}

bool includes_scope(const PolicyScope& outer, const PolicyScope& inner) {
    return are_covered(outer.domains, inner.domains) && are_covered(outer.recipients, inner.recipients) &&
           are_listeners_covered(outer, inner) && are_covered(outer.clients, inner.clients);
}

// Whether a rule can be reached is asked of all pairs of rules about the same facts. Rules of people need a
// hundredth of this; beyond it, which takes a second, no more are asked about.
constexpr std::size_t comparison_limit = 10'000'000;
// What it costs to find the parts of two conditions.
constexpr std::size_t taking_apart = 16;

class Linter {
public:
    Linter(const LintInput& input, Diagnostics& diagnostics)
        : input_(input), rules_(input.rules), diagnostics_(diagnostics) {}

    void run() {
        find_impossible();
        find_unreachable();
        find_repeated_overrides();
        if (input_.reading != RuleReading::for_check) return;
        find_refusals_by_one_list();
        find_overlaps();
        // What is not here might use them, or test them.
        if (!input_.is_whole) return;
        find_unused_patterns();
        find_untested();
    }

    void find_expired() {
        for (const Rule& rule : rules_.rules()) {
            if (!rule.expires || *rule.expires > input_.now) continue;
            std::string message = named(rule) + " has expired: it is off";
            if (input_.reading == RuleReading::for_check)
                error(rule.expires_place, message + "; remove it, or give it more time");
            else
                warn(rule.expires_place, std::move(message));
        }
    }

private:
    void error(const SourcePlace& place, std::string message, std::string suggestion = {}) {
        diagnostics_.error(place, std::move(message), std::move(suggestion), input_.source_line(place));
    }
    void warn(const SourcePlace& place, std::string message) {
        diagnostics_.warning(place, std::move(message), {}, input_.source_line(place));
    }

    static std::string named(const Rule& rule) { return "rule \"" + rule.id + '"'; }
    static std::string place_of(const Rule& rule) {
        return rule.place.file + ':' + std::to_string(rule.place.line);
    }

    void find_impossible() {
        for (const Rule& rule : rules_.rules())
            for (const PointsCase& one : rule.cases)
                if (!one.condition.can_hold())
                    error(one.place, "this condition can never hold: " + named(rule) + " never hits by it");
    }

    bool has_other_modes(std::size_t index) const {
        return std::ranges::any_of(rules_.overrides(), [&](const Override& one) {
            return std::ranges::any_of(one.modes, [&](const auto& mode) { return mode.first == index; });
        });
    }

    /// Whether what it decides is decided for good, for everybody in its scope.
    bool decides(std::size_t index) const {
        const Rule& rule = rules_.rules()[index];
        const bool may_decide = rule.action != Action::none && rule.action != Action::greylist;
        return may_decide && rule.mode == RuleMode::enforce && !rule.expires && !has_other_modes(index);
    }

    /// A rule that decides where its condition holds, and how to see at once that a part does not imply it.
    struct Decider {
        std::size_t rule;
        std::optional<ConditionMeaning> meaning;
    };

    bool decides_for(const Decider& one, const Rule& rule, const KnownPart& part) {
        if (!may_compare(1) || (one.meaning && !part.may_imply(*one.meaning))) return false;
        const Rule& decider = rules_.rules()[one.rule];
        const ExpressionProgram& condition = decider.cases.front().condition.program();
        // One that has its name is a mistake that has been told.
        return decider.id != rule.id && includes_scope(decider.scope, rule.scope) &&
               may_compare(part.part().size() * condition.nodes.size()) && part.implies(condition);
    }

    /// False, once and for all, when too much has been compared.
    bool may_compare(std::size_t cost) {
        compared_ += cost;
        return compared_ <= comparison_limit;
    }

    /// One of the rules seen so far that decides wherever this part holds.
    const Rule* decider_of(const Rule& rule, const KnownPart& part) {
        // A skipped check makes a fact unknown for later rules only.
        if (has_skips_ && asks_for_unknown(part.part())) return nullptr;
        const auto among = [&](const std::vector<Decider>& deciders) -> const Rule* {
            if (!may_compare(0)) return nullptr;
            const auto decides = [&](const Decider& one) { return decides_for(one, rule, part); };
            const auto found = std::ranges::find_if(deciders, decides);
            return found == deciders.end() ? nullptr : &rules_.rules()[found->rule];
        };
        if (const Rule* found = among(always_)) return found;
        for (const ConditionKey& key : keys_to_look_for(part.part())) {
            const auto found = deciders_.find(key);
            if (found == deciders_.end()) continue;
            if (const Rule* decider = among(found->second)) return decider;
        }
        return nullptr;
    }

    /// A rule that covers all parts of the condition, if there is one.
    const Rule* decided_before(const Rule& rule, const PointsCase& one) {
        const Rule* first = nullptr;
        for (auto& part : parts_of(one.condition.program())) {
            const KnownPart known(std::move(part));
            if (!known.can_hold()) continue;
            const Rule* found = decider_of(rule, known);
            if (found == nullptr) return nullptr;
            if (first == nullptr) first = found;
        }
        return first;
    }

    void remember(std::size_t index) {
        for (const auto& part : parts_of(rules_.rules()[index].cases.front().condition.program())) {
            const ConditionClue clue = clue_of(part);
            if (clue.keys.empty()) always_.push_back({index, {}});
            for (const ConditionKey& key : clue.keys)
                deciders_[key].push_back({index, clue.meaning});
        }
    }

    void find_unreachable() {
        has_skips_ = std::ranges::any_of(rules_.rules(), &Rule::skips);
        bool accepts_before = false;
        for (const std::size_t index : rules_.rules_by_stage()) {
            const Rule& rule = rules_.rules()[index];
            if (stop_comparing_at(rule.place)) return;
            const bool has_effect = rule.action != Action::none || accepts_before;
            // One that defers for what is unknown does something where its condition does not hold.
            const bool is_judged = has_effect && rule.mode == RuleMode::enforce &&
                                   (rule.action == Action::none || rule.on_unknown == OnUnknown::skip);
            const Rule* before = is_judged ? decided_before(rule, rule.cases.front()) : nullptr;
            // Headers and skips come too late only after an accept, which ends policy.
            if (before != nullptr && (rule.action != Action::none || before->action == Action::accept)) {
                error(
                    rule.cases.front().place,
                    named(rule) + " can never decide: " + named(*before) + " at " + place_of(*before) +
                        " decides whenever it would"
                );
                continue;
            }
            if (!decides(index)) continue;
            accepts_before |= rule.action == Action::accept;
            remember(index);
        }
        for (const Rule& rule : rules_.rules()) {
            if (!rule.has_points || rule.mode != RuleMode::enforce) continue;
            find_idle_points(rule);
            if (stop_comparing_at(rule.place)) return;
        }
    }

    bool stop_comparing_at(const SourcePlace& place) {
        if (may_compare(0)) return false;
        if (input_.reading == RuleReading::for_check)
            warn(
                place,
                "the conditions up to here are too many or too long to compare: no later rule is looked at "
                "whether an earlier one always decides before it"
            );
        return true;
    }

    void find_idle_points(const Rule& rule) {
        std::vector<const PointsCase*> seen;
        for (const PointsCase& one : rule.cases) {
            const Rule* before =
                input_.reading == RuleReading::for_check ? decided_before(rule, one) : nullptr;
            const bool is_repeated = std::ranges::any_of(seen, [&](const PointsCase* other) {
                const ExpressionProgram& a = one.condition.program();
                const ExpressionProgram& b = other->condition.program();
                return may_compare(taking_apart + a.nodes.size() * b.nodes.size()) &&
                       implies_each_other(a, b);
            });
            // One that decides only later leaves them what is decided until then.
            if (before != nullptr && before->stage <= rule.stage) {
                warn(
                    one.place,
                    "these points decide nothing: " + named(*before) + " at " + place_of(*before) +
                        " decides whenever they count"
                );
            } else if (is_repeated) {
                error(
                    one.place, "the same condition stands twice in this rule: only one of its points counts"
                );
            }
            seen.push_back(&one);
        }
    }

    static bool implies_each_other(const ExpressionProgram& one, const ExpressionProgram& other) {
        const auto is_in = [](const ExpressionProgram& a, const ExpressionProgram& b) {
            const auto parts = parts_of(a);
            return !parts.empty() && std::ranges::all_of(parts, [&](const ConditionPart& part) {
                return KnownPart(part).implies(b);
            });
        };
        return is_in(one, other) && is_in(other, one);
    }

    /// For each setting the first override that matches counts.
    void find_repeated_overrides() {
        const auto& overrides = rules_.overrides();
        for (std::size_t at = 0; at < overrides.size(); ++at) {
            const auto repeats = [&](const Override& first) {
                return !first.expires && first.scope == overrides[at].scope &&
                       have_common_setting(first, overrides[at]);
            };
            const auto earlier =
                std::ranges::subrange(overrides.begin(), overrides.begin() + static_cast<std::ptrdiff_t>(at));
            const auto found = std::ranges::find_if(earlier, repeats);
            if (found == earlier.end()) continue;
            error(
                overrides[at].place,
                "the override at " + found->place.file + ':' + std::to_string(found->place.line) +
                    " is for the same and has a setting of this one already: only the first counts"
            );
        }
    }

    static bool have_common_setting(const Override& one, const Override& other) {
        return (one.junk && other.junk) || (one.reject && other.reject) || (one.worst && other.worst) ||
               std::ranges::any_of(one.modes, [&](const auto& mode) {
                   return std::ranges::any_of(other.modes, [&](const auto& others) {
                       return others.first == mode.first;
                   });
               });
    }

    /// The list whose answer is all that a part rests on: what the session itself knows is no evidence.
    const FactDeclaration* only_list_of(const std::vector<FactId>& facts) const {
        const FactDeclaration* list = nullptr;
        for (const FactId fact : facts) {
            const FactDeclaration& row = rules_.dictionary().row(fact);
            if (row.filter == "smtp") continue;
            if (list != nullptr || row.filter != "dnsbl") return nullptr;
            list = &row;
        }
        return list;
    }

    void find_refusals_by_one_list() {
        for (const Rule& rule : rules_.rules()) {
            if (rule.mode != RuleMode::enforce || rule.refuses_alone) continue;
            for (const PointsCase& one : rule.cases) {
                const bool refuses = rule.has_points ? one.points >= rules_.reject_threshold()
                                                     : rule.action >= Action::discard;
                if (!refuses) continue;
                for (const auto& part : one.condition.facts_of_parts()) {
                    const FactDeclaration* list = only_list_of(part);
                    if (list == nullptr) continue;
                    warn(
                        one.place,
                        named(rule) + " refuses mail on the word of " + list->name +
                            " alone: a list can be wrong; alone = true says that this is meant"
                    );
                    break;
                }
            }
        }
    }

    void find_overlaps() {
        for (const LintedList& list : input_.lists)
            for (const ListEntry& entry : list.entries)
                if (entry.expires && *entry.expires <= input_.now)
                    warn(entry.place, "this entry has expired: it matches no more");
        for (std::size_t at = 0; at < input_.lists.size(); ++at) {
            std::set<std::string_view> texts;
            for (const ListEntry& entry : input_.lists[at].entries)
                texts.insert(entry.text);
            // Of two lists that have the same entry, only the later one is told of.
            for (std::size_t other = 0; other < input_.lists.size(); ++other)
                if (other != at)
                    find_overlap(input_.lists[other], input_.lists[at], other < at ? &texts : nullptr);
        }
    }

    /// Without those of `left_out`.
    void find_overlap(
        const LintedList& one, const LintedList& other, const std::set<std::string_view>* left_out
    ) {
        if (one.list == nullptr || other.list == nullptr || one.list->kind() != other.list->kind()) return;
        const ListEntry* first = nullptr;
        std::size_t count = 0;
        for (const ListEntry& entry : one.entries) {
            if (!other.list->covers(entry.text)) continue;
            if (left_out != nullptr && left_out->contains(entry.text)) continue;
            if (first == nullptr) first = &entry;
            ++count;
        }
        if (first == nullptr) return;
        std::string message = "this entry of the list " + one.name + " is also in the list " + other.name;
        if (count > 1) message += ", and so are " + std::to_string(count - 1) + " more";
        warn(first->place, std::move(message));
    }

    /// What each rule asks, shows in a reply or puts into a header.
    std::set<FactId> facts_of_rules() const {
        std::set<FactId> facts;
        for (const Rule& rule : rules_.rules()) {
            for (const PointsCase& one : rule.cases)
                facts.insert(one.condition.facts().begin(), one.condition.facts().end());
            for (const ReplyTemplate* text : {&rule.why, &rule.fix, &rule.header_value})
                for (const ReplyTemplate::Use& use : text->uses())
                    facts.insert(use.fact);
        }
        return facts;
    }

    void find_unused_patterns() {
        const std::set<FactId> used = facts_of_rules();
        for (const auto& [pattern, place] : input_.patterns)
            if (!used.contains(pattern.fact))
                warn(
                    place,
                    rules_.dictionary().row(pattern.fact).name +
                        " is used by no rule: every message is searched for it in vain"
                );
    }

    void find_untested() {
        std::set<std::string, std::less<>> tested;
        for (const RuleTest& test : rules_.tests()) {
            if (test.rule) tested.insert(*test.rule);
            for (const RuleHit& hit : verdict_of_test(rules_, test).hits)
                tested.insert(hit.rule);
        }
        for (const Rule& rule : rules_.rules())
            if (rule.mode != RuleMode::off && !tested.contains(rule.id))
                warn(rule.place, named(rule) + " has no test: no [[test]] makes it hit");
    }

    const LintInput& input_;
    const CompiledRules& rules_;
    Diagnostics& diagnostics_;
    // Rules that decide, in order, by what a condition asks for that implies one of theirs.
    std::map<ConditionKey, std::vector<Decider>> deciders_;
    std::vector<Decider> always_;  // those for which no such thing is known
    bool has_skips_ = false;
    std::size_t compared_ = 0;  // parts with nodes of conditions
};

}  // namespace

void lint_expiry(const LintInput& input, Diagnostics& diagnostics) {
    if (input.reading != RuleReading::as_it_was) Linter(input, diagnostics).find_expired();
}

void lint_rules(const LintInput& input, Diagnostics& diagnostics) {
    if (input.reading != RuleReading::as_it_was) Linter(input, diagnostics).run();
}

}  // namespace wicket
