// SASL PLAIN as it comes over the wire (RFC 4616, base64 of RFC 4648). A pure parser: any thread, linear
// time, bounded by sasl_plain_limit_octets.
#pragma once

#include "auth/password.hpp"
#include "auth/secret.hpp"

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace wicket {

// RFC 4616 section 2 wants 255 octets of each identity taken; ours are mail addresses, which end there too.
inline constexpr std::size_t sasl_field_limit_octets = 255;
// Base64 of two such fields, a password and two NULs.
inline constexpr std::size_t sasl_plain_limit_octets =
    (2 * sasl_field_limit_octets + password_limit_octets + 2 + 2) / 3 * 4;

enum class SaslFault : std::uint8_t {
    too_long,
    bad_base64,
    bad_message,     // not two NULs, an empty field, or not UTF-8
    other_identity,  // asks to act for somebody else, which nobody may
};

struct PlainCredentials {
    std::string login;
    Secret password;
};

/// Reads a client's response. The authorization identity must be empty or equal to the login, ASCII case
/// aside.
std::expected<PlainCredentials, SaslFault> parse_sasl_plain(std::string_view response);

}  // namespace wicket
