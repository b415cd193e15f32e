#include "policy/nearest_flip.hpp"

#include "policy/applied_overrides.hpp"
#include "policy/rule_variants.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>
#include <numeric>
#include <set>

namespace wicket {
namespace {

// Values of one fact that all lead to the same are told together, so many of them.
constexpr std::size_t told_values_limit = 4;
// A list of a thousand items is not taken apart one by one.
constexpr std::size_t removed_items_limit = 20;
// As far as thresholds go in rule files.
constexpr double threshold_limit = 1000;

std::string number_text_of(double number) {
    return fmt::format("{:g}", number);
}

/// Who the peers are, and when: a message of somebody else is another message.
bool is_identity(std::string_view fact) {
    static constexpr std::array<std::string_view, 12> names = {
        "time.now",
        "client.ip",
        "client.port",
        "client.name",
        "helo.name",
        "mail.from",
        "mail.domain",
        "from.domain",
        "rcpt.address",
        "rcpt.domain",
        "rcpt.local_part",
        "from.addresses"
    };
    return std::ranges::find(names, fact) != names.end() || fact.starts_with("listener.");
}

void add_lists(const FactDeclaration& row, const TextList* now, std::vector<FactValue>& values) {
    if (now == nullptr || !now->items.empty() || !now->missing.empty()) values.emplace_back(TextList{});
    if (now != nullptr && now->items.size() > 1 && now->items.size() <= removed_items_limit) {
        for (std::size_t at = 0; at < now->items.size(); ++at) {
            TextList without = *now;
            without.items.erase(without.items.begin() + static_cast<std::ptrdiff_t>(at));
            values.emplace_back(std::move(without));
        }
    }
    if (now != nullptr && !now->items.empty()) return;
    for (const std::string& word : row.words)
        values.emplace_back(TextList{{word}, ""});
}

/// Other values that the fact might have had.
std::vector<FactValue> neighbours_of(const FactDeclaration& row, const FactValue& now) {
    std::vector<FactValue> values;
    switch (row.type) {
        case FactType::word:
            for (const std::string& word : row.words)
                if (FactValue(word) != now) values.emplace_back(word);
            break;
        case FactType::boolean:
            for (const bool value : {false, true})
                if (FactValue(value) != now) values.emplace_back(value);
            break;
        case FactType::texts: add_lists(row, std::get_if<TextList>(&now), values); break;
        default: break;
    }
    values.emplace_back(Absent{});
    if (!std::holds_alternative<Unknown>(now) && row.unknown_word.empty())
        values.emplace_back(Unknown{"not known"});
    return values;
}

std::string value_text(const FactValue& value) {
    if (std::holds_alternative<Absent>(value)) return "absent";
    if (std::holds_alternative<Unknown>(value)) return "unknown";
    std::string text = fact_to_text(value);
    if (text.empty()) return std::holds_alternative<TextList>(value) ? "nothing" : "\"\"";
    return text;
}

/// The facts that any enforced rule reads, without those that are somebody's name.
std::set<FactId> asked_facts(const CompiledRules& rules) {
    std::set<FactId> asked;
    for (const Rule& rule : rules.rules())
        for (const PointsCase& one : rule.cases)
            for (const FactId id : one.condition.facts())
                if (!is_identity(rules.dictionary().row(id).name)) asked.insert(id);
    return asked;
}

class FlipSearch {
public:
    FlipSearch(const RuleSet& rules, const RecordSubject& subject)
        : in_shadow_(
              subject.in_shadow != nullptr && !subject.in_shadow->empty()
                  ? with_shadow(rules, *subject.in_shadow)
                  : nullptr
          ),
          rules_(compiled(in_shadow_ != nullptr ? *in_shadow_ : rules)),
          subject_(subject) {
        // The rules have that already: so one of those rules can be tried as enforced, too.
        subject_.in_shadow = nullptr;
        now_ = judge(rules_, subject_);
        all_now_ = decide(rules_, subject_.facts, Stage::end);
    }

    std::vector<Flip> run(std::size_t limit) {
        if (now_.action != subject_.verdict->action || now_.rule != subject_.verdict->rule) return {};
        try_thresholds();
        try_worst();
        try_rules();
        try_facts();
        std::ranges::sort(flips_, {}, [](const Flip& flip) {
            return std::tuple(flip.hits_changed, flip.points_moved, flip.kind, flip.what, flip.to);
        });
        if (flips_.size() > limit) flips_.resize(limit);
        return std::move(flips_);
    }

private:
    void try_thresholds() {
        const Thresholds now = thresholds_for(rules_, subject_.facts);
        const double points = now_.points;
        if (points <= 0) return;
        const auto attempt = [&](const std::string& what, double before, double after, const std::string& told
                             ) {
            // As the linter wants them: nobody could set others.
            const bool can_be_set = what == "junk" ? after < now.reject : after > now.junk;
            if (!can_be_set || after > threshold_limit) return;
            const auto other = what == "junk" ? with_thresholds(rules_, after, std::nullopt)
                                              : with_thresholds(rules_, std::nullopt, after);
            note(
                {.kind = Flip::Kind::threshold, .what = what, .from = number_text_of(before), .to = told},
                *other,
                subject_,
                std::abs(after - before)
            );
        };
        constexpr double least_step = 0.001;
        for (const auto& [what, before] : {std::pair("junk", now.junk), std::pair("reject", now.reject)}) {
            if (before <= points)
                attempt(what, before, points + least_step, "above " + number_text_of(points));
            else
                attempt(what, before, points, number_text_of(points));
        }
    }

    void try_worst() {
        const Override* by = applied_overrides(rules_, subject_.facts).worst_by;
        if (by == nullptr) return;
        note(
            {.kind = Flip::Kind::worst,
             .what = fmt::format("{}:{}", by->place.file, by->place.line),
             .from = std::string(to_string(*by->worst)),
             .to = "off"},
            *without_worst(rules_, subject_.facts),
            subject_,
            0
        );
    }

    void try_rules() {
        const auto attempt = [&](const Rule& rule, RuleMode mode) {
            const auto other = wicket::with_modes(
                rules_,
                {
                    {rule.id, mode}
            }
            );
            note(
                {.kind = Flip::Kind::rule,
                 .what = rule.id,
                 .from = std::string(to_string(rule.mode)),
                 .to = std::string(to_string(mode))},
                *other,
                subject_,
                0
            );
        };
        for (const Rule& rule : rules_.rules()) {
            if (rule.mode != RuleMode::enforce)
                attempt(rule, RuleMode::enforce);
            else if (has_hit(rule.id))
                attempt(rule, RuleMode::off);
        }
    }

    bool has_hit(const std::string& id) const {
        return std::ranges::find(now_.hits, id, &RuleHit::rule) != now_.hits.end();
    }

    void try_facts() {
        for (const FactId id : asked_facts(rules_)) {
            const FactDeclaration& row = rules_.dictionary().row(id);
            const FactValue before = subject_.facts.get(id);
            if (std::holds_alternative<Absent>(before)) continue;
            std::vector<Flip> found;
            for (const FactValue& value : neighbours_of(row, before)) {
                RecordSubject other = subject_;
                other.facts.set(id, value);
                note(
                    {.kind = Flip::Kind::fact,
                     .what = row.name,
                     .from = value_text(before),
                     .to = value_text(value)},
                    rules_,
                    other,
                    0,
                    found
                );
            }
            merge(std::move(found));
        }
    }

    /// Values of one fact that lead to the same are one flip.
    void merge(std::vector<Flip> found) {
        std::vector<std::size_t> order(found.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::ranges::sort(order, {}, [&found](std::size_t at) {
            return std::tuple(found[at].hits_changed, found[at].points_moved, at);
        });
        std::vector<std::pair<Flip, std::size_t>> merged;
        for (const std::size_t at : order) {
            Flip& flip = found[at];
            const auto same = std::ranges::find_if(merged, [&](const auto& one) {
                return one.first.verdict == flip.verdict && one.first.rule == flip.rule;
            });
            if (same == merged.end())
                merged.emplace_back(std::move(flip), 1);
            else if (++same->second <= told_values_limit)
                same->first.to += " or " + flip.to;
        }
        for (auto& [flip, count] : merged)
            flips_.push_back(std::move(flip));
    }

    /// Keeps it if the verdict is another one.
    void note(Flip flip, const RuleSet& rules, const RecordSubject& subject, double points) {
        note(std::move(flip), rules, subject, points, flips_);
    }
    void note(
        Flip flip, const RuleSet& rules, const RecordSubject& subject, double points, std::vector<Flip>& out
    ) const {
        const Verdict other = judge(rules, subject);
        if (other.action == now_.action) return;
        flip.verdict = other.action;
        flip.passes = subject.stage;
        flip.rule = other.rule;
        flip.points_moved = points;
        // An answer before the end does not list the hits of a total that it did not reach.
        measure(all_now_, decide(rules, subject.facts, Stage::end), flip);
        out.push_back(std::move(flip));
    }

    /// How much else changed with it.
    static void measure(const Verdict& before, const Verdict& after, Flip& flip) {
        const auto hit_in = [](const Verdict& verdict, const std::string& rule) {
            const auto found = std::ranges::find(verdict.hits, rule, &RuleHit::rule);
            return found != verdict.hits.end() ? &*found : nullptr;
        };
        for (const RuleHit& hit : before.hits) {
            const RuleHit* other = hit_in(after, hit.rule);
            if (other != nullptr && *other == hit) continue;
            flip.hits_changed += 1;
            flip.points_moved += std::abs(hit.points - (other != nullptr ? other->points : 0));
        }
        for (const RuleHit& hit : after.hits) {
            if (hit_in(before, hit.rule) != nullptr) continue;
            flip.hits_changed += 1;
            flip.points_moved += std::abs(hit.points);
        }
    }

    std::shared_ptr<const RuleSet> in_shadow_;  // keeps rules_, if the circuit breaker had changed them
    const CompiledRules& rules_;
    RecordSubject subject_;
    Verdict now_;
    Verdict all_now_;  // with every hit
    std::vector<Flip> flips_;
};

}  // namespace

std::string_view to_string(Flip::Kind kind) {
    switch (kind) {
        case Flip::Kind::threshold: return "threshold";
        case Flip::Kind::worst: return "worst";
        case Flip::Kind::rule: return "rule";
        case Flip::Kind::fact: return "fact";
    }
    return "";
}

std::string flip_to_text(const Flip& flip) {
    std::string change;
    switch (flip.kind) {
        case Flip::Kind::threshold:
            change =
                flip.to == "above " + flip.from
                    ? fmt::format("if the threshold {} were {} (it is just that)", flip.what, flip.to)
                    : fmt::format("if the threshold {} were {} instead of {}", flip.what, flip.to, flip.from);
            break;
        case Flip::Kind::worst:
            change = fmt::format("without worst = \"{}\" of the override {}", flip.from, flip.what);
            break;
        case Flip::Kind::rule:
            change =
                flip.to == "off"
                    ? fmt::format("without the rule {}", flip.what)
                    : fmt::format("if the rule {} were in mode {} (it is {})", flip.what, flip.to, flip.from);
            break;
        case Flip::Kind::fact:
            change = fmt::format("if {} were {} instead of {}", flip.what, flip.to, flip.from);
            break;
    }
    if (flip.verdict == Action::none)
        return change + ": it would have passed " + std::string(to_string(flip.passes)) + " and gone on";
    std::string text = fmt::format("{}: {}", change, to_string(flip.verdict));
    if (!flip.rule.empty()) text += " by " + flip.rule;
    return text;
}

std::vector<Flip> nearest_flips(const RuleSet& rules, const RecordSubject& subject, std::size_t limit) {
    return FlipSearch(rules, subject).run(limit);
}

}  // namespace wicket
