#include "policy/whatif.hpp"

#include "base/message_bytes.hpp"

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
    for (std::size_t before = 0; before < action_count; ++before)
        for (std::size_t after = 0; after < action_count; ++after)
            matrix[before][after] += other.matrix[before][after];
    for (const auto& [reason, count] : other.reasons)
        reasons[reason] += count;
}

WhatIf::WhatIf(const RuleSet& rules, RuleSetSource kept)
    : rules_(rules), kept_(std::move(kept)), reader_(rules.dictionary()) {}

const MissingFacts& WhatIf::missing_of(const std::string& hash) {
    const auto known = missing_.find(hash);
    if (known != missing_.end()) return known->second;
    const std::string text = to_hex(hash);
    MissingFacts missing;
    if (text != rules_.hash()) {
        const auto record = kept_ ? kept_(text) : std::nullopt;
        missing = record ? missing_facts(rules_, record->facts) : missing_facts(rules_);
    }
    return missing_.emplace(hash, std::move(missing)).first->second;
}

Result<> WhatIf::judge(std::string_view decision, std::vector<ChangedDecision>& changed) {
    if (auto read = reader_.read(decision, record_); !read) return read;
    Replay replayed = replay(rules_, record_, missing_of(record_.rules_hash));
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
