// Passwords and what is kept of them: an argon2id hash, and the SCRAM-SHA-256 verifier that cannot be derived
// from it later. Functions without state: any thread. Hashing blocks for some 30 ms and takes 19 MiB, so it
// belongs on a bounded pool, never on an event loop. Prepared copies of a password are wiped before return.
#pragma once

#include "auth/secret.hpp"
#include "base/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wicket {

// Longer ones only cost time; RFC 4616 section 2 wants 255.
inline constexpr std::size_t password_limit_octets = 1024;
// RFC 7677 section 4: at least 4096, and 15000 or more where the client can bear it.
inline constexpr std::uint32_t scram_iterations = 15000;

struct PasswordVerifiers {
    std::string argon2id;      // PHC form: $argon2id$v=19$m=19456,t=2,p=1$SALT$HASH
    std::string scram_sha256;  // RFC 5803 section 3, with the mechanism's name in front
};

/// What is hashed for a password: ASCII as it is, other UTF-8 with the mappings of SASLprep (RFC 4013
/// section 2.1). Deviation: no NFKC (section 2.2), so composed and decomposed letters differ; no Debian
/// library of ours has it. nullopt if it is empty, too long, not UTF-8, or holds control characters
/// (section 2.3).
std::optional<Secret> prepare_password(std::string_view password);

/// For a new account or password. invalid if the password cannot be prepared; no_space if memory is short.
Result<PasswordVerifiers> make_password_verifiers(std::string_view password);

/// Whether `password` is the one of `argon2id`, a PHC string. One hash whatever the answer, also for a
/// password that cannot be prepared (which never matches). corrupt if the string cannot be read; no_space.
Result<bool> verify_password(std::string_view password, const std::string& argon2id);

/// One hash of the usual cost, for an account that does not exist: its refusal must take as long as any.
void verify_nothing(std::string_view password);

/// "SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY" (RFC 5802 section 3, RFC 7677) of a prepared password.
std::string derive_scram_sha256(std::string_view prepared, std::string_view salt, std::uint32_t iterations);

}  // namespace wicket
