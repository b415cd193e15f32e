#include "policy/rule_hits.hpp"

#include "mail/unknown_reasons.hpp"

#include <algorithm>
#include <cmath>

namespace wicket {
namespace {

constexpr double waiting_step = 1.05;

std::uint64_t count_of(const DecisionRecord& record) {
    return std::max<std::uint64_t>(record.folded_count, 1);
}

WallTime last_of(const DecisionRecord& record) {
    return std::max(record.time, record.folded_last);
}

void add_deciders(const Verdict& verdict, std::set<std::string>& rules) {
    if (!verdict.rule.starts_with("threshold:")) {
        rules.insert(verdict.rule);
        return;
    }
    for (const RuleHit& hit : verdict.hits)
        if (hit.mode == RuleMode::enforce && hit.points > 0) rules.insert(hit.rule);
}

void add_hits(const Verdict& verdict, std::set<std::string>& rules) {
    for (const RuleHit& hit : verdict.hits)
        rules.insert(hit.rule);
}

}  // namespace

RuleHits::RuleHits(const std::vector<RuleBrief>& rules) {
    for (const RuleBrief& rule : rules) {
        order_.push_back(rule.id);
        Row& row = rows_[rule.id];
        row.rule = rule;
        row.is_in_force = true;
    }
}

std::set<std::string> RuleHits::deciders(const DecisionRecord& record) {
    std::set<std::string> rules;
    add_deciders(record.verdict, rules);
    for (const RecordRecipient& recipient : record.recipients)
        add_deciders(recipient.verdict, rules);
    return rules;
}

RuleHits::Row* RuleHits::row_of(const std::string& rule) {
    const auto found = rows_.find(rule);
    if (found != rows_.end()) return &found->second;
    if (rows_.size() >= order_.size() + former_rules_limit) return nullptr;
    Row& row = rows_[rule];
    row.rule.id = rule;
    return &row;
}

void RuleHits::add(const StoredRecord& stored, const std::set<std::string>& alone, bool is_suspect) {
    const std::uint64_t count = count_of(stored.record);
    std::set<std::string> hit;
    add_hits(stored.record.verdict, hit);
    for (const RecordRecipient& recipient : stored.record.recipients)
        add_hits(recipient.verdict, hit);
    for (const std::string& rule : hit) {
        Row* row = row_of(rule);
        if (row == nullptr) continue;
        row->hits += count;
        row->last = std::max(row->last, last_of(stored.record));
    }
    for (const std::string& rule : deciders(stored)) {
        if (!hit.contains(rule)) continue;  // default, builtin:*
        Row* row = row_of(rule);
        if (row == nullptr) continue;
        row->deciding += count;
        if (alone.contains(rule)) row->alone += count;
        if (is_suspect) row->suspects += count;
    }
}

std::vector<RuleHits::Row> RuleHits::rows() const {
    std::vector<Row> made;
    for (const std::string& id : order_)
        made.push_back(rows_.at(id));
    for (const auto& [id, row] : rows_)
        if (!row.is_in_force) made.push_back(row);
    return made;
}

void WaitingTimes::add(std::uint32_t micros, std::uint64_t weight) {
    const double step = micros == 0 ? 0 : std::log(static_cast<double>(micros)) / std::log(waiting_step);
    steps_[std::min(static_cast<std::size_t>(step + 0.5), steps_.size() - 1)] += weight;
    count_ += weight;
}

std::uint32_t WaitingTimes::at(double share) const {
    if (count_ == 0) return 0;
    const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
    std::uint64_t seen = 0;
    for (std::size_t step = 0; step < steps_.size(); ++step) {
        seen += steps_[step];
        if (seen < wanted) continue;
        return static_cast<std::uint32_t>(
            std::min(std::pow(waiting_step, static_cast<double>(step)), 4294967295.0)
        );
    }
    return 0;
}

ListHits::ListHits(ListZones zones) : zones_(std::move(zones)) {
    for (const auto& [list, zone] : zones_)
        rows_[list].list = list;
}

void ListHits::add(const StoredRecord& stored) {
    const std::uint64_t count = count_of(stored.record);
    std::vector<Row*> hit;
    for (auto& [list, row] : rows_) {
        const auto id = stored.dictionary.find(list);
        if (!id) continue;
        const FactValue& value = stored.record.facts.get(*id);
        if (const auto* unknown = std::get_if<Unknown>(&value)) {
            if (unknown->reason == "refused by the list")
                row.refused += count;
            else if (unknown->reason.starts_with("the list is"))
                row.off += count;
            else if (!is_no_failure(unknown->reason))
                row.timed_out += count;
        }
        const auto* items = std::get_if<TextList>(&value);
        if (items == nullptr) continue;
        row.known += count;
        if (items->items.empty()) continue;
        row.hits += count;
        hit.push_back(&row);
    }
    for (Row* row : hit) {
        if (hit.size() == 1) row->alone += count;
        for (const Row* other : hit)
            if (other != row) row->with[other->list] += count;
    }
    if (stored.record.lookups.empty()) return;
    const FactEvidence evidence(stored, zones_);
    for (auto& [list, row] : rows_) {
        const auto id = stored.dictionary.find(list);
        // Of what was never answered the time is that of giving up.
        if (!id || !std::holds_alternative<TextList>(stored.record.facts.get(*id))) continue;
        for (const std::size_t at : evidence.of(list))
            if (stored.record.lookups[at].answer.micros != 0)
                row.waits.add(stored.record.lookups[at].answer.micros);
    }
}

}  // namespace wicket
