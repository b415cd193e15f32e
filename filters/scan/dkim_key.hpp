// Public keys of DKIM: the key record under a strict grammar (RFC 6376 section 3.6.1, RFC 8301, RFC 8463),
// and verification with decoded keys that are kept, for decoding one with OpenSSL 3.0 costs more than
// verifying. One thread per cache.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

namespace wicket {

// RFC 8301 section 3.2: verifiers must not take less than 1024 bits, and need not take more than 4096, which
// cost sixteen times what 1024 do.
inline constexpr unsigned dkim_key_least_bits = 1024;
inline constexpr unsigned dkim_key_most_bits = 4096;
// A key from here to dkim_key_least_bits is used all the same, to tell a signature that is weak from one that
// anybody made up; OpenSSL has no smaller ones.
inline constexpr unsigned dkim_key_usable_bits = 512;

enum class DkimKeyType : std::uint8_t { rsa, ed25519 };

enum class DkimKeyFault : std::uint8_t {
    bad_syntax,          // not a tag list, or a tag twice
    bad_version,         // v= is not DKIM1, or not the first tag
    unknown_type,        // k= is neither rsa nor ed25519
    revoked,             // p= is empty
    bad_key,             // p= is no key of that type
    too_short,           // under dkim_key_usable_bits
    too_long,            // over dkim_key_most_bits
    sha256_not_allowed,  // h= lacks it
    not_for_mail,        // s= lacks email and *
};

/// "the key is revoked", ...
std::string_view describe(DkimKeyFault fault);

struct DkimKeyRecord {
    DkimKeyType type = DkimKeyType::rsa;
    std::string modulus = {};  // of RSA, big-endian without leading zeros
    std::string exponent = {};
    std::string point = {};  // of Ed25519: 32 octets
    unsigned bits = 0;
    bool is_test = false;    // t=y
    bool is_strict = false;  // t=s: i= must lie in d= itself

    /// Under dkim_key_least_bits: what it verifies is weak.
    bool is_short() const { return type == DkimKeyType::rsa && bits < dkim_key_least_bits; }
};

struct DkimKeyError {
    DkimKeyFault fault;
    unsigned bits = 0;  // of too_short and too_long
};

/// Takes SubjectPublicKeyInfo and PKCS#1 for RSA, since both are published.
std::expected<DkimKeyRecord, DkimKeyError> parse_dkim_key(std::string_view record);

/// Standard base64 with or without white space between; nullopt-like empty result is no key, so "" on
/// failure.
std::string decode_base64_tag(std::string_view text);

/// Decoded keys, the least recently used one falls out.
class DkimKeyCache {
public:
    /// Loads OpenSSL's algorithms, so construct it before the sandbox closes.
    DkimKeyCache();
    ~DkimKeyCache();

    /// Whether `signature` was made with the private half over a text with this SHA-256 digest.
    bool verify(const DkimKeyRecord& key, std::string_view sha256, std::string_view signature);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace wicket
