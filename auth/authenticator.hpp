// Decides whether a login name and a password belong together, and whose mailbox they open. Unknown name and
// wrong password cannot be told apart: one hash each, the same outcome, the same delay. Any thread; verify()
// blocks for a hash, so callers run it on a bounded pool. Never logs, never keeps a password.
#pragma once

#include "auth/backoff.hpp"
#include "base/clock.hpp"
#include "base/ip.hpp"
#include "base/result.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wicket {

struct PasswordRecord {
    std::string account;        // its canonical address, as the store knows it
    std::string password_hash;  // argon2id in PHC form
};

/// Where accounts are looked up; server/ puts the store behind it.
class AccountDirectory {
public:
    virtual ~AccountDirectory() = default;
    /// The account of local_part@domain, which come as given, without quoting; nullopt if there is none; an
    /// Error if that cannot be said now. Any thread; must not take longer for one kind of name than for
    /// another.
    virtual Result<std::optional<PasswordRecord>> find(
        std::string_view local_part, std::string_view domain
    ) = 0;
};

enum class AuthVerdict : std::uint8_t {
    accepted,
    refused,    // unknown name, wrong password, or a name that is no address
    temporary,  // it cannot be said now: the account store or memory failed
};

struct AuthOutcome {
    AuthVerdict verdict = AuthVerdict::temporary;
    std::string account;  // accepted: the canonical address
    std::string mailbox;  // accepted: "INBOX" or "Junk"
    /// refused: how long the refusal takes at least, counted from the attempt's beginning.
    std::chrono::milliseconds delay{0};
    std::string reason;  // temporary: for the log
};

class Authenticator {
public:
    /// Both must outlive it.
    Authenticator(AccountDirectory& directory, const Clock& clock, BackoffLimits limits = {});

    /// What an attempt from `client` waits before verify() is called.
    std::chrono::milliseconds delay_before(const IpAddress& client) const { return backoff_.before(client); }

    /// `login` is an address: user@domain opens INBOX, user+Junk@domain the mailbox Junk of the same account,
    /// unless an account of exactly that name exists. Costs exactly one hash unless the verdict is temporary.
    AuthOutcome verify(std::string_view login, std::string_view password, const IpAddress& client);

    /// Hashes computed so far.
    std::uint64_t hash_count() const { return hash_count_.load(std::memory_order_relaxed); }

private:
    struct Candidate {
        PasswordRecord record;
        std::string mailbox;
    };

    Result<std::optional<Candidate>> look_up(std::string_view local_part, std::string_view domain);

    AccountDirectory& directory_;
    Backoff backoff_;
    std::atomic<std::uint64_t> hash_count_{0};
};

}  // namespace wicket
