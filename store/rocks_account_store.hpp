// Accounts: all of them in memory, and in the mail database beside it. Any thread.
#pragma once

#include "store/accounts.hpp"
#include "store/committer.hpp"

#include <map>
#include <mutex>
#include <set>
#include <string>

namespace wicket {

class RocksAccountStore : public AccountStore {
public:
    /// `committer`: nullptr for a reader. Knows nobody before load().
    RocksAccountStore(Database& database, Committer* committer);

    /// Reads all that can be read. Damage is logged; then who is not known may be one that could not be read,
    /// and find() says `unavailable` of them.
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
    using Accounts = std::map<std::string, Account, std::less<>>;
    struct Loaded {
        Accounts accounts;
        std::set<std::string, std::less<>> damaged;  // addresses whose rows cannot be read
        bool is_whole = true;                        // false: there may be more that cannot be read
    };
    static void load(const Database::Use& use, Loaded& loaded);
    Result<> put(const Account& account, Change change);
    /// What to say of an account that is not in memory. Under mutex_.
    Error unknown(std::string_view address) const;

    Database& database_;
    Committer* committer_;
    std::mutex mutex_;
    Loaded known_;
    bool is_loaded_ = false;
    std::mutex changing_;  // one change at a time, so that memory follows the disk in order
};

}  // namespace wicket
