// What `mailwicket account` does to the store, through a running server or directly: the same code for both.
// A request and its answer are one line of JSON each; passwords never travel, only their verifiers do.
#pragma once

#include "auth/authenticator.hpp"
#include "store/accounts.hpp"

#include <string>
#include <string_view>

namespace wicket {

/// {"do": "add"|"passwd"|"delete"|"list", "address", "argon2id", "scram"} -> {"ok": true, ...} or {"error",
/// "code"}.
std::string answer_account_request(
    AccountStore& accounts, std::string_view request, std::int64_t now_seconds
);

/// The accounts as auth/ sees them.
class StoreDirectory : public AccountDirectory {
public:
    explicit StoreDirectory(AccountStore& accounts) : accounts_(accounts) {}
    Result<std::optional<PasswordRecord>> find(std::string_view local_part, std::string_view domain) override;

private:
    AccountStore& accounts_;
};

}  // namespace wicket
