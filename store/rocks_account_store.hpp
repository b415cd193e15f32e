// Accounts: all of them in memory, and in the mail database beside it. Any thread.
#pragma once

#include "store/accounts.hpp"
#include "store/committer.hpp"

#include <map>
#include <mutex>
#include <string>

namespace wicket {

class RocksAccountStore : public AccountStore {
public:
    /// `committer`: nullptr for a reader. Knows nobody before load().
    RocksAccountStore(Database& database, Committer* committer);

    /// Reads them all; a damaged row is logged and left out.
    Result<> load();
    /// Forgets them all: every call fails with `unavailable`.
    void close();

    Result<Account> find(std::string_view address) override;
    Result<> add(const Account& account) override;
    Result<> update(const Account& account) override;
    Result<> remove(std::string_view address) override;
    Result<std::vector<Account>> list() override;

private:
    enum class Change : std::uint8_t { add, update };
    Result<> put(const Account& account, Change change);

    Database& database_;
    Committer* committer_;
    std::mutex mutex_;
    std::map<std::string, Account, std::less<>> accounts_;
    bool is_loaded_ = false;
    std::mutex changing_;  // one change at a time, so that memory follows the disk in order
};

}  // namespace wicket
