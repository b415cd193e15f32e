// Records that are deleted one by one, on somebody's request.
#include "store/rocks_decision_log.hpp"
#include "store/row_codec.hpp"

#include <rocksdb/experimental.h>

#include <algorithm>

namespace wicket {
namespace {

// What waits in memory is on the disk some 10 ms later, unless that refuses.
constexpr std::chrono::milliseconds removal_step{10};
constexpr int removal_steps = 500;

}  // namespace

Result<> RocksDecisionLog::remove(const std::vector<Removal>& records) {
    if (setup_.committer == nullptr)
        return failure(ErrorCode::unavailable, "the store is open for reading only");
    for (int left = removal_steps;; --left) {
        std::unique_lock lock(mutex_);
        const bool is_any_waiting = std::ranges::any_of(records, [this](const Removal& one) {
            return waiting_.contains(one.id) || writing_.contains(one.id);
        });
        if (!is_any_waiting) break;
        if (left == 0) return failure(ErrorCode::busy, "records that are to go have not reached the disk");
        removed_.wait_for(lock, removal_step);
    }
    {
        const auto use = refusals_.use();
        if (!use) return failure(ErrorCode::unavailable, "the store is closed");
        rocksdb::WriteBatch batch;
        for (const Removal& one : records) {
            batch.Delete(use[RefusalTable::folds], rocksdb::Slice(rows::id_key(one.id)))
                .PermitUncheckedError();
            if (auto added = remove_record(use, batch, refusal_records, one.id, one.keys); !added)
                return added;
        }
        if (auto written = refusals_.write(use, batch, Database::Sync::yes); !written) return written;
    }
    return setup_.committer->run(
        [&](Committer&, const Database::Use& use, rocksdb::WriteBatch& batch, Committer::Aftermath&)
            -> Result<> {
            for (const Removal& one : records)
                if (auto added = remove_record(use, batch, mail_records, one.id, one.keys); !added)
                    return added;
            return {};
        }
    );
}

Result<> RocksDecisionLog::purge() {
    const auto use = mail_.use();
    if (!use || !use.is_writer()) return failure(ErrorCode::unavailable, "the store is not open for writing");
    for (const MailTable table : {MailTable::decisions, MailTable::evidence, MailTable::index}) {
        // What is marked in memory must be in a table to be merged with what it removes.
        auto status = use->Flush({}, use[table]);
        if (status.ok())
            status = rocksdb::experimental::SuggestCompactRange(use.get(), use[table], nullptr, nullptr);
        if (!status.ok()) return std::unexpected(to_error("cannot merge the tables of records", status));
    }
    return {};
}

}  // namespace wicket
