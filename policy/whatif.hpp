// What other rules would have decided of recorded mail: one judge per thread, whose tallies are added up.
// Reads nothing but the decisions it is given.
#pragma once

#include "policy/replay.hpp"
#include "policy/rule_set_record.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

inline constexpr std::size_t action_count = static_cast<std::size_t>(Action::disconnect) + 1;

/// A recipient, or a connection without one, of which something else would have become.
struct ChangedDecision {
    RecordId id;
    std::string recipient;
    Action before = Action::none;
    Action after = Action::none;
    std::string rule;         // that decides now
    std::string undecidable;  // why it cannot be told; `after` means nothing then
};

struct WhatIfTally {
    std::uint64_t total = 0;  // recipients, and connections without one
    std::uint64_t changed = 0;
    std::uint64_t undecidable = 0;
    std::uint64_t lost_ham = 0;  // accepted then, and kept from INBOX now
    std::array<std::array<std::uint64_t, action_count>, action_count> matrix{};  // before, after
    std::uint64_t reexamined = 0;                  // records of which facts were found out again
    std::map<std::string, std::uint64_t> reasons;  // why something cannot be decided

    void add(const WhatIfTally& other);
};

/// What is kept of the rule set with this hash (hexadecimal); nullopt if it is not kept.
using RuleSetSource = std::function<std::optional<RuleSetRecord>(const std::string& hash)>;

/// Facts that a record lacks, found out again.
struct Reexamined {
    std::vector<std::pair<FactId, FactValue>> facts;        // those that are certain, or surely absent
    std::vector<std::pair<FactId, std::string_view>> left;  // and why it is not; literals
};
using Reexamine = std::function<Reexamined(const RecordedDecision& record, const MissingFacts& missing)>;

class WhatIf {
public:
    /// `rules` must outlive it. `reexamine`, which may be empty, is asked about what cannot be decided
    /// without it.
    WhatIf(const RuleSet& rules, RuleSetSource kept, Reexamine reexamine = {});

    /// Judges one decision anew; what changed is added to `changed`. corrupt if it cannot be read.
    Result<> judge(std::string_view decision, std::vector<ChangedDecision>& changed);
    const WhatIfTally& tally() const { return tally_; }

private:
    /// What was not gathered under other rules, or was by what had the same name there and another meaning.
    struct Lacking {
        MissingFacts missing;
        MissingFacts changed;  // of these
    };
    const Lacking& lacking_of(const std::string& hash);
    Lacking lacking_of(const std::optional<RuleSetRecord>& kept) const;
    void set_everywhere(FactId fact, const FactValue& value);
    bool hangs_on(const MissingFacts& missing, const Replay& replayed) const;
    void examine_again(const MissingFacts& missing, Replay& replayed);

    const RuleSet& rules_;
    RuleSetSource kept_;
    Reexamine reexamine_;
    DecisionReader reader_;
    RecordedDecision record_;
    std::map<std::string, Lacking, std::less<>> lacking_;  // by the hash of the record's rules
    WhatIfTally tally_;
};

/// How a decision made anew differs from a recorded one in anything that was said or counted: "" if it does
/// not. `stored` must have been decided by the very rules of `replayed`, and decoded whole.
std::string difference(const StoredRecord& stored, const Replay& replayed);

}  // namespace wicket
