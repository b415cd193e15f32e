// Decision records as opaque octets with the keys they are found by. Class (a) comes with Delivery, in the
// same synced batch as the message; class (b), everything refused before DATA, comes through refuse().
#pragma once

#include "base/clock.hpp"
#include "base/ip.hpp"
#include "base/record_id.hpp"
#include "base/record_octets.hpp"
#include "base/result.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace wicket {

struct RecordKeys {
    IpAddress client_ip;
    std::string sender_domain;
    std::vector<std::string> recipients;
    std::string rule;
    std::string verdict;
    std::vector<std::string> hits = {};  // rules that hit, the deciding one or not
};

/// What records are found by without reading all of them.
enum class RecordIndex : std::uint8_t {
    network = 1,    // of the client: /24, of IPv6 /64
    sender_domain,  // without case
    recipient,      // a whole address, without case
    rule,           // that decided or hit
    verdict,
};

/// Which records: from `from` on, and before `until` if there is one.
struct RecordSpan {
    RecordId from;
    std::optional<RecordId> until = {};
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

using NetworkOf = std::function<std::optional<std::string>(std::string_view)>;

class DecisionLog {
public:
    virtual ~DecisionLog() = default;

    /// Before a refusal is answered: nullopt if this one gets a full record (answer with its own id); else
    /// the id of the last full sample of its kind, which the reply carries, while the row counts one more.
    /// Never blocks.
    virtual std::optional<RecordId> fold(const RefusalKind& kind, const RecordId& id, WallTime time) = 0;
    /// Takes back one that fold() has counted for `sample`: it has a record of its own after all. Never
    /// blocks.
    virtual void unfold(const RecordId& sample) = 0;
    /// A full record of class (b). Visible to readers at once, not synced, never blocks for long. May come
    /// again with the same id: the later one replaces the earlier, as does the record of class (a) that comes
    /// with a message.
    virtual void refuse(const RecordId& id, WallTime time, RecordOctets record, RecordKeys keys) = 0;

    /// How many refusals the record of `id` stands for beyond itself, and when the last one was.
    struct Folded {
        std::uint64_t count = 0;
        WallTime last{};

        Folded& operator+=(const Folded& more) {
            count += more.count;
            last = std::max(last, more.last);
            return *this;
        }
    };

    /// Of either class, without its answers: answer() has them. not_found if there is none. What is whole is
    /// given where only the evidence is damaged.
    virtual Result<RecordOctets> find(const RecordId& id) = 0;
    /// The evidence alone; empty if it is not kept any more.
    virtual Result<std::string> evidence(const RecordId& id) = 0;
    /// An answer that the evidence of `id` names.
    virtual Result<std::string> answer(const RecordId& id, std::string_view name) = 0;
    virtual Result<Folded> folded(const RecordId& id) = 0;
    /// The decisions of both classes merged by id (so by time), until `visit` returns false. May take long.
    /// A record that cannot be read (corrupt) is given as an Error and skipped. Any number of threads at a
    /// time.
    virtual Result<> scan(
        const RecordSpan& span, const std::function<bool(const RecordId&, Result<std::string_view>)>& visit
    ) = 0;
    /// The same of these ids, which are in order; what is not there is passed over.
    virtual Result<> look_up(
        const std::vector<RecordId>& ids,
        const std::function<bool(const RecordId&, Result<std::string_view>)>& visit
    ) = 0;
    /// The ids that may have `value` there, in order; each must be looked at, for some have it no more.
    /// no_space if there are more than a list of them may take: scan() is for those, and for what stands
    /// before indexed_from().
    virtual Result<std::vector<RecordId>> candidates(
        RecordIndex index, std::string_view value, const RecordSpan& span
    ) = 0;
    /// From where on candidates() misses nothing of the span: rows that an older version wrote are in no
    /// index, nor are refusals whose part of the index had to go for want of room. `network_of` gives what
    /// RecordIndex::network has of a decision, nullopt for one that cannot be read. It is found by samples,
    /// so of refusals that are the next to go themselves a few may be missed.
    virtual Result<RecordId> indexed_from(const RecordSpan& span, const NetworkOf& network_of) = 0;
    /// The first and the last id there is; nullopt if there is none.
    virtual Result<std::optional<std::pair<RecordId, RecordId>>> bounds() = 0;
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
