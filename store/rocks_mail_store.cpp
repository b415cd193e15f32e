#include "store/rocks_mail_store.hpp"

#include "base/log.hpp"
#include "store/message_reader.hpp"
#include "store/row_codec.hpp"
#include "store/verify.hpp"

#include <algorithm>
#include <limits>
#include <map>

namespace wicket {
namespace {

// UIDVALIDITY of a mailbox that nothing was ever delivered to: it cannot be 0 (RFC 3501 section 9,
// nz-number), and a real one is a time in seconds.
constexpr std::uint32_t empty_uid_validity = 1;

// Rows removed in one batch: bounds its memory.
constexpr std::size_t expunge_limit = 4096;

Result<> closed() {
    return failure(ErrorCode::unavailable, "the store is closed");
}

/// not_found if nothing was ever delivered there.
Result<rows::MailboxName> read_name(
    const Database::Use& use, std::string_view account, std::string_view mailbox
) {
    std::string value;
    const auto status =
        use->Get({}, use[MailTable::mailboxes], rows::mailbox_name_key(account, mailbox), &value);
    if (!status.ok()) return std::unexpected(to_error("cannot read the row of a mailbox", status));
    const auto name = rows::decode_mailbox_name(value);
    if (!name) return failure(ErrorCode::corrupt, "the row of a mailbox is damaged");
    return *name;
}

/// not_found also if an account of the same name was made since it was listed, whose mail it is now.
Result<rows::MailboxName> read_listed(const Database::Use& use, const ListedMailbox& listed) {
    auto name = read_name(use, listed.account, listed.mailbox);
    if (name && name->uid_validity != listed.uid_validity)
        return failure(ErrorCode::not_found, "the mailbox is gone: another one has its name");
    return name;
}

class HeldMaildrop : public MaildropLock {
public:
    HeldMaildrop(std::shared_ptr<RocksMailStore::Locks> locks, std::string key)
        : locks_(std::move(locks)), key_(std::move(key)) {}
    HeldMaildrop(const HeldMaildrop&) = delete;
    HeldMaildrop& operator=(const HeldMaildrop&) = delete;
    ~HeldMaildrop() override {
        const std::lock_guard lock(locks_->mutex);
        locks_->held.erase(key_);
    }

private:
    std::shared_ptr<RocksMailStore::Locks> locks_;
    std::string key_;
};

}  // namespace

Result<std::vector<MailboxRow>> entries_of(
    const Database::Use& use,
    std::uint64_t mailbox,
    Uid next_uid,
    std::size_t limit,
    const std::function<void(Uid)>& lost
) {
    std::vector<MailboxRow> found;
    const std::string begin = rows::mailbox_entry_key(mailbox, 0);
    const std::string end = rows::mailbox_entry_key(mailbox, std::numeric_limits<Uid>::max());
    const rocksdb::Slice bound(end);
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &bound;
    const auto add = [&](Uid uid, std::string_view value) {
        const auto entry = rows::decode_mailbox_entry(value);
        if (!entry)
            lost(uid);
        else
            found.push_back({uid, entry->size_octets, entry->received, entry->id});
    };
    Uid last = 0;
    const std::unique_ptr<rocksdb::Iterator> at(use->NewIterator(options, use[MailTable::mailboxes]));
    for (at->Seek(begin); at->Valid() && found.size() < limit; at->Next()) {
        const auto key = rows::parse_mailbox_entry_key(at->key().ToStringView());
        if (!key) continue;
        last = key->second;
        add(last, at->value().ToStringView());
    }
    if (at->status().ok()) return found;
    if (!at->status().IsCorruption()) return std::unexpected(to_error("cannot list a mailbox", at->status()));
    for (Uid uid = last + 1; uid < next_uid && found.size() < limit; ++uid) {
        std::string value;
        const auto status =
            use->Get({}, use[MailTable::mailboxes], rows::mailbox_entry_key(mailbox, uid), &value);
        if (status.ok())
            add(uid, value);
        else if (!status.IsNotFound())
            lost(uid);
    }
    return found;
}

Result<> remove_entries(
    const Database::Use& use,
    rocksdb::WriteBatch& batch,
    std::uint64_t mailbox,
    const std::vector<Uid>& uids,
    Committer::Aftermath& aftermath
) {
    std::map<RecordId, std::uint32_t> dropped;
    for (const Uid uid : uids) {
        const std::string key = rows::mailbox_entry_key(mailbox, uid);
        std::string value;
        const auto status = use->Get({}, use[MailTable::mailboxes], key, &value);
        if (status.IsNotFound()) continue;
        if (!status.ok()) return std::unexpected(to_error("cannot read a row", status));
        // A damaged row goes too; its body stays, since nobody knows which it was.
        if (const auto entry = rows::decode_mailbox_entry(value)) dropped[entry->id] += 1;
        batch.Delete(use[MailTable::mailboxes], key).PermitUncheckedError();
        batch.Delete(use[MailTable::views], rows::view_key(mailbox, uid)).PermitUncheckedError();
    }
    for (const auto& [id, count] : dropped) {
        const rocksdb::Slice key(rows::id_key(id));
        std::string value;
        const auto status = use->Get({}, use[MailTable::messages], key, &value);
        if (status.IsNotFound()) continue;
        if (!status.ok()) return std::unexpected(to_error("cannot read the row of a message", status));
        auto message = rows::decode_message(value);
        if (!message) continue;
        if (message->references > count) {
            message->references -= count;
            batch.Put(use[MailTable::messages], key, rows::encode(*message)).PermitUncheckedError();
            continue;
        }
        batch.Delete(use[MailTable::messages], key).PermitUncheckedError();
        if (message->place == rows::BodyPlace::file)
            aftermath.blobs.push_back(id);
        else
            batch.Delete(use[MailTable::bodies], key).PermitUncheckedError();
    }
    return {};
}

RocksMailStore::RocksMailStore(Database& database, Database& refusals, BlobFiles& blobs, Committer* committer)
    : database_(database), refusals_(refusals), blobs_(blobs), committer_(committer) {}

void RocksMailStore::deliver(Delivery delivery, DeliverCallback callback) {
    if (committer_ == nullptr) {
        callback(failure(ErrorCode::unavailable, "the store is open for reading only"));
        return;
    }
    committer_->deliver(std::move(delivery), std::move(callback));
}

Result<MailboxListing> RocksMailStore::list(std::string_view account, std::string_view mailbox) {
    const auto use = database_.use();
    if (!use) return std::unexpected(closed().error());
    const auto name = read_name(use, account, mailbox);
    if (!name && name.error().code == ErrorCode::not_found) return MailboxListing{empty_uid_validity, 1, {}};
    if (!name) return std::unexpected(name.error());
    auto rows =
        entries_of(use, name->number, name->next_uid, std::numeric_limits<std::size_t>::max(), [&](Uid uid) {
            log_error(
                "a row of a mailbox is damaged",
                {
                    {"account", account            },
                    {"uid",     std::to_string(uid)}
            }
            );
        });
    if (!rows) return std::unexpected(rows.error());
    // A delivery may have come between the two reads.
    Uid next_uid = name->next_uid;
    if (!rows->empty()) next_uid = std::max(next_uid, rows->back().uid + 1);
    return MailboxListing{name->uid_validity, next_uid, std::move(*rows)};
}

Result<std::unique_ptr<MessageReader>> RocksMailStore::open_body(const RecordId& id, rows::View view) {
    const rocksdb::Slice key(rows::id_key(id));
    std::string octets;
    rows::Message message;
    {
        const auto use = database_.use();
        if (!use) return std::unexpected(closed().error());
        std::string value;
        auto status = use->Get({}, use[MailTable::messages], key, &value);
        if (!status.ok())
            return std::unexpected(to_error("cannot read the row of message " + id.to_string(), status));
        const auto decoded = rows::decode_message(value);
        if (!decoded)
            return failure(ErrorCode::corrupt, "the row of message " + id.to_string() + " is damaged");
        message = *decoded;
        if (message.place == rows::BodyPlace::row) {
            if (database_.mode() == Database::Mode::follow)
                return failure(ErrorCode::unavailable, "octets of messages are read from a snapshot");
            status = use->Get({}, use[MailTable::bodies], key, &octets);
            if (!status.ok())
                return std::unexpected(to_error("cannot read message " + id.to_string(), status));
            if (!rows::decode_body(octets))
                return failure(
                    ErrorCode::corrupt, "the octets of message " + id.to_string() + " are damaged"
                );
            octets.erase(0, 1);
        }
    }
    if (message.place == rows::BodyPlace::row)
        return make_message_reader(std::move(view), message, source_of(std::move(octets)));
    auto file = blobs_.open(id);
    if (!file) return std::unexpected(file.error());
    return make_message_reader(std::move(view), message, std::move(*file));
}

Result<std::unique_ptr<MessageReader>> RocksMailStore::open_message(const ListedMailbox& mailbox, Uid uid) {
    rows::MailboxEntry entry;
    rows::View view;
    {
        const auto use = database_.use();
        if (!use) return std::unexpected(closed().error());
        const auto name = read_listed(use, mailbox);
        if (!name) return std::unexpected(name.error());
        std::string value;
        auto status =
            use->Get({}, use[MailTable::mailboxes], rows::mailbox_entry_key(name->number, uid), &value);
        if (!status.ok()) return std::unexpected(to_error("cannot read a row of a mailbox", status));
        const auto decoded_entry = rows::decode_mailbox_entry(value);
        status = use->Get({}, use[MailTable::views], rows::view_key(name->number, uid), &value);
        if (!status.ok()) return std::unexpected(to_error("cannot read the view of a message", status));
        auto decoded_view = rows::decode_view(value);
        if (!decoded_entry || !decoded_view)
            return failure(ErrorCode::corrupt, "a row of a mailbox is damaged");
        entry = *decoded_entry;
        view = std::move(*decoded_view);
    }
    auto reader = open_body(entry.id, std::move(view));
    if (reader && (*reader)->size_octets() != entry.size_octets)
        return failure(
            ErrorCode::corrupt, "message " + entry.id.to_string() + " does not have the size of its row"
        );
    return reader;
}

Result<std::unique_ptr<MessageReader>> RocksMailStore::open_raw(const RecordId& id) {
    return open_body(id, rows::View());
}

Result<> RocksMailStore::expunge(const ListedMailbox& mailbox, const std::vector<Uid>& uids) {
    if (committer_ == nullptr) return failure(ErrorCode::unavailable, "the store is open for reading only");
    std::vector<Uid> sorted = uids;
    std::ranges::sort(sorted);
    sorted.erase(std::ranges::unique(sorted).begin(), sorted.end());
    // The promise is one synced batch; only a monstrous one is cut into several.
    for (std::size_t from = 0; from < sorted.size(); from += expunge_limit) {
        const auto begin = sorted.begin() + static_cast<std::ptrdiff_t>(from);
        const std::vector<Uid> part(
            begin, begin + static_cast<std::ptrdiff_t>(std::min(expunge_limit, sorted.size() - from))
        );
        auto done = committer_->run(
            [&](Committer&,
                const Database::Use& use,
                rocksdb::WriteBatch& batch,
                Committer::Aftermath& aftermath) -> Result<> {
                const auto name = read_listed(use, mailbox);
                // Nothing was ever delivered there, as the listing said.
                if (!name && name.error().code == ErrorCode::not_found &&
                    mailbox.uid_validity == empty_uid_validity)
                    return {};
                if (!name) return std::unexpected(name.error());
                return remove_entries(use, batch, name->number, part, aftermath);
            }
        );
        if (!done) return done;
    }
    return {};
}

Result<std::unique_ptr<MaildropLock>> RocksMailStore::lock_maildrop(
    std::string_view account, std::string_view mailbox
) {
    std::string key = rows::mailbox_name_key(account, mailbox);
    const std::lock_guard lock(locks_->mutex);
    if (!locks_->held.insert(key).second)
        return failure(ErrorCode::busy, "another session has the maildrop of " + std::string(account));
    return std::make_unique<HeldMaildrop>(locks_, std::move(key));
}

Result<> RocksMailStore::writable() const {
    if (committer_ == nullptr) return failure(ErrorCode::unavailable, "the store is open for reading only");
    return committer_->writable();
}

Result<std::uint64_t> RocksMailStore::verify(const std::function<void(const std::string&)>& report) {
    if (database_.mode() == Database::Mode::follow)
        return failure(ErrorCode::unavailable, "octets of messages are read from a snapshot");
    return verify_store(database_, refusals_, blobs_, report);
}

}  // namespace wicket
