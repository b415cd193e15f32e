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

// 13 MiB of ids; whoever wants more reads all records in order, which is quicker then.
constexpr std::size_t candidates_limit = 1'000'000;

/// Both classes and what waits in memory, as one sequence by id.
class Merge {
public:
    using Visit = std::function<bool(const RecordId&, Result<std::string_view>)>;

    Merge(Database& mail, Database& refusals, const RecordSpan& span)
        : mail_(mail), refusals_(refusals), span_(span) {}

    /// Visits one piece; `waiting` gives what memory holds, and is asked before the disk, since rows go from
    /// memory to disk. False if there is no more, or `visit` wants no more.
    template <class Waiting>
    Result<bool> step(const Waiting& waiting, const Visit& visit) {
        const std::vector<ReadRecord> from_memory = waiting(span_);
        auto refused = read_piece(refusals_, static_cast<std::size_t>(RefusalTable::refusals), span_);
        if (!refused) return std::unexpected(refused.error());
        auto decided = read_piece(mail_, static_cast<std::size_t>(MailTable::decisions), span_);
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
        if (next) span_.from = *next;
        return next.has_value();
    }

private:
    static constexpr int rank_of_damage = 3;  // told beside what can be read

    static bool show(const ReadRecord& record, const Visit& visit) {
        if (!record.value) return visit(record.id, std::unexpected(record.value.error()));
        const auto decoded = rows::decode_decision(*record.value);
        if (!decoded) return visit(record.id, failure(ErrorCode::corrupt, "its row is damaged"));
        return visit(record.id, *decoded);
    }

    Database& mail_;
    Database& refusals_;
    RecordSpan span_;
};

Result<std::string> read_row(const Database& database, std::size_t table, std::string_view key) {
    const auto use = database.use();
    if (!use) return failure(ErrorCode::unavailable, "the store is closed");
    std::string value;
    const auto status = use->Get({}, use.table(table), rocksdb::Slice(key), &value);
    if (!status.ok()) return std::unexpected(to_error("cannot read the row of a record", status));
    return value;
}

Result<std::string> read_decision(const Database& database, const RecordTables& tables, const RecordId& id) {
    auto value = read_row(database, tables.decisions, rows::id_key(id));
    if (!value) {
        value.error().message = value.error().code == ErrorCode::not_found
                                    ? "there is no record " + id.to_string() + ", or not any more"
                                    : "record " + id.to_string() + ": " + value.error().message;
        return value;
    }
    const auto octets = rows::decode_decision(*value);
    if (!octets) return failure(ErrorCode::corrupt, "record " + id.to_string() + " is damaged");
    return std::string(*octets);
}

/// Of evidence and answers: what is not there any more is nothing.
Result<std::string> read_octets(const Database& database, std::size_t table, std::string_view key) {
    auto value = read_row(database, table, key);
    if (!value) return value;
    const auto octets = rows::decode_body(*value);
    if (!octets) return failure(ErrorCode::corrupt, "the evidence of a record is damaged");
    return std::string(*octets);
}

bool is_not_found(const Result<std::string>& read) {
    return !read && read.error().code == ErrorCode::not_found;
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
    const RecordId& id, WallTime /*the id has it*/, RecordOctets record, RecordKeys keys
) {
    if (setup_.role == Role::reader) return;
    const std::lock_guard lock(mutex_);
    if (is_closing_ || waiting_octets_ + record.size() > refusal_buffer_limit_octets) {
        dropped_ += 1;
        return;
    }
    const bool was_empty = waiting_.empty();
    Refusal& place = waiting_[id];
    waiting_octets_ += record.size() - place.record.size();
    place = {std::move(record), std::move(keys)};
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
                waiting_octets_ -= older->second.record.size();
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
        for (const auto& [id, refusal] : writing_)
            if (!rows_.add(use, batch, id, refusal.record, refusal.keys)) return false;
        if (!refusals_.write(use, batch, Database::Sync::no)) {
            rows_.forget();
            return false;
        }
    }
    Values written;
    const std::lock_guard lock(mutex_);
    for (const auto& [id, refusal] : writing_)
        waiting_octets_ -= refusal.record.size();
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

const RocksDecisionLog::Refusal* RocksDecisionLog::in_memory(const RecordId& id) const {
    for (const Values* values : {&waiting_, &writing_}) {
        const auto found = values->find(id);
        if (found != values->end()) return &found->second;
    }
    return nullptr;
}

Result<RecordOctets> RocksDecisionLog::find(const RecordId& id) {
    RecordOctets record;
    auto decision = read_decision(mail_, mail_records, id);
    if (is_not_found(decision)) {
        {
            const std::lock_guard lock(mutex_);
            if (const Refusal* refusal = in_memory(id)) return refusal->record;
        }
        decision = read_decision(refusals_, refusal_records, id);
    }
    if (!decision) return std::unexpected(decision.error());
    record.decision = std::move(*decision);
    if (auto found = evidence(id))
        record.evidence = std::move(*found);
    else if (found.error().code == ErrorCode::corrupt)
        record.evidence_fault = std::move(found.error().message);
    else
        return std::unexpected(std::move(found.error()));
    return record;
}

Result<std::string> RocksDecisionLog::evidence(const RecordId& id) {
    {
        const std::lock_guard lock(mutex_);
        if (const Refusal* refusal = in_memory(id)) return refusal->record.evidence;
    }
    auto octets = read_octets(mail_, mail_records.evidence, rows::id_key(id));
    if (is_not_found(octets)) octets = read_octets(refusals_, refusal_records.evidence, rows::id_key(id));
    if (is_not_found(octets)) return std::string();
    return octets;
}

Result<std::string> RocksDecisionLog::answer(const RecordId& id, std::string_view name) {
    {
        const std::lock_guard lock(mutex_);
        if (const Refusal* refusal = in_memory(id)) {
            const auto& answers = refusal->record.answers;
            const auto found = std::ranges::find(answers, name, &RecordAnswer::name);
            if (found != answers.end()) return found->octets;
        }
    }
    const std::string key = rows::answer_key(rows::day_of(id), name);
    auto octets = read_octets(mail_, mail_records.answers, key);
    if (is_not_found(octets)) octets = read_octets(refusals_, refusal_records.answers, key);
    return octets;
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
    const RecordSpan& span, const std::function<bool(const RecordId&, Result<std::string_view>)>& visit
) {
    Merge merge(mail_, refusals_, span);
    const auto waiting = [this](const RecordSpan& rest) {
        std::vector<ReadRecord> records;
        const std::lock_guard lock(mutex_);
        const auto take = [&](const Values& values, const Values* newer) {
            for (auto at = values.lower_bound(rest.from); at != values.end(); ++at) {
                if (rest.until && at->first >= *rest.until) break;
                if (newer == nullptr || !newer->contains(at->first))
                    records.push_back({at->first, rows::encode_decision(at->second.record.decision)});
            }
        };
        take(waiting_, nullptr);
        take(writing_, &waiting_);
        return records;
    };
    for (;;) {
        auto goes_on = merge.step(waiting, visit);
        if (!goes_on) return std::unexpected(goes_on.error());
        if (!*goes_on) return {};
    }
}

Result<std::vector<RecordId>> RocksDecisionLog::candidates(
    RecordIndex index, std::string_view value, const RecordSpan& span
) {
    std::vector<RecordId> ids;
    {
        // Whatever waits may have it.
        const std::lock_guard lock(mutex_);
        for (const Values* values : {&waiting_, &writing_}) {
            for (auto at = values->lower_bound(span.from); at != values->end(); ++at)
                if (!span.until || at->first < *span.until) ids.push_back(at->first);
        }
    }
    for (const auto& [database, tables] : {
             std::pair<const Database*, RecordTables>{&mail_,     mail_records   },
               {&refusals_, refusal_records}
    }) {
        auto added = add_candidates(*database, tables, index, value, span, candidates_limit, ids);
        if (!added) return std::unexpected(added.error());
    }
    std::ranges::sort(ids);
    const auto repeated = std::ranges::unique(ids);
    ids.erase(repeated.begin(), repeated.end());
    return ids;
}

Result<std::optional<std::pair<RecordId, RecordId>>> RocksDecisionLog::bounds() {
    std::optional<std::pair<RecordId, RecordId>> bounds;
    const auto widen = [&bounds](const RecordId& id) {
        if (!bounds) bounds.emplace(id, id);
        bounds->first = std::min(bounds->first, id);
        bounds->second = std::max(bounds->second, id);
    };
    {
        const std::lock_guard lock(mutex_);
        for (const Values* values : {&waiting_, &writing_}) {
            if (values->empty()) continue;
            widen(values->begin()->first);
            widen(values->rbegin()->first);
        }
    }
    for (const auto& [database, table] : {
             std::pair<const Database*, std::size_t>{&mail_,     mail_records.decisions   },
             {&refusals_, refusal_records.decisions}
    }) {
        const auto use = database->use();
        if (!use) return failure(ErrorCode::unavailable, "the store is closed");
        const std::unique_ptr<rocksdb::Iterator> at(use->NewIterator({}, use.table(table)));
        for (const bool is_first : {true, false}) {
            is_first ? at->SeekToFirst() : at->SeekToLast();
            if (!at->Valid()) continue;
            if (const auto id = RecordId::from_octets(at->key().ToStringView())) widen(*id);
        }
    }
    return bounds;
}

Result<std::uint64_t> RocksDecisionLog::count() {
    // Not the keys: a transaction that was refused in part and then took a message stands in both databases.
    std::uint64_t records = 0;
    auto scanned = scan(RecordSpan{}, [&records](const RecordId&, const auto&) {
        ++records;
        return true;
    });
    if (!scanned) return std::unexpected(scanned.error());
    return records;
}

}  // namespace wicket
