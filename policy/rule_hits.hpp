// What `rules hits` counts: how often each rule hit, decided, and decided alone; and of each DNS list how
// often it hit, alone or with others, and how it answered. A folded row counts as what it stands for. One
// thread.
#pragma once

#include "policy/fact_evidence.hpp"
#include "policy/record.hpp"
#include "policy/rule_variants.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace wicket {

// Rules of the past that are not in force any more: more different ids than this are not told apart.
inline constexpr std::size_t former_rules_limit = 10'000;

class RuleHits {
public:
    /// The rules in force, which are told even if they never hit.
    explicit RuleHits(const std::vector<RuleBrief>& rules);

    /// The rules that decided a record: the one that the verdict names, or those whose points a threshold
    /// summed.
    static std::set<std::string> deciders(const DecisionRecord& record);
    static std::set<std::string> deciders(const StoredRecord& stored) { return deciders(stored.record); }
    /// `alone`: of the deciders, those without which it would have passed. `is_suspect`: whether the refusal
    /// looks like a mistake.
    void add(const StoredRecord& stored, const std::set<std::string>& alone, bool is_suspect);

    struct Row {
        RuleBrief rule;
        bool is_in_force = false;
        std::uint64_t hits = 0;
        std::uint64_t deciding = 0;
        std::uint64_t alone = 0;
        std::uint64_t suspects = 0;  // of `deciding`
        WallTime last{};             // 0: never
    };
    /// Those in force in file order, then those that are gone, by name.
    std::vector<Row> rows() const;

private:
    Row* row_of(const std::string& rule);

    std::vector<std::string> order_;
    std::map<std::string, Row> rows_;
};

/// Waiting times in steps of 5 %: a median and a 99th percentile that far exact, in a fixed room.
class WaitingTimes {
public:
    void add(std::uint32_t micros, std::uint64_t weight = 1);
    /// Of `share` 0.5, 0.99; 0 without any.
    std::uint32_t at(double share) const;
    std::uint64_t count() const { return count_; }

private:
    // 1.05^455 is over 2^32 microseconds.
    std::array<std::uint64_t, 460> steps_{};
    std::uint64_t count_ = 0;
};

class ListHits {
public:
    /// The lists in force: name of the fact, and zone as recorded.
    explicit ListHits(ListZones zones);
    /// Also takes the answers' times, if the record has its questions.
    void add(const StoredRecord& stored);

    struct Row {
        std::string list;         // dnsbl.zen
        std::uint64_t known = 0;  // the fact was known, hit or not
        std::uint64_t hits = 0;
        std::uint64_t alone = 0;  // no other list hit
        std::uint64_t timed_out = 0;
        std::uint64_t refused = 0;                  // the list does not answer us
        std::uint64_t off = 0;                      // not asked, for it was not well
        WaitingTimes waits;                         // of answers that came from the net
        std::map<std::string, std::uint64_t> with;  // how many of `hits` other lists hit, too
    };
    /// By name.
    const std::map<std::string, Row>& rows() const { return rows_; }

private:
    ListZones zones_;
    std::map<std::string, Row> rows_;
};

}  // namespace wicket
