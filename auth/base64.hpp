// Base64 (RFC 4648 section 4) as SASL and SCRAM use it: with padding, without white space, and strict, so
// that one value has one text. Pure functions: any thread, linear time.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace wicket {

/// With padding, without line breaks.
std::string encode_base64(std::string_view octets);

/// nullopt for anything that encode_base64 would not have made: other characters, missing padding, stray
/// bits.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace wicket
