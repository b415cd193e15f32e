#include "store/rocks_account_store.hpp"

#include "base/log.hpp"
#include "store/rocks_mail_store.hpp"
#include "store/row_codec.hpp"

#include <array>
#include <limits>

namespace wicket {
namespace {

// Messages removed in one batch while an account goes: bounds its memory.
constexpr std::size_t removal_limit = 4096;

// Both exist from the first moment, so that their UIDVALIDITY never changes.
constexpr std::array<std::string_view, 2> first_mailboxes = {"INBOX", "Junk"};

std::unexpected<Error> not_loaded() {
    return failure(ErrorCode::unavailable, "the accounts are not at hand: the store is closed");
}

/// Adds the removal of one part of an account's mail; sets `is_last` if nothing but the names is left.
Result<> remove_part(
    const Database::Use& use,
    rocksdb::WriteBatch& batch,
    Committer::Aftermath& aftermath,
    std::string_view address,
    bool& is_last
) {
    is_last = true;
    const std::string prefix = rows::mailbox_name_prefix(address);
    const std::unique_ptr<rocksdb::Iterator> at(use->NewIterator({}, use[MailTable::mailboxes]));
    for (at->Seek(prefix); at->Valid() && at->key().starts_with(prefix); at->Next()) {
        const auto name = rows::decode_mailbox_name(at->value().ToStringView());
        if (!name) continue;
        const auto found = entries_of(use, name->number, name->next_uid, removal_limit, [](Uid) {});
        if (!found) return std::unexpected(found.error());
        std::vector<Uid> uids;
        for (const MailboxRow& row : *found)
            uids.push_back(row.uid);
        if (auto removed = remove_entries(use, batch, name->number, uids, aftermath); !removed)
            return removed;
        // One mailbox a batch if it is large: two removals in one batch would not see each other's
        // references.
        if (!uids.empty()) {
            is_last = false;
            return {};
        }
        batch.Delete(use[MailTable::mailboxes], at->key()).PermitUncheckedError();
        aftermath.forgotten_mailboxes.emplace_back(at->key().ToStringView());
    }
    if (!at->status().ok())
        return std::unexpected(to_error("cannot list the mailboxes of an account", at->status()));
    batch.Delete(use[MailTable::accounts], rocksdb::Slice(address)).PermitUncheckedError();
    return {};
}

}  // namespace

RocksAccountStore::RocksAccountStore(Database& database, Committer* committer)
    : database_(database), committer_(committer) {}

void RocksAccountStore::load(const Database::Use& use, Loaded& loaded) {
    const auto take = [&loaded](const rocksdb::Iterator& at) {
        const std::string_view address = at.key().ToStringView();
        if (auto account = rows::decode_account(address, at.value().ToStringView()))
            loaded.accounts.emplace(address, std::move(*account));
        else
            loaded.damaged.emplace(address);
    };
    const std::unique_ptr<rocksdb::Iterator> at(use->NewIterator({}, use[MailTable::accounts]));
    for (at->SeekToFirst(); at->Valid(); at->Next())
        take(*at);
    if (at->status().ok()) return;
    loaded.is_whole = false;
    log_error(
        "the table of accounts is damaged: mail for whoever cannot be read is refused for now",
        {
            {"error", at->status().ToString()}
    }
    );
    // What stands behind the damage is reached from the other end.
    const std::unique_ptr<rocksdb::Iterator> back(use->NewIterator({}, use[MailTable::accounts]));
    for (back->SeekToLast(); back->Valid(); back->Prev())
        take(*back);
}

Result<> RocksAccountStore::load() {
    Loaded loaded;
    {
        const auto use = database_.use();
        if (!use) return not_loaded();
        load(use, loaded);
    }
    for (const std::string& address : loaded.damaged)
        log_error(
            "the row of an account is damaged",
            {
                {"account", address}
        }
        );
    const std::lock_guard lock(mutex_);
    known_ = std::move(loaded);
    is_loaded_ = true;
    return {};
}

void RocksAccountStore::close() {
    const std::lock_guard lock(mutex_);
    known_ = {};
    is_loaded_ = false;
}

Error RocksAccountStore::unknown(std::string_view address) const {
    if (!known_.is_whole || known_.damaged.contains(address))
        return {
            ErrorCode::unavailable,
            "the table of accounts is damaged where " + std::string(address) + " may be"
        };
    return {ErrorCode::not_found, "no account " + std::string(address)};
}

Result<Account> RocksAccountStore::find(std::string_view address) {
    const std::lock_guard lock(mutex_);
    if (!is_loaded_) return not_loaded();
    const auto found = known_.accounts.find(address);
    if (found == known_.accounts.end()) return std::unexpected(unknown(address));
    return found->second;
}

Result<> RocksAccountStore::put(const Account& account, Change change) {
    if (committer_ == nullptr) return failure(ErrorCode::unavailable, "the store is open for reading only");
    const std::lock_guard changing(changing_);
    {
        const std::lock_guard lock(mutex_);
        if (!is_loaded_) return not_loaded();
        const bool is_known = known_.accounts.contains(account.address);
        if (is_known && change == Change::add)
            return failure(ErrorCode::exists, "there is an account " + account.address + " already");
        // One that cannot be read may be added again: that is how it is repaired.
        if (!is_known && change == Change::update) return std::unexpected(unknown(account.address));
    }
    auto written = committer_->run(
        [&](Committer& committer, const Database::Use& use, rocksdb::WriteBatch& batch, Committer::Aftermath&)
            -> Result<> {
            batch.Put(use[MailTable::accounts], account.address, rows::encode(account))
                .PermitUncheckedError();
            if (change == Change::update) return {};
            for (const std::string_view mailbox : first_mailboxes) {
                const std::string key = rows::mailbox_name_key(account.address, mailbox);
                const auto name = committer.mailbox(use, key);
                if (!name) return std::unexpected(name.error());
                batch.Put(use[MailTable::mailboxes], key, rows::encode(**name)).PermitUncheckedError();
            }
            return {};
        }
    );
    if (!written) return written;
    const std::lock_guard lock(mutex_);
    known_.accounts.insert_or_assign(account.address, account);
    known_.damaged.erase(account.address);
    return {};
}

Result<> RocksAccountStore::add(const Account& account) {
    if (account.address.empty() || account.address.size() > std::numeric_limits<std::uint16_t>::max())
        return failure(ErrorCode::invalid, "an account needs an address");
    return put(account, Change::add);
}

Result<> RocksAccountStore::update(const Account& account) {
    return put(account, Change::update);
}

Result<> RocksAccountStore::remove(std::string_view address) {
    if (committer_ == nullptr) return failure(ErrorCode::unavailable, "the store is open for reading only");
    const std::lock_guard changing(changing_);
    if (auto known = find(address); !known) return std::unexpected(known.error());
    // The account goes with its last batch: a removal cut short can be asked for again, and mail that comes
    // meanwhile goes too.
    for (bool is_last = false; !is_last;) {
        auto removed = committer_->run([&](Committer&,
                                           const Database::Use& use,
                                           rocksdb::WriteBatch& batch,
                                           Committer::Aftermath& aftermath) {
            return remove_part(use, batch, aftermath, address, is_last);
        });
        if (!removed) return removed;
    }
    const std::lock_guard lock(mutex_);
    if (const auto found = known_.accounts.find(address); found != known_.accounts.end())
        known_.accounts.erase(found);
    return {};
}

Result<std::vector<Account>> RocksAccountStore::list() {
    const std::lock_guard lock(mutex_);
    if (!is_loaded_) return not_loaded();
    std::vector<Account> all;
    for (const auto& [address, account] : known_.accounts)
        all.push_back(account);
    return all;
}

}  // namespace wicket
