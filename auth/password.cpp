#include "auth/password.hpp"

#include "auth/base64.hpp"
#include "base/random.hpp"
#include "base/text.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <algorithm>
#include <argon2.h>
#include <array>
#include <span>
#include <stdexcept>

namespace wicket {
namespace {

// OWASP's second choice for argon2id: 28 ms on one of our cores, and 19 MiB an attacker must pay per try.
constexpr std::uint32_t memory_kib = 19U * 1024U;
constexpr std::uint32_t passes = 2;
constexpr std::uint32_t lanes = 1;
constexpr std::size_t salt_octets = 16;
constexpr std::size_t hash_octets = 32;

// Verifying against it takes exactly what a real hash takes; nobody has a password for it.
constexpr char nobodys_hash[] =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

struct CodePointRange {
    char32_t first, last;
};

// RFC 3454 table C.1.2: mapped to a space.
constexpr auto other_spaces = std::to_array<CodePointRange>({
    {0xA0,   0xA0  },
    {0x1680, 0x1680},
    {0x2000, 0x200B},
    {0x202F, 0x202F},
    {0x205F, 0x205F},
    {0x3000, 0x3000},
});

// RFC 3454 table B.1: mapped to nothing.
constexpr auto invisible = std::to_array<CodePointRange>({
    {0xAD,   0xAD  },
    {0x34F,  0x34F },
    {0x1806, 0x1806},
    {0x180B, 0x180D},
    {0x200C, 0x200D},
    {0x2060, 0x2060},
    {0xFE00, 0xFE0F},
    {0xFEFF, 0xFEFF},
});

bool is_in(char32_t c, std::span<const CodePointRange> table) {
    return std::ranges::any_of(table, [c](const CodePointRange& row) {
        return row.first <= c && c <= row.last;
    });
}

/// The code point of a valid character of two to four octets.
char32_t code_point(std::string_view character) {
    char32_t value = static_cast<unsigned char>(character[0]) & (0xFFU >> (character.size() + 1));
    for (const char c : character.substr(1))
        value = (value << 6U) | (static_cast<unsigned char>(c) & 0x3FU);
    return value;
}

std::string_view as_text(std::span<const unsigned char> octets) {
    return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

const unsigned char* as_octets(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

using Key = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

Key hmac(const Key& key, std::string_view text) {
    Key result{};
    unsigned length = 0;
    if (HMAC(
            EVP_sha256(),
            key.data(),
            static_cast<int>(key.size()),
            as_octets(text),
            text.size(),
            result.data(),
            &length
        ) == nullptr)
        throw std::runtime_error("HMAC-SHA-256 failed");
    return result;
}

Error argon2_error(int code) {
    const bool is_memory = code == ARGON2_MEMORY_ALLOCATION_ERROR;
    return {
        is_memory ? ErrorCode::no_space : ErrorCode::corrupt,
        std::string("argon2id: ") + argon2_error_message(code)
    };
}

}  // namespace

std::optional<Secret> prepare_password(std::string_view password) {
    if (password.empty() || password.size() > password_limit_octets) return std::nullopt;
    // Reserved at once: growing would leave copies behind.
    std::string prepared;
    prepared.reserve(password.size());
    bool is_good = true;
    for (std::size_t at = 0; at < password.size() && is_good;) {
        const std::string_view rest = password.substr(at);
        const std::size_t length = is_ascii(rest[0]) ? 1 : utf8_length(rest);
        if (length <= 1) {
            // RFC 4013 section 2.3: no control characters; a length of 0 is not UTF-8.
            is_good = length == 1 && rest[0] >= 0x20 && rest[0] != 0x7F;
            if (is_good) prepared += rest[0];
        } else {
            const char32_t c = code_point(rest.substr(0, length));
            is_good = c >= 0xA0;
            if (is_in(c, other_spaces)) {
                prepared += ' ';
            } else if (!is_in(c, invisible)) {
                prepared += rest.substr(0, length);
            }
        }
        at += length;
    }
    if (!is_good || prepared.empty()) {
        wipe(prepared);
        return std::nullopt;
    }
    return Secret(std::move(prepared));
}

std::string derive_scram_sha256(std::string_view prepared, std::string_view salt, std::uint32_t iterations) {
    // RFC 5802 section 3: Hi() is PBKDF2 with HMAC, and the output is one digest long.
    Key salted{};
    if (PKCS5_PBKDF2_HMAC(
            prepared.data(),
            static_cast<int>(prepared.size()),
            as_octets(salt),
            static_cast<int>(salt.size()),
            static_cast<int>(iterations),
            EVP_sha256(),
            static_cast<int>(salted.size()),
            salted.data()
        ) != 1)
        throw std::runtime_error("PBKDF2 failed");
    Key client_key = hmac(salted, "Client Key");
    const Key server_key = hmac(salted, "Server Key");
    Key stored_key{};
    SHA256(client_key.data(), client_key.size(), stored_key.data());
    OPENSSL_cleanse(salted.data(), salted.size());
    OPENSSL_cleanse(client_key.data(), client_key.size());
    return "SCRAM-SHA-256$" + std::to_string(iterations) + ":" + encode_base64(salt) + "$" +
           encode_base64(as_text(stored_key)) + ":" + encode_base64(as_text(server_key));
}

Result<PasswordVerifiers> make_password_verifiers(std::string_view password) {
    const auto prepared = prepare_password(password);
    if (!prepared)
        return failure(
            ErrorCode::invalid,
            "a password has 1 to " + std::to_string(password_limit_octets) +
                " octets of UTF-8 without control characters"
        );
    std::array<unsigned char, salt_octets> salt{};
    fill_random(salt);
    std::string encoded(
        argon2_encodedlen(passes, memory_kib, lanes, salt_octets, hash_octets, Argon2_id), '\0'
    );
    const std::string_view text = prepared->view();
    const int code = argon2id_hash_encoded(
        passes,
        memory_kib,
        lanes,
        text.data(),
        text.size(),
        salt.data(),
        salt.size(),
        hash_octets,
        encoded.data(),
        encoded.size()
    );
    if (code != ARGON2_OK) return std::unexpected(argon2_error(code));
    encoded.resize(encoded.find('\0'));

    // A salt of its own: the verifier goes to clients during SCRAM, the hash never does.
    std::array<unsigned char, salt_octets> scram_salt{};
    fill_random(scram_salt);
    return PasswordVerifiers{encoded, derive_scram_sha256(text, as_text(scram_salt), scram_iterations)};
}

Result<bool> verify_password(std::string_view password, const std::string& argon2id) {
    const auto prepared = prepare_password(password);
    const std::string_view text = prepared ? prepared->view() : std::string_view();
    // libargon2 compares in constant time.
    const int code = argon2id_verify(argon2id.c_str(), text.data(), text.size());
    if (code == ARGON2_OK) return prepared.has_value();
    if (code == ARGON2_VERIFY_MISMATCH) return false;
    return std::unexpected(argon2_error(code));
}

void verify_nothing(std::string_view password) {
    static const std::string hash = nobodys_hash;
    // The answer is always no; a lack of memory cannot be told from it either.
    static_cast<void>(verify_password(password, hash));
}

}  // namespace wicket
