// MailStore on RocksDB: reads by itself, writes through the committer. Any thread.
#pragma once

#include "store/blob_files.hpp"
#include "store/committer.hpp"
#include "store/mail_store.hpp"
#include "store/tables.hpp"

#include <memory>
#include <set>
#include <string>

namespace wicket {

class RocksMailStore : public MailStore {
public:
    /// `refusals`: for verify() only. `committer`: nullptr for a reader.
    RocksMailStore(Database& database, Database& refusals, BlobFiles& blobs, Committer* committer);

    void deliver(Delivery delivery, DeliverCallback callback) override;
    Result<MailboxListing> list(std::string_view account, std::string_view mailbox) override;
    Result<std::unique_ptr<MessageReader>> open_message(const ListedMailbox& mailbox, Uid uid) override;
    Result<std::unique_ptr<MessageReader>> open_raw(const RecordId& id) override;
    Result<> expunge(const ListedMailbox& mailbox, const std::vector<Uid>& uids) override;
    Result<std::unique_ptr<MaildropLock>> lock_maildrop(std::string_view account, std::string_view mailbox)
        override;
    Result<> writable() const override;
    Result<std::uint64_t> verify(const std::function<void(const std::string&)>& report) override;

    struct Locks {
        std::mutex mutex;
        std::set<std::string> held;  // keys of mailbox names
    };

private:
    Result<std::unique_ptr<MessageReader>> open_body(const RecordId& id, rows::View view);

    Database& database_;
    Database& refusals_;
    BlobFiles& blobs_;
    Committer* committer_;
    std::shared_ptr<Locks> locks_ = std::make_shared<Locks>();  // a lock may outlive the store
};

/// Adds to `batch` what removes these rows of one mailbox, and the bodies that nothing refers to any more.
Result<> remove_entries(
    const Database::Use& use,
    rocksdb::WriteBatch& batch,
    std::uint64_t mailbox,
    const std::vector<Uid>& uids,
    Committer::Aftermath& aftermath
);

/// The UIDs of a mailbox, at most `limit` of them; rows that cannot be read are asked for one by one, and
/// those that still cannot are given to `lost`. Works without a Use of its own.
Result<std::vector<MailboxRow>> entries_of(
    const Database::Use& use,
    std::uint64_t mailbox,
    Uid next_uid,
    std::size_t limit,
    const std::function<void(Uid)>& lost
);

}  // namespace wicket
