#include "store/rocks_decision_log.hpp"

#include "base/log.hpp"
#include "base/thread.hpp"
#include "store/record_cursor.hpp"
#include "store/record_index.hpp"
#include "store/record_merge.hpp"
#include "store/row_codec.hpp"

#include <rocksdb/convenience.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <span>

namespace wicket {
namespace {

// Folded counts are written this often; a disk that refused is tried again as often.
constexpr std::chrono::seconds fold_interval{1};

/// What is counted in all: nothing where more was taken back than is counted, whose row the retention has
/// removed.
DecisionLog::Folded total_of(DecisionLog::Folded written, const DecisionLog::Folded& more) {
    written += more;
    if (written.count > std::numeric_limits<std::uint64_t>::max() / 2) written.count = 0;
    return written;
}

// 13 MiB of ids; whoever wants more reads all records in order, which is quicker then.
constexpr std::size_t candidates_limit = 1'000'000;

// As many as a piece of a scan has.
constexpr std::size_t looked_up_at_once = 512;

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
    // Made before the lock is taken, and what it replaces goes after: every event loop comes by here.
    Values one;
    one.emplace(id, Refusal{std::move(record), std::move(keys)});
    const std::size_t octets = one.begin()->second.record.size();
    const std::lock_guard lock(mutex_);
    if (is_closing_ || waiting_octets_ + octets > refusal_buffer_limit_octets) {
        dropped_ += 1;
        return;
    }
    const bool was_empty = waiting_.empty();
    waiting_octets_ += octets;
    auto placed = waiting_.insert(one.extract(one.begin()));
    if (!placed.inserted) {
        waiting_octets_ -= placed.position->second.record.size();
        std::swap(placed.position->second, placed.node.mapped());
        one.insert(std::move(placed.node));
    }
    if (was_empty || waiting_.size() == refusal_batch_limit) work_.notify_one();
}

void RocksDecisionLog::write_until_closed() {
    name_thread("refusals");
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
    constexpr std::size_t most = 4 * refusal_batch_limit;
    {
        const std::lock_guard lock(mutex_);
        if (writing_.empty() && waiting_.size() <= most) writing_.swap(waiting_);
        while (!waiting_.empty() && writing_.size() < most) {
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
    std::size_t octets = 0;
    for (const auto& [id, refusal] : writing_)
        octets += refusal.record.size();
    const std::lock_guard lock(mutex_);
    waiting_octets_ -= octets;
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
            Folded written;
            std::string value;
            if (use->Get({}, use[RefusalTable::folds], key, &value).ok())
                written = rows::decode_folded(value).value_or(Folded());
            const Folded sum = total_of(written, more);
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
    const Folded waiting = folds_.counted(id);
    Folded written;
    std::string value;
    rocksdb::Status status;
    {
        const auto use = refusals_.use();
        if (!use) return failure(ErrorCode::unavailable, "the store is closed");
        status = use->Get({}, use[RefusalTable::folds], rocksdb::Slice(rows::id_key(id)), &value);
    }
    if (status.ok()) {
        const auto row = rows::decode_folded(value);
        if (!row) return failure(ErrorCode::corrupt, "the count of record " + id.to_string() + " is damaged");
        written = *row;
    } else if (!status.IsNotFound()) {
        return std::unexpected(to_error("cannot read the count of record " + id.to_string(), status));
    }
    const Folded sum = total_of(written, waiting);
    if (sum.count != 0) return sum;
    // Nothing was folded into it; there may be no such record at all.
    if (auto record = find(id); !record) return std::unexpected(record.error());
    return sum;
}

Result<> RocksDecisionLog::scan(
    const RecordSpan& span, const std::function<bool(const RecordId&, Result<std::string_view>)>& visit
) {
    RecordMerge merge(mail_, refusals_, span);
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

Result<> RocksDecisionLog::look_up(
    const std::vector<RecordId>& ids,
    const std::function<bool(const RecordId&, Result<std::string_view>)>& visit
) {
    for (std::size_t at = 0; at < ids.size(); at += looked_up_at_once) {
        const std::span<const RecordId> some(
            ids.data() + at, std::min<std::size_t>(ids.size() - at, looked_up_at_once)
        );
        // Memory before the disk, since rows go from there to here.
        std::vector<ReadRecord> from_memory;
        {
            const std::lock_guard lock(mutex_);
            for (const RecordId& id : some)
                if (const Refusal* refusal = in_memory(id))
                    from_memory.push_back({id, rows::encode_decision(refusal->record.decision)});
        }
        const auto refused = read_records(refusals_, refusal_records.decisions, some);
        if (!refused) return std::unexpected(refused.error());
        const auto decided = read_records(mail_, mail_records.decisions, some);
        if (!decided) return std::unexpected(decided.error());
        if (!show_merged(*decided, from_memory, *refused, std::nullopt, visit)) return {};
    }
    return {};
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

Result<RecordId> RocksDecisionLog::indexed_from(const RecordSpan& span, const NetworkOf& network_of) {
    const auto of_mail = wicket::indexed_from(mail_, mail_records, span, network_of);
    if (!of_mail) return of_mail;
    const auto of_refusals = wicket::indexed_from(refusals_, refusal_records, span, network_of);
    if (!of_refusals) return of_refusals;
    return std::max(*of_mail, *of_refusals);
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
