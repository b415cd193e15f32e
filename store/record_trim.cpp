// Records that go by age and by size.
#include "store/record_cursor.hpp"
#include "store/rocks_decision_log.hpp"
#include "store/row_codec.hpp"

#include <rocksdb/convenience.h>

#include <algorithm>
#include <memory>

namespace wicket {
namespace {

// Deleting stops this far below the quota, so that it is not done again at once.
constexpr std::uint64_t trim_percent = 90;

/// Where the records end that are too many for the quota: the oldest, as many as their share of all files.
RecordId end_over_quota(const Database::Use& use, std::uint64_t quota_octets) {
    std::vector<std::pair<std::string, std::uint64_t>> files;  // of decisions: greatest key, octets
    std::uint64_t decisions = 0;
    std::uint64_t total = 0;
    for (const std::size_t table :
         {mail_records.decisions, mail_records.evidence, mail_records.answers, mail_records.index}) {
        rocksdb::ColumnFamilyMetaData meta;
        use->GetColumnFamilyMetaData(use.table(table), &meta);
        for (const auto& level : meta.levels) {
            for (const auto& file : level.files) {
                total += file.size;
                if (table != mail_records.decisions) continue;
                decisions += file.size;
                files.emplace_back(file.largestkey, file.size);
            }
        }
    }
    RecordId end;
    if (total <= quota_octets || decisions == 0) return end;
    const double kept = static_cast<double>(quota_octets) / 100 * trim_percent / static_cast<double>(total);
    const auto wanted = static_cast<std::uint64_t>(static_cast<double>(decisions) * kept);
    std::ranges::sort(files);
    for (const auto& [greatest, size] : files) {
        if (decisions <= wanted) break;
        decisions -= size;
        if (const auto id = RecordId::from_octets(greatest))
            end = std::max(end, successor(*id).value_or(*id));
    }
    return end;
}

}  // namespace

Result<> trim_decisions(Database& mail, Committer& committer, WallTime oldest, std::uint64_t quota_octets) {
    RecordId end = RecordId::first_at(oldest);
    {
        const auto use = mail.use();
        if (!use) return failure(ErrorCode::unavailable, "the store is closed");
        end = std::max(end, end_over_quota(use, quota_octets));
        // Nothing that old: no tombstone for nothing.
        const std::unique_ptr<rocksdb::Iterator> at(use->NewIterator({}, use[MailTable::decisions]));
        at->SeekToFirst();
        if (!at->Valid() || at->key().compare(rocksdb::Slice(rows::id_key(end))) >= 0) return {};
    }
    auto removed = committer.run(
        [&](Committer&, const Database::Use& use, rocksdb::WriteBatch& batch, Committer::Aftermath&)
            -> Result<> { return remove_records(use, batch, mail_records, end); }
    );
    if (!removed) return removed;
    // Gives the space back at once; what lies across the border goes with the next compaction.
    const auto use = mail.use();
    if (!use) return {};
    for (const auto& [table, first, last] : ranges_before(mail_records, end)) {
        const rocksdb::Slice from(first);
        const rocksdb::Slice to(last);
        const auto status = rocksdb::DeleteFilesInRange(use.get(), use.table(table), &from, &to, false);
        if (!status.ok()) return std::unexpected(to_error("cannot remove old records", status));
    }
    return {};
}

Result<> trim_refusals(Database& refusals, WallTime oldest, std::chrono::microseconds slack) {
    const auto use = refusals.use();
    if (!use) return failure(ErrorCode::unavailable, "the store is closed");
    const RecordId end = RecordId::first_at(oldest);
    const RecordId overdue = RecordId::first_at(oldest - slack);
    auto ranges = ranges_before(refusal_records, end);
    const std::string first(rows::id_key(RecordId()));
    ranges.push_back({static_cast<std::size_t>(RefusalTable::folds), first, std::string(rows::id_key(end))});
    const std::string overdue_id(rows::id_key(overdue));
    const std::string overdue_day = rows::day_key(rows::day_of(overdue));
    for (const RecordRange& range : ranges) {
        const bool is_by_day = range.end.size() == overdue_day.size();
        {
            const std::unique_ptr<rocksdb::Iterator> at(use->NewIterator({}, use.table(range.table)));
            at->SeekToFirst();
            if (!at->Valid() || at->key().compare(is_by_day ? overdue_day : overdue_id) >= 0) continue;
        }
        rocksdb::WriteBatch batch;
        batch.DeleteRange(use.table(range.table), range.begin, range.end).PermitUncheckedError();
        if (auto written = refusals.write(use, batch, Database::Sync::no); !written) return written;
        // With FIFO this rewrites nothing: it writes what is in memory, and drops whole files that are too
        // old.
        const auto status = use->CompactRange({}, use.table(range.table), nullptr, nullptr);
        if (!status.ok()) return std::unexpected(to_error("cannot remove old refusals", status));
    }
    return {};
}

}  // namespace wicket
