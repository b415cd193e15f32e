#include "policy/whatif.hpp"

#include "base/sha256.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <utility>

namespace wicket {
namespace {

bool keeps_from_inbox(Action action) {
    return action == Action::junk || action == Action::quarantine || action >= Action::discard;
}

bool has_same_points(double a, double b) {
    return std::llround(a * 1000) == std::llround(b * 1000);
}

std::string verdict_difference(const Verdict& was, const Verdict& is) {
    if (was.action != is.action)
        return fmt::format("verdict {} is {} now", to_string(was.action), to_string(is.action));
    if (was.rule != is.rule) return fmt::format("rule {} is {} now", was.rule, is.rule);
    // Of what no rule can change only that is known.
    if (is_builtin_rule(is.rule)) return {};
    if (was.stage != is.stage)
        return fmt::format("stage {} is {} now", to_string(was.stage), to_string(is.stage));
    if (!has_same_points(was.points, is.points))
        return fmt::format("{} points are {} now", was.points, is.points);
    if (was.hits != is.hits) return "other rules hit";
    if (was.reply != is.reply)
        return fmt::format(
            "the reply {} {} {} is {} {} {} now",
            was.reply.code,
            was.reply.enhanced,
            was.reply.text,
            is.reply.code,
            is.reply.enhanced,
            is.reply.text
        );
    return {};
}

}  // namespace

void WhatIfTally::add(const WhatIfTally& other) {
    total += other.total;
    changed += other.changed;
    undecidable += other.undecidable;
    lost_ham += other.lost_ham;
    reexamined += other.reexamined;
    for (std::size_t before = 0; before < action_count; ++before)
        for (std::size_t after = 0; after < action_count; ++after)
            matrix[before][after] += other.matrix[before][after];
    for (const auto& [reason, count] : other.reasons)
        reasons[reason] += count;
}

// What examines a record again reads more of it than the rules do.
WhatIf::WhatIf(const RuleSet& rules, RuleSetSource kept, Reexamine reexamine)
    : rules_(rules),
      kept_(std::move(kept)),
      reexamine_(std::move(reexamine)),
      reader_(
          reexamine_ ? DecisionReader(rules.dictionary())
                     : DecisionReader(rules.dictionary(), deciding_facts(rules))
      ) {}

WhatIf::Lacking WhatIf::lacking_of(const std::optional<RuleSetRecord>& kept) const {
    if (!kept) return {missing_facts(rules_), {}};
    Lacking lacking{missing_facts(rules_, kept->facts), {}};
    Diagnostics ignored;
    const auto then = kept->sources.empty() ? nullptr : recompile_rules(kept->sources, ignored);
    for (const FactId fact : then ? facts_of_other_meaning(rules_, *then) : facts_of_rules(rules_)) {
        lacking.changed.push_back(fact);
        if (std::ranges::find(lacking.missing, fact) == lacking.missing.end())
            lacking.missing.push_back(fact);
    }
    return lacking;
}

const WhatIf::Lacking& WhatIf::lacking_of(const std::string& hash) {
    const auto known = lacking_.find(hash);
    if (known != lacking_.end()) return known->second;
    const std::string text = to_hex(hash);
    Lacking lacking;
    if (text != rules_.hash()) lacking = lacking_of(kept_ ? kept_(text) : std::nullopt);
    return lacking_.emplace(hash, std::move(lacking)).first->second;
}

/// For each recipient as for all: it is not of one of them that a fact was not gathered.
void WhatIf::set_everywhere(FactId fact, const FactValue& value) {
    const bool is_known_at_rcpt = rules_.dictionary().row(fact).stage <= Stage::rcpt;
    record_.facts.set(fact, value);
    for (RecordedRecipient& recipient : record_.recipients) {
        if (recipient.has_own_facts) recipient.own_facts.set(fact, value);
        if (recipient.differs_at_rcpt && is_known_at_rcpt) recipient.facts_at_rcpt.set(fact, value);
    }
}

/// Whether it is for one of these facts that something cannot be decided.
bool WhatIf::hangs_on(const MissingFacts& missing, const Replay& replayed) const {
    return std::ranges::any_of(replayed.recipients, [&](const ReplayedRecipient& one) {
        return !one.undecidable.empty() && std::ranges::any_of(missing, [&](FactId fact) {
            return one.undecidable == not_recorded(rules_.dictionary().row(fact).name);
        });
    });
}

void WhatIf::examine_again(const MissingFacts& missing, Replay& replayed) {
    const Reexamined found = reexamine_(record_, missing);
    MissingFacts left = missing;
    for (const auto& [fact, value] : found.facts) {
        set_everywhere(fact, value);
        std::erase(left, fact);
    }
    if (!found.facts.empty()) {
        ++tally_.reexamined;
        replayed = replay(rules_, record_, left);
    }
    for (ReplayedRecipient& one : replayed.recipients) {
        const auto why = std::ranges::find_if(found.left, [&](const auto& reason) {
            return one.undecidable == not_recorded(rules_.dictionary().row(reason.first).name);
        });
        if (why != found.left.end()) one.undecidable.append("; ").append(why->second);
    }
}

Result<> WhatIf::judge(std::string_view decision, std::vector<ChangedDecision>& changed) {
    if (auto read = reader_.read(decision, record_); !read) return read;
    const Lacking& lacking = lacking_of(record_.rules_hash);
    for (const FactId fact : lacking.changed)
        set_everywhere(fact, Absent{});
    Replay replayed = replay(rules_, record_, lacking.missing);
    if (reexamine_ && hangs_on(lacking.missing, replayed)) examine_again(lacking.missing, replayed);
    for (std::size_t at = 0; at < replayed.recipients.size(); ++at) {
        ReplayedRecipient& one = replayed.recipients[at];
        const Action before = record_.recipients.empty() ? record_.action : record_.recipients[at].action;
        ++tally_.total;
        if (!one.undecidable.empty()) {
            ++tally_.undecidable;
            ++tally_.reasons[one.undecidable];
            changed.push_back({record_.id, one.address, before, Action::none, {}, std::move(one.undecidable)}
            );
            continue;
        }
        const Action after = one.verdict.action;
        ++tally_.matrix[static_cast<std::size_t>(before)][static_cast<std::size_t>(after)];
        if (before == after) continue;
        ++tally_.changed;
        if (before == Action::accept && keeps_from_inbox(after)) ++tally_.lost_ham;
        changed.push_back({record_.id, one.address, before, after, std::move(one.verdict.rule), {}});
    }
    return {};
}

std::string difference(const StoredRecord& stored, const Replay& replayed) {
    const DecisionRecord& record = stored.record;
    for (const ReplayedRecipient& one : replayed.recipients)
        if (!one.undecidable.empty()) return one.undecidable;
    for (std::size_t at = 0; at < record.recipients.size(); ++at) {
        const RecordRecipient& was = record.recipients[at];
        const std::string found = verdict_difference(was.verdict, replayed.recipients.at(at).verdict);
        if (!found.empty()) return fmt::format("<{}>: {}", was.address, found);
    }
    return verdict_difference(record.verdict, replayed.verdict);
}

}  // namespace wicket
