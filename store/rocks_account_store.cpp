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

Result<> RocksAccountStore::load() {
    std::map<std::string, Account, std::less<>> loaded;
    {
        const auto use = database_.use();
        if (!use) return not_loaded();
        const std::unique_ptr<rocksdb::Iterator> at(use->NewIterator({}, use[MailTable::accounts]));
        for (at->SeekToFirst(); at->Valid(); at->Next()) {
            auto account = rows::decode_account(at->key().ToStringView(), at->value().ToStringView());
            if (account)
                loaded.emplace(account->address, std::move(*account));
            else
                log_error(
                    "the row of an account is damaged",
                    {
                        {"account", at->key().ToStringView()}
                }
                );
        }
        if (!at->status().ok()) return std::unexpected(to_error("cannot read the accounts", at->status()));
    }
    const std::lock_guard lock(mutex_);
    accounts_ = std::move(loaded);
    is_loaded_ = true;
    return {};
}

void RocksAccountStore::close() {
    const std::lock_guard lock(mutex_);
    accounts_.clear();
    is_loaded_ = false;
}

Result<Account> RocksAccountStore::find(std::string_view address) {
    const std::lock_guard lock(mutex_);
    if (!is_loaded_) return not_loaded();
    const auto found = accounts_.find(address);
    if (found == accounts_.end()) return failure(ErrorCode::not_found, "no account " + std::string(address));
    return found->second;
}

Result<> RocksAccountStore::put(const Account& account, Change change) {
    if (committer_ == nullptr) return failure(ErrorCode::unavailable, "the store is open for reading only");
    const std::lock_guard changing(changing_);
    {
        const std::lock_guard lock(mutex_);
        if (!is_loaded_) return not_loaded();
        const bool is_known = accounts_.contains(account.address);
        if (is_known && change == Change::add)
            return failure(ErrorCode::exists, "there is an account " + account.address + " already");
        if (!is_known && change == Change::update)
            return failure(ErrorCode::not_found, "no account " + account.address);
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
    accounts_.insert_or_assign(account.address, account);
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
    if (const auto found = accounts_.find(address); found != accounts_.end()) accounts_.erase(found);
    return {};
}

Result<std::vector<Account>> RocksAccountStore::list() {
    const std::lock_guard lock(mutex_);
    if (!is_loaded_) return not_loaded();
    std::vector<Account> all;
    for (const auto& [address, account] : accounts_)
        all.push_back(account);
    return all;
}

}  // namespace wicket
