// Accounts and their password verifiers. All of them are held in memory beside the database, so a lookup
// neither blocks nor fails for the disk's sake; changes are synced before they are seen. Any thread.
#pragma once

#include "base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

struct Account {
    std::string address;  // canonical: local part as folded by canonical_account_name(), domain in lower case
    std::string password_hash;  // argon2id in PHC form
    std::string scram_sha256;   // RFC 5803 form: SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY
    std::int64_t created_seconds = 0;
};

class AccountStore {
public:
    virtual ~AccountStore() = default;

    /// not_found; unavailable if the store cannot say, also since its row may be among damaged ones (then a
    /// recipient gets 451, never 550).
    virtual Result<Account> find(std::string_view address) = 0;
    /// exists.
    virtual Result<> add(const Account& account) = 0;
    /// not_found.
    virtual Result<> update(const Account& account) = 0;
    /// The account and its mail. not_found.
    virtual Result<> remove(std::string_view address) = 0;
    /// Sorted by address.
    virtual Result<std::vector<Account>> list() = 0;
};

/// How an address is spelt as a key: the local part case-folded in NFC, the domain as A-labels in lower case.
/// A binary key: never a path, never a shell word.
std::string canonical_account_name(std::string_view local_part, std::string_view domain);

}  // namespace wicket
