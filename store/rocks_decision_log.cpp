#include "store/rocks_decision_log.hpp"

#include "base/log.hpp"
#include "store/record_cursor.hpp"
#include "store/row_codec.hpp"

#include <rocksdb/convenience.h>

#include <algorithm>
#include <optional>

namespace wicket {
namespace {

// Folded counts are written this often; a disk that refused is tried again as often.
constexpr std::chrono::seconds fold_interval{1};

// Deleting stops this far below the quota, so that it is not done again at once.
constexpr std::uint64_t trim_percent = 90;

/// Both classes and what waits in memory, as one sequence by id.
class Merge {
public:
    using Visit = std::function<bool(const RecordId&, Result<std::string_view>)>;

    Merge(Database& mail, Database& refusals, RecordId from)
        : mail_(mail), refusals_(refusals), from_(from) {}

    /// Visits one piece; `waiting` gives what memory holds, and is asked before the disk, since rows go from
    /// memory to disk. False if there is no more, or `visit` wants no more.
    template <class Waiting>
    Result<bool> step(const Waiting& waiting, const Visit& visit) {
        const std::vector<ReadRecord> from_memory = waiting(from_);
        auto refused = read_piece(refusals_, static_cast<std::size_t>(RefusalTable::refusals), from_);
        if (!refused) return std::unexpected(refused.error());
        auto decided = read_piece(mail_, static_cast<std::size_t>(MailTable::decisions), from_);
        if (!decided) return std::unexpected(decided.error());
        // Beyond the end of a piece that is not the last, the others would come too early.
        std::optional<RecordId> end;
        for (const RecordPiece* piece : {&*refused, &*decided}) {
            if (!piece->is_last && (!end || piece->records.back().id < *end)) end = piece->records.back().id;
        }
        struct Candidate {
            const ReadRecord* record;
            int rank;
        };
        std::vector<Candidate> all;
        const auto take = [&](const std::vector<ReadRecord>& records, int rank) {
            for (const ReadRecord& record : records) {
                if (!end || record.id <= *end) all.push_back({&record, record.value ? rank : rank_of_damage});
            }
        };
        // Of one id the latest is shown: the decision at the end of data, else what memory holds.
        take(decided->records, 0);
        take(from_memory, 1);
        take(refused->records, 2);
        std::ranges::sort(all, {}, [](const Candidate& one) { return std::pair(one.record->id, one.rank); });
        const ReadRecord* last = nullptr;
        for (const auto& [record, rank] : all) {
            const bool is_repeated = last != nullptr && last->id == record->id && rank != rank_of_damage;
            last = record;
            if (!is_repeated && !show(*record, visit)) return false;
        }
        const auto next = end ? successor(*end) : std::nullopt;
        if (next) from_ = *next;
        return next.has_value();
    }

private:
    static constexpr int rank_of_damage = 3;  // told beside what can be read

    static bool show(const ReadRecord& record, const Visit& visit) {
        if (!record.value) return visit(record.id, std::unexpected(record.value.error()));
        const auto decoded = rows::decode_record(*record.value);
        if (!decoded)
            return visit(
                record.id, failure(ErrorCode::corrupt, "record " + record.id.to_string() + " is damaged")
            );
        return visit(record.id, *decoded);
    }

    Database& mail_;
    Database& refusals_;
    RecordId from_;
};

Result<std::string> read_record(const Database& database, std::size_t table, const RecordId& id) {
    const auto use = database.use();
    if (!use) return failure(ErrorCode::unavailable, "the store is closed");
    std::string value;
    const auto status = use->Get({}, use.table(table), rocksdb::Slice(rows::id_key(id)), &value);
    if (!status.ok()) return std::unexpected(to_error("record " + id.to_string(), status));
    const auto record = rows::decode_record(value);
    if (!record) return failure(ErrorCode::corrupt, "record " + id.to_string() + " is damaged");
    return std::string(*record);
}

}  // namespace

RocksDecisionLog::RocksDecisionLog(Database& mail, Database& refusals, Setup setup)
    : mail_(mail), refusals_(refusals), setup_(setup) {
    if (setup.role == Role::writer) thread_ = std::thread([this] { write_until_closed(); });
}

RocksDecisionLog::~RocksDecisionLog() {
    close();
}

void RocksDecisionLog::close() {
    {
        const std::lock_guard lock(mutex_);
        if (is_closing_) return;
        is_closing_ = true;
    }
    work_.notify_all();
    if (thread_.joinable()) thread_.join();
}

std::optional<RecordId> RocksDecisionLog::fold(const RefusalKind& kind, const RecordId& id, WallTime time) {
    if (setup_.role == Role::reader) return std::nullopt;
    return folds_.fold(kind, id, time);
}

void RocksDecisionLog::refuse(
    const RecordId& id, WallTime /*the id has it*/, std::string record, RecordKeys keys
) {
    if (setup_.role == Role::reader) return;
    std::string value = rows::encode_decision_head(keys);
    value += record;
    const std::lock_guard lock(mutex_);
    if (is_closing_ || waiting_octets_ + value.size() > refusal_buffer_limit_octets) {
        dropped_ += 1;
        return;
    }
    const bool was_empty = waiting_.empty();
    std::string& place = waiting_[id];
    waiting_octets_ += value.size() - place.size();
    place = std::move(value);
    if (was_empty || waiting_.size() == refusal_batch_limit) work_.notify_one();
}

void RocksDecisionLog::write_until_closed() {
    std::unique_lock lock(mutex_);
    SteadyTime folds_are_due = setup_.clock.steady() + fold_interval;
    for (;;) {
        work_.wait_for(lock, fold_interval, [this] { return is_closing_ || !waiting_.empty(); });
        const bool was_idle = waiting_.empty() && writing_.empty();
        const bool is_last = is_closing_;
        const std::uint64_t dropped = std::exchange(dropped_, 0);
        lock.unlock();
        if (dropped != 0)
            log_warning(
                "records of refusals were dropped: the disk is too slow",
                {
                    {"count", std::to_string(dropped)}
            }
            );
        bool is_good = is_last || !setup_.reserve->is_scarce();
        if (is_good && refusals_.has_failed()) is_good = refusals_.recover(Database::Sync::no).has_value();
        is_good = is_good && write_waiting();
        if (is_good && (was_idle || is_last || setup_.clock.steady() >= folds_are_due)) {
            is_good = write_folds();
            folds_are_due = setup_.clock.steady() + fold_interval;
        }
        lock.lock();
        if (is_last && ((waiting_.empty() && writing_.empty()) || !is_good)) return;
        if (!is_good)  // a disk that refuses is not asked again at once
            work_.wait_for(lock, fold_interval, [this] { return is_closing_; });
        else if (!was_idle)
            work_.wait_for(lock, refusal_pause, [this] {
                return is_closing_ || waiting_.size() >= refusal_batch_limit;
            });
    }
}

bool RocksDecisionLog::write_waiting() {
    {
        const std::lock_guard lock(mutex_);
        while (!waiting_.empty() && writing_.size() < 4 * refusal_batch_limit) {
            auto taken = waiting_.extract(waiting_.begin());
            // What the disk refused and has been replaced since is not tried again.
            if (const auto older = writing_.find(taken.key()); older != writing_.end()) {
                waiting_octets_ -= older->second.size();
                writing_.erase(older);
            }
            writing_.insert(std::move(taken));
        }
    }
    if (writing_.empty()) return true;
    {
        const auto use = refusals_.use();
        if (!use) return false;
        rocksdb::WriteBatch batch;
        for (const auto& [id, value] : writing_)
            batch.Put(use[RefusalTable::refusals], rocksdb::Slice(rows::id_key(id)), value)
                .PermitUncheckedError();
        if (!refusals_.write(use, batch, Database::Sync::no)) return false;
    }
    Values written;
    const std::lock_guard lock(mutex_);
    for (const auto& [id, value] : writing_)
        waiting_octets_ -= value.size();
    writing_.swap(written);
    return true;
}

bool RocksDecisionLog::write_folds() {
    const auto counts = folds_.take();
    if (counts.empty()) return true;
    const auto use = refusals_.use();
    bool is_good = static_cast<bool>(use);
    if (is_good) {
        rocksdb::WriteBatch batch;
        for (const auto& [sample, more] : counts) {
            const rocksdb::Slice key(rows::id_key(sample));
            Folded sum = more;
            std::string value;
            if (use->Get({}, use[RefusalTable::folds], key, &value).ok()) {
                if (const auto before = rows::decode_folded(value)) sum.count += before->count;
            }
            batch.Put(use[RefusalTable::folds], key, rows::encode(sum)).PermitUncheckedError();
        }
        is_good = refusals_.write(use, batch, Database::Sync::no).has_value();
    }
    if (!is_good) folds_.give_back(counts);
    return is_good;
}

Result<std::string> RocksDecisionLog::find(const RecordId& id) {
    auto decided = read_record(mail_, static_cast<std::size_t>(MailTable::decisions), id);
    if (decided || decided.error().code != ErrorCode::not_found) return decided;
    {
        const std::lock_guard lock(mutex_);
        for (const Values* values : {&waiting_, &writing_}) {
            const auto found = values->find(id);
            if (found == values->end()) continue;
            if (const auto record = rows::decode_record(found->second)) return std::string(*record);
        }
    }
    return read_record(refusals_, static_cast<std::size_t>(RefusalTable::refusals), id);
}

Result<DecisionLog::Folded> RocksDecisionLog::folded(const RecordId& id) {
    Folded sum = folds_.counted(id);
    std::string value;
    rocksdb::Status status;
    {
        const auto use = refusals_.use();
        if (!use) return failure(ErrorCode::unavailable, "the store is closed");
        status = use->Get({}, use[RefusalTable::folds], rocksdb::Slice(rows::id_key(id)), &value);
    }
    if (status.ok()) {
        const auto written = rows::decode_folded(value);
        if (!written)
            return failure(ErrorCode::corrupt, "the count of record " + id.to_string() + " is damaged");
        sum.count += written->count;
        sum.last = std::max(sum.last, written->last);
    } else if (!status.IsNotFound()) {
        return std::unexpected(to_error("cannot read the count of record " + id.to_string(), status));
    }
    if (sum.count != 0) return sum;
    // Nothing was folded into it; there may be no such record at all.
    if (auto record = find(id); !record) return std::unexpected(record.error());
    return sum;
}

Result<> RocksDecisionLog::scan(
    WallTime since, const std::function<bool(const RecordId&, Result<std::string_view>)>& visit
) {
    Merge merge(mail_, refusals_, RecordId::first_at(since));
    const auto waiting = [this](const RecordId& from) {
        std::vector<ReadRecord> records;
        const std::lock_guard lock(mutex_);
        for (auto at = waiting_.lower_bound(from); at != waiting_.end(); ++at)
            records.push_back({at->first, at->second});
        for (auto at = writing_.lower_bound(from); at != writing_.end(); ++at)
            if (!waiting_.contains(at->first)) records.push_back({at->first, at->second});
        return records;
    };
    for (;;) {
        auto goes_on = merge.step(waiting, visit);
        if (!goes_on) return std::unexpected(goes_on.error());
        if (!*goes_on) return {};
    }
}

Result<std::uint64_t> RocksDecisionLog::count() {
    // Not the keys: a transaction that was refused in part and then took a message stands in both databases.
    std::uint64_t records = 0;
    auto scanned = scan(WallTime{}, [&records](const RecordId&, const auto&) {
        ++records;
        return true;
    });
    if (!scanned) return std::unexpected(scanned.error());
    return records;
}

Result<> trim_decisions(Database& mail, Committer& committer, WallTime oldest, std::uint64_t quota_octets) {
    RecordId end = RecordId::first_at(oldest);
    {
        const auto use = mail.use();
        if (!use) return failure(ErrorCode::unavailable, "the store is closed");
        rocksdb::ColumnFamilyMetaData tables;
        use->GetColumnFamilyMetaData(use[MailTable::decisions], &tables);
        std::vector<std::pair<std::string, std::uint64_t>> files;  // greatest key, octets
        std::uint64_t total = 0;
        for (const auto& level : tables.levels) {
            for (const auto& file : level.files) {
                files.emplace_back(file.largestkey, file.size);
                total += file.size;
            }
        }
        std::ranges::sort(files);
        if (total > quota_octets) {
            for (const auto& [greatest, size] : files) {
                if (total <= quota_octets / 100 * trim_percent) break;
                total -= size;
                if (const auto id = RecordId::from_octets(greatest))
                    end = std::max(end, successor(*id).value_or(*id));
            }
        }
        // Nothing that old: no tombstone for nothing.
        const std::unique_ptr<rocksdb::Iterator> at(use->NewIterator({}, use[MailTable::decisions]));
        at->SeekToFirst();
        if (!at->Valid() || at->key().compare(rocksdb::Slice(rows::id_key(end))) >= 0) return {};
    }
    const RecordId begin;
    auto removed = committer.run(
        [&](Committer&, const Database::Use& use, rocksdb::WriteBatch& batch, Committer::Aftermath&)
            -> Result<> {
            batch
                .DeleteRange(
                    use[MailTable::decisions],
                    rocksdb::Slice(rows::id_key(begin)),
                    rocksdb::Slice(rows::id_key(end))
                )
                .PermitUncheckedError();
            return {};
        }
    );
    if (!removed) return removed;
    // Gives the space back at once; what lies across the border goes with the next compaction.
    const auto use = mail.use();
    if (!use) return {};
    const rocksdb::Slice from(rows::id_key(begin));
    const rocksdb::Slice to(rows::id_key(end));
    const auto status = rocksdb::DeleteFilesInRange(use.get(), use[MailTable::decisions], &from, &to, false);
    if (!status.ok()) return std::unexpected(to_error("cannot remove old records", status));
    return {};
}

Result<> trim_refusals(Database& refusals, WallTime oldest, std::chrono::microseconds slack) {
    const auto use = refusals.use();
    if (!use) return failure(ErrorCode::unavailable, "the store is closed");
    const RecordId begin;
    const RecordId end = RecordId::first_at(oldest);
    const RecordId overdue = RecordId::first_at(oldest - slack);
    for (const RefusalTable table : {RefusalTable::refusals, RefusalTable::folds}) {
        {
            const std::unique_ptr<rocksdb::Iterator> at(use->NewIterator({}, use[table]));
            at->SeekToFirst();
            if (!at->Valid() || at->key().compare(rocksdb::Slice(rows::id_key(overdue))) >= 0) continue;
        }
        rocksdb::WriteBatch batch;
        batch.DeleteRange(use[table], rocksdb::Slice(rows::id_key(begin)), rocksdb::Slice(rows::id_key(end)))
            .PermitUncheckedError();
        if (auto written = refusals.write(use, batch, Database::Sync::no); !written) return written;
        // With FIFO this rewrites nothing: it writes what is in memory, and drops whole files that are too
        // old.
        const auto status = use->CompactRange({}, use[table], nullptr, nullptr);
        if (!status.ok()) return std::unexpected(to_error("cannot remove old refusals", status));
    }
    return {};
}

}  // namespace wicket
