// Decision records as opaque octets with the keys they are found by. Class (a) comes with Delivery, in the
// same synced batch as the message; class (b), everything refused before DATA, comes through refuse().
#pragma once

#include "base/clock.hpp"
#include "base/ip.hpp"
#include "base/record_id.hpp"
#include "base/result.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

struct RecordKeys {
    IpAddress client_ip;
    std::string sender_domain;
    std::vector<std::string> recipients;
    std::string rule;
    std::string verdict;
};

/// What equal refusals have in common.
struct RefusalKind {
    IpAddress client_ip;  // its neighbourhood counts
    std::string rule;
    std::uint8_t stage;

    auto operator<=>(const RefusalKind&) const = default;
};

/// More equal refusals than this in a minute are folded into one row.
inline constexpr std::uint32_t refusal_fold_limit_per_minute = 100;

class DecisionLog {
public:
    virtual ~DecisionLog() = default;

    /// Before a refusal is answered: nullopt if this one gets a full record (answer with its own id); else
    /// the id of the last full sample of its kind, which the reply carries, while the row counts one more.
    /// Never blocks.
    virtual std::optional<RecordId> fold(const RefusalKind& kind, const RecordId& id, WallTime time) = 0;
    /// A full record of class (b). Visible to readers at once, not synced, never blocks for long. May come
    /// again with the same id: the later one replaces the earlier, as does the record of class (a) that comes
    /// with a message.
    virtual void refuse(const RecordId& id, WallTime time, std::string record, RecordKeys keys) = 0;

    /// How many refusals the record of `id` stands for beyond itself, and when the last one was.
    struct Folded {
        std::uint64_t count = 0;
        WallTime last{};
    };

    /// Of either class. not_found if there is none.
    virtual Result<std::string> find(const RecordId& id) = 0;
    virtual Result<Folded> folded(const RecordId& id) = 0;
    /// Both classes merged by id (so by time), from `since` on, until `visit` returns false. May take long.
    /// A record that cannot be read (corrupt) is given as an Error and skipped.
    virtual Result<> scan(
        WallTime since, const std::function<bool(const RecordId&, Result<std::string_view>)>& visit
    ) = 0;
    virtual Result<std::uint64_t> count() = 0;

    struct Removal {
        RecordId id;
        RecordKeys keys;
    };
    /// Deletes records of either class and all that they are found by, synced: no reader finds them any more.
    /// Of an id that is not there nothing happens. May block. busy if one of them does not get to the disk.
    virtual Result<> remove(const std::vector<Removal>& records) = 0;
    /// Has the octets of what was removed leave the disk, as far as RocksDB can: its tables are merged in the
    /// background. (Refusals are never rewritten, so theirs go with their file, by age.)
    virtual Result<> purge() = 0;
};

}  // namespace wicket
