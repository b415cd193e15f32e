#include "policy/rule_lint.hpp"

#include "policy/rule_test_run.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace wicket {
namespace {

using Parts = std::vector<std::vector<std::string>>;

bool is_subset(const std::vector<std::string>& part, const std::vector<std::string>& of) {
    return std::ranges::includes(of, part);
}

class Linter {
public:
    Linter(const LintInput& input, Diagnostics& diagnostics)
        : input_(input), rules_(input.rules), diagnostics_(diagnostics) {}

    void run() {
        find_impossible();
        find_unreachable();
        find_expired();
        if (input_.reading != RuleReading::for_check) return;
        find_refusals_by_one_list();
        find_overlaps();
        find_unused_patterns();
        find_untested();
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

    struct Decider {
        std::size_t rule;
        std::vector<std::string> part;
    };

    /// The first of the rules seen so far that decides wherever this part holds.
    const Decider* decider_of(const Rule& rule, const std::vector<std::string>& part) const {
        const auto among = [&](const std::vector<Decider>& deciders) -> const Decider* {
            for (const Decider& one : deciders) {
                const PolicyScope& scope = rules_.rules()[one.rule].scope;
                if ((scope.is_empty() || scope == rule.scope) && is_subset(one.part, part)) return &one;
            }
            return nullptr;
        };
        if (const Decider* found = among(always_)) return found;
        for (const std::string& conjunct : part) {
            const auto found = by_first_.find(conjunct);
            if (found == by_first_.end()) continue;
            if (const Decider* decider = among(found->second)) return decider;
        }
        return nullptr;
    }

    /// A rule that covers all parts of the condition, if there is one.
    const Rule* decided_before(const Rule& rule, const PointsCase& one) const {
        const Rule* first = nullptr;
        for (const auto& part : parts_of_condition(one.text)) {
            const Decider* found = decider_of(rule, part);
            if (found == nullptr) return nullptr;
            if (first == nullptr) first = &rules_.rules()[found->rule];
        }
        return first;
    }

    void remember(std::size_t index) {
        for (auto& part : parts_of_condition(rules_.rules()[index].cases.front().text)) {
            if (part.empty())
                always_.push_back({index, {}});
            else
                by_first_[part.front()].push_back({index, part});
        }
    }

    void find_unreachable() {
        bool accepts_before = false;
        for (const std::size_t index : rules_.rules_by_stage()) {
            const Rule& rule = rules_.rules()[index];
            const bool has_effect = rule.action != Action::none || accepts_before;
            const Rule* before = has_effect && rule.mode == RuleMode::enforce
                                     ? decided_before(rule, rule.cases.front())
                                     : nullptr;
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
        }
    }

    void find_idle_points(const Rule& rule) {
        std::vector<std::pair<Parts, const PointsCase*>> seen;
        for (const PointsCase& one : rule.cases) {
            const Parts parts = parts_of_condition(one.text);
            const auto same = std::ranges::find(seen, parts, &std::pair<Parts, const PointsCase*>::first);
            const Rule* before =
                input_.reading == RuleReading::for_check ? decided_before(rule, one) : nullptr;
            if (before != nullptr) {
                warn(
                    one.place,
                    "these points decide nothing: " + named(*before) + " at " + place_of(*before) +
                        " decides whenever they count"
                );
            } else if (same != seen.end()) {
                error(
                    one.place, "the same condition stands twice in this rule: only one of its points counts"
                );
            }
            seen.emplace_back(parts, &one);
        }
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
        for (std::size_t at = 0; at < input_.lists.size(); ++at) {
            for (const ListEntry& entry : input_.lists[at].entries)
                if (entry.expires && *entry.expires <= input_.now)
                    warn(entry.place, "this entry has expired: it matches no more");
            for (std::size_t other = 0; other < input_.lists.size(); ++other)
                if (other != at) find_overlap(input_.lists[at], input_.lists[other], at > other);
        }
    }

    /// `is_later`: of two lists that have the same entry, only the later one is told of.
    void find_overlap(const LintedList& one, const LintedList& other, bool is_later) {
        if (one.list == nullptr || other.list == nullptr || one.list->kind() != other.list->kind()) return;
        const ListEntry* first = nullptr;
        std::size_t count = 0;
        for (const ListEntry& entry : one.entries) {
            if (!other.list->covers(entry.text)) continue;
            const bool is_same =
                std::ranges::find(other.entries, entry.text, &ListEntry::text) != other.entries.end();
            if (is_same && !is_later) continue;
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
    // Of the rules that decide, in order: the parts of their conditions, by the first of what `and` joins.
    std::map<std::string, std::vector<Decider>, std::less<>> by_first_;
    std::vector<Decider> always_;
};

}  // namespace

void lint_rules(const LintInput& input, Diagnostics& diagnostics) {
    if (input.reading != RuleReading::as_it_was) Linter(input, diagnostics).run();
}

}  // namespace wicket
