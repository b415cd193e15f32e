// What leaves the quarantine and the ledger: by age, by size, and on request.
#include "store/rocks_mail_store.hpp"
#include "store/rocks_quarantine.hpp"
#include "store/row_codec.hpp"

#include <algorithm>
#include <limits>

namespace wicket {
namespace {

// Removed in one batch: some milliseconds, in which mail waits.
constexpr std::size_t trim_batch_limit = 256;

}  // namespace

/// Adds the messages that have come since the last time.
Result<> RocksQuarantine::count_new(const Mailbox& mailbox) {
    const auto use = database_.use();
    if (!use) return failure(ErrorCode::unavailable, "the store is closed");
    const std::string end = rows::mailbox_entry_key(mailbox.number, std::numeric_limits<Uid>::max());
    const rocksdb::Slice bound(end);
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &bound;
    options.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> at(use->NewIterator(options, use[MailTable::mailboxes]));
    for (at->Seek(rows::mailbox_entry_key(mailbox.number, counted_ + 1)); at->Valid(); at->Next()) {
        const auto key = rows::parse_mailbox_entry_key(at->key().ToStringView());
        const auto entry = rows::decode_mailbox_entry(at->value().ToStringView());
        if (!key || !entry) continue;
        octets_ += entry->size_octets;
        counted_ = key->second;
    }
    if (!at->status().ok()) return std::unexpected(to_error("cannot read the quarantine", at->status()));
    return {};
}

/// The oldest messages that have to go, as many as one batch takes.
Result<std::vector<MailboxRow>> RocksQuarantine::surplus(
    const Mailbox& mailbox, const QuarantineBounds& bounds
) {
    const auto use = database_.use();
    if (!use) return failure(ErrorCode::unavailable, "the store is closed");
    auto oldest = entries_of(use, mailbox.number, mailbox.next_uid, trim_batch_limit, [](Uid) {});
    if (!oldest) return oldest;
    std::uint64_t left = octets_;
    const auto stays = std::ranges::find_if(*oldest, [&](const MailboxRow& row) {
        if (row.received >= bounds.oldest_message && left <= bounds.message_octets) return true;
        left -= std::min(left, row.size_octets);
        return false;
    });
    oldest->erase(stays, oldest->end());
    return oldest;
}

Result<> RocksQuarantine::remove(const Mailbox& mailbox, const std::vector<MailboxRow>& gone) {
    std::vector<Uid> uids;
    for (const MailboxRow& row : gone)
        uids.push_back(row.uid);
    return change(
        [&](Committer&, const Database::Use& use, rocksdb::WriteBatch& batch, Committer::Aftermath& aftermath
        ) -> Result<> {
            for (const MailboxRow& row : gone)
                batch.Delete(use[MailTable::meta], rows::ledger_key(rows::LedgerRow::kept, row.id))
                    .PermitUncheckedError();
            return remove_entries(use, batch, mailbox.number, uids, aftermath);
        }
    );
}

Result<> RocksQuarantine::trim(const QuarantineBounds& bounds) {
    std::optional<Mailbox> found;
    {
        const auto use = database_.use();
        if (!use) return failure(ErrorCode::unavailable, "the store is closed");
        auto named = mailbox(use);
        if (named)
            found = *named;
        else if (named.error().code != ErrorCode::not_found)
            return std::unexpected(named.error());
    }
    if (found) {
        const std::lock_guard lock(counting_);
        if (auto counted = count_new(*found); !counted) return counted;
        for (;;) {
            const auto gone = surplus(*found, bounds);
            if (!gone) return std::unexpected(gone.error());
            if (gone->empty()) break;
            if (auto removed = remove(*found, *gone); !removed) return removed;
            for (const MailboxRow& row : *gone)
                octets_ -= std::min(octets_, row.size_octets);
        }
    }
    constexpr auto any_size = std::numeric_limits<std::uint64_t>::max();
    if (auto trimmed = trim_marks(rows::LedgerRow::releases, bounds.oldest_release, any_size); !trimmed)
        return trimmed;
    return trim_marks(rows::LedgerRow::labels, bounds.oldest_label, bounds.label_octets);
}

/// Every row is made by a person, so there are few to be read.
Result<> RocksQuarantine::trim_marks(rows::LedgerRow row, WallTime oldest, std::uint64_t octets_limit) {
    const std::string begin = rows::ledger_key(row, RecordId());
    const std::string bound_key(1, static_cast<char>(static_cast<char>(row) + 1));
    std::string end;  // of what goes
    {
        const auto use = database_.use();
        if (!use) return failure(ErrorCode::unavailable, "the store is closed");
        const rocksdb::Slice bound(bound_key);
        rocksdb::ReadOptions options;
        options.iterate_upper_bound = &bound;
        std::uint64_t octets = 0;
        const std::unique_ptr<rocksdb::Iterator> at(use->NewIterator(options, use[MailTable::meta]));
        // From the newest on, until they are too much or too old.
        for (at->SeekForPrev(bound_key); at->Valid() && at->key().starts_with(begin.substr(0, 1));
             at->Prev()) {
            const auto key = rows::parse_ledger_key(at->key().ToStringView());
            octets += at->key().size() + at->value().size();
            if (key && key->second.time() >= oldest && octets <= octets_limit) continue;
            end = at->key().ToString() + '\0';
            break;
        }
        if (!at->status().ok()) return std::unexpected(to_error("cannot read the ledger", at->status()));
    }
    if (end.empty()) return {};
    return change(
        [&](Committer&, const Database::Use& use, rocksdb::WriteBatch& batch, Committer::Aftermath&)
            -> Result<> {
            batch.DeleteRange(use[MailTable::meta], rocksdb::Slice(begin), rocksdb::Slice(end))
                .PermitUncheckedError();
            return {};
        }
    );
}

Result<std::uint64_t> RocksQuarantine::forget(const std::vector<RecordId>& ids) {
    std::uint64_t messages = 0;
    const std::lock_guard lock(counting_);
    for (std::size_t from = 0; from < ids.size(); from += trim_batch_limit) {
        const std::size_t end = std::min(from + trim_batch_limit, ids.size());
        std::uint64_t in_batch = 0;
        auto done = change(
            [&](Committer&,
                const Database::Use& use,
                rocksdb::WriteBatch& batch,
                Committer::Aftermath& aftermath) -> Result<> {
                in_batch = 0;
                std::vector<Uid> uids;
                for (std::size_t at = from; at < end; ++at) {
                    std::string value;
                    const std::string key = rows::ledger_key(rows::LedgerRow::kept, ids[at]);
                    if (use->Get({}, use[MailTable::meta], key, &value).ok()) {
                        if (const auto kept = rows::decode_kept(value)) uids.push_back(kept->uid);
                        in_batch += 1;
                    }
                    for (const auto row :
                         {rows::LedgerRow::kept, rows::LedgerRow::labels, rows::LedgerRow::releases})
                        batch.Delete(use[MailTable::meta], rows::ledger_key(row, ids[at]))
                            .PermitUncheckedError();
                }
                if (uids.empty()) return {};
                const auto found = mailbox(use);
                if (!found) return std::unexpected(found.error());
                return remove_entries(use, batch, found->number, uids, aftermath);
            }
        );
        if (!done) return std::unexpected(done.error());
        messages += in_batch;
    }
    // Counted anew at the next trim().
    octets_ = 0;
    counted_ = 0;
    return messages;
}

}  // namespace wicket
