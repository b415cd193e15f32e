// What stands in a batch: mailboxes with their UIDs, messages, records.
#include "store/committer.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace wicket {
namespace {

constexpr char version_octet = static_cast<char>(rows::row_version);

Result<> check(const rocksdb::Status& status, std::string_view what) {
    if (status.ok()) return {};
    return std::unexpected(to_error(what, status));
}

}  // namespace

Result<rows::MailboxName*> Committer::mailbox(const Database::Use& use, const std::string& key) {
    auto found = mailboxes_.find(key);
    if (found == mailboxes_.end()) {
        std::string value;
        const auto status = use->Get({}, use[MailTable::mailboxes], key, &value);
        if (status.ok()) {
            const auto name = rows::decode_mailbox_name(value);
            if (!name) return failure(ErrorCode::corrupt, "the row of a mailbox is damaged");
            found = mailboxes_.emplace(key, *name).first;
        } else if (status.IsNotFound()) {
            const auto seconds =
                std::chrono::duration_cast<std::chrono::seconds>(clock_.wall().time_since_epoch()).count();
            // Past 2106 or before 1970 the clock is of no use; the last one + 1 still is.
            const auto now = seconds > 0 && seconds < std::numeric_limits<std::uint32_t>::max()
                                 ? static_cast<std::uint32_t>(seconds)
                                 : 0U;
            counters_.last_uid_validity = std::max(now, counters_.last_uid_validity + 1);
            found =
                mailboxes_
                    .emplace(key, rows::MailboxName{counters_.next_mailbox++, counters_.last_uid_validity, 1})
                    .first;
            counters_are_written_ = false;
        } else {
            return std::unexpected(to_error("cannot read the row of a mailbox", status));
        }
    }
    return &found->second;
}

Result<> Committer::write(const Database::Use& use) {
    // Also after a batch that failed: a number given out in this process is never given out again.
    if (!counters_are_written_) {
        const auto status =
            batch_.Put(use[MailTable::meta], rocksdb::Slice(rows::counters_key), rows::encode(counters_));
        if (!status.ok()) return check(status, "cannot add to a batch");
    }
    if (batch_.Count() == 0) return {};
    auto written = database_.write(use, batch_, sync_);
    if (written) {
        counters_are_written_ = true;
    } else {
        records_.forget();
        note_failure(written.error());
    }
    return written;
}

Result<> Committer::add_message(
    const Database::Use& use, rocksdb::WriteBatch& batch, std::set<RecordId>& ids, const Waiting& one
) {
    const Delivery& delivery = one.delivery;
    const std::string_view id = rows::id_key(delivery.id);
    std::string present;
    const auto known = use->Get({}, use[MailTable::messages], rocksdb::Slice(id), &present);
    if (known.ok() || !ids.insert(delivery.id).second)
        return failure(
            ErrorCode::exists, "there is a message with id " + delivery.id.to_string() + " already"
        );
    if (!known.IsNotFound()) return std::unexpected(to_error("cannot read the row of a message", known));
    rows::Message message;
    message.references = static_cast<std::uint32_t>(delivery.rows.size());
    message.place = one.place;
    message.size_octets = delivery.body->size();
    message.sha256 = delivery.body->sha256();
    auto status = batch.Put(use[MailTable::messages], rocksdb::Slice(id), rows::encode(message));
    if (status.ok() && one.place == rows::BodyPlace::row) {
        std::string copy;
        std::string_view octets;
        if (delivery.body->is_in_memory()) {
            octets = delivery.body->view();
        } else {
            auto read = delivery.body->read(0, delivery.body->size());
            if (!read) return std::unexpected(read.error());
            copy = std::move(*read);
            octets = copy;
        }
        const rocksdb::Slice key(id);
        const std::array<rocksdb::Slice, 2> value{rocksdb::Slice(&version_octet, 1), rocksdb::Slice(octets)};
        status = batch.Put(
            use[MailTable::bodies],
            rocksdb::SliceParts(&key, 1),
            rocksdb::SliceParts(value.data(), value.size())
        );
    }
    return check(status, "cannot add to a batch");
}

// An account may be removed while a message to it is on its way. What is in mailboxes_ need not be looked up:
// the removal of an account takes its mailboxes out.
Result<> Committer::check_owners(const Database::Use& use, const Delivery& delivery) const {
    for (const MailboxDelivery& row : delivery.rows) {
        if (row.owner == MailboxOwner::nobody) continue;
        if (mailboxes_.contains(rows::mailbox_name_key(row.account, row.mailbox))) continue;
        std::string value;
        const auto status = use->Get({}, use[MailTable::accounts], row.account, &value);
        if (status.IsNotFound())
            return failure(ErrorCode::not_found, "the account " + row.account + " was removed meanwhile");
        if (!status.ok()) return std::unexpected(to_error("cannot read the row of an account", status));
    }
    return {};
}

Result<> Committer::add(
    const Database::Use& use, rocksdb::WriteBatch& batch, std::set<RecordId>& ids, Waiting& one
) {
    const Delivery& delivery = one.delivery;
    if (delivery.body && !delivery.rows.empty()) {
        if (auto checked = check_owners(use, delivery); !checked) return checked;
        if (auto added = add_message(use, batch, ids, one); !added) return added;
        for (const MailboxDelivery& row : delivery.rows) {
            const auto size = rows::served_size(delivery.body->size(), row.prefix.size(), row.cuts);
            if (!size) return failure(ErrorCode::invalid, "the cuts of a delivery do not fit its body");
            const std::string key = rows::mailbox_name_key(row.account, row.mailbox);
            const auto name = mailbox(use, key);
            if (!name) return std::unexpected(name.error());
            if ((*name)->next_uid == std::numeric_limits<Uid>::max())
                return failure(ErrorCode::no_space, "a mailbox has no UIDs left");
            const Uid uid = (*name)->next_uid++;
            one.uids.push_back(uid);
            auto status = batch.Put(use[MailTable::mailboxes], key, rows::encode(**name));
            if (status.ok()) {
                status = batch.Put(
                    use[MailTable::mailboxes],
                    rows::mailbox_entry_key((*name)->number, uid),
                    rows::encode(rows::MailboxEntry{delivery.id, *size, delivery.time})
                );
            }
            if (status.ok()) {
                status = batch.Put(
                    use[MailTable::views],
                    rows::view_key((*name)->number, uid),
                    rows::encode_view(row.prefix, row.cuts)
                );
            }
            if (status.ok() && !row.kept_from.empty()) {
                status = batch.Put(
                    use[MailTable::meta],
                    rows::ledger_key(rows::LedgerRow::kept, delivery.id),
                    rows::encode(rows::Kept{uid, row.kept_from})
                );
            }
            if (!status.ok()) return check(status, "cannot add to a batch");
        }
    }
    if (delivery.record.decision.empty()) return {};
    return records_.add(use, batch, delivery.id, delivery.record, delivery.record_keys);
}

}  // namespace wicket
