// DecisionLog on both databases. Refusals pass through memory, where find and scan see them; a thread of its
// own writes them, unsynced, at once or at most 10 ms after the batch before, and folded counts once a
// second. Any thread.
#pragma once

#include "store/committer.hpp"
#include "store/decision_log.hpp"
#include "store/record_rows.hpp"
#include "store/refusal_folds.hpp"
#include "store/tables.hpp"

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>

namespace wicket {

// After a batch the next one waits for company so long, or until it has so many: the CPU of one write is
// shared by some fifty in a flood, while one that comes alone is written before its client can have read the
// reply.
inline constexpr std::chrono::milliseconds refusal_pause{10};
inline constexpr std::size_t refusal_batch_limit = 256;
// While the disk refuses: half a minute of a flood of 1 KB records. Beyond, records are dropped and counted.
inline constexpr std::size_t refusal_buffer_limit_octets = 64U << 20U;

class RocksDecisionLog : public DecisionLog {
public:
    enum class Role : std::uint8_t { writer, reader };
    struct Setup {
        Role role;
        const Clock& clock;
        const DiskReserve* reserve;  // nullptr for a reader
        Committer* committer;        // the same
    };
    RocksDecisionLog(Database& mail, Database& refusals, Setup setup);
    ~RocksDecisionLog() override;
    RocksDecisionLog(const RocksDecisionLog&) = delete;
    RocksDecisionLog& operator=(const RocksDecisionLog&) = delete;

    std::optional<RecordId> fold(const RefusalKind& kind, const RecordId& id, WallTime time) override;
    void unfold(const RecordId& sample) override { folds_.unfold(sample); }
    void refuse(const RecordId& id, WallTime time, RecordOctets record, RecordKeys keys) override;
    Result<RecordOctets> find(const RecordId& id) override;
    Result<std::string> evidence(const RecordId& id) override;
    Result<std::string> answer(const RecordId& id, std::string_view name) override;
    Result<Folded> folded(const RecordId& id) override;
    Result<> scan(
        const RecordSpan& span, const std::function<bool(const RecordId&, Result<std::string_view>)>& visit
    ) override;
    Result<> look_up(
        const std::vector<RecordId>& ids,
        const std::function<bool(const RecordId&, Result<std::string_view>)>& visit
    ) override;
    Result<std::vector<RecordId>> candidates(
        RecordIndex index, std::string_view value, const RecordSpan& span
    ) override;
    Result<RecordId> indexed_from(const RecordSpan& span, const NetworkOf& network_of) override;
    Result<std::optional<std::pair<RecordId, RecordId>>> bounds() override;
    Result<std::uint64_t> count() override;
    Result<> remove(const std::vector<Removal>& records) override;
    Result<> purge() override;

    /// Writes what waits and ends the thread.
    void close();

private:
    void write_until_closed();
    bool write_waiting();
    bool write_folds();

    Database& mail_;
    Database& refusals_;
    Setup setup_;
    RefusalFolds folds_;
    RecordRows rows_{refusal_records};  // the writing thread's

    mutable std::mutex mutex_;
    std::condition_variable work_;
    std::condition_variable removed_;  // nobody tells: remove() only waits on it
    struct Refusal {
        RecordOctets record;
        RecordKeys keys;
    };
    using Values = std::map<RecordId, Refusal>;
    /// Of what memory holds, the newer first; the lock must be held.
    const Refusal* in_memory(const RecordId& id) const;

    Values waiting_;  // a later record of the same id replaces the one here
    Values writing_;  // only the writing thread changes it, under the lock, and reads it without; older
    std::size_t waiting_octets_ = 0;  // of both
    std::uint64_t dropped_ = 0;
    bool is_closing_ = false;
    std::thread thread_;
};

/// Deletes the decisions of `mail` that are older than `oldest`, and the oldest ones while they take more
/// than `quota_octets` on disk.
Result<> trim_decisions(Database& mail, Committer& committer, WallTime oldest, std::uint64_t quota_octets);

/// Deletes the refusals that are older than `oldest`, with their counts, once some are older by `slack` too:
/// RocksDB drops files by age only when it writes another one, which an idle server does not.
Result<> trim_refusals(Database& refusals, WallTime oldest, std::chrono::microseconds slack);

}  // namespace wicket
