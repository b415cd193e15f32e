// Counts equal refusals, so that a flood of them makes one row instead of millions. In memory and bounded:
// what is forgotten is only that a kind was seen, never a count. Any thread.
#pragma once

#include "store/decision_log.hpp"

#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

namespace wicket {

// A kind forgotten begins again with full records: more kinds than this at once are no flood of equals.
inline constexpr std::size_t fold_kinds_limit = 65536;

class RefusalFolds {
public:
    /// As DecisionLog::fold.
    std::optional<RecordId> fold(const RefusalKind& kind, const RecordId& id, WallTime time);
    /// As DecisionLog::unfold.
    void unfold(const RecordId& sample);

    /// What was counted since the last take, by sample. Less than nothing if more was taken back than
    /// counted: counts are added without regard to overflow.
    using Counts = std::map<RecordId, DecisionLog::Folded>;
    Counts take();
    /// Gives back what could not be written.
    void give_back(const Counts& counts);
    /// What take() would give for one sample.
    DecisionLog::Folded counted(const RecordId& sample) const;
    std::size_t kinds() const;

private:
    struct Key {
        IpNetwork network;
        std::string rule;
        std::uint8_t stage;
        auto operator<=>(const Key&) const = default;
    };
    struct Kind {
        RecordId sample;
        std::int64_t minute = 0;
        std::uint32_t in_minute = 0;
        std::list<const Key*>::iterator place;
    };

    mutable std::mutex mutex_;
    std::map<Key, Kind> kinds_;
    std::list<const Key*> by_use_;  // the latest first
    Counts counts_;
};

}  // namespace wicket
