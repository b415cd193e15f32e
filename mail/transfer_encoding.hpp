// Content-Transfer-Encoding (RFC 2045 section 6), read as tolerantly as mail programs do: what does not
// belong there is passed over, never an error. Pure; linear; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace wicket {

enum class TransferEncoding : std::uint8_t {
    identity,  // 7bit, 8bit, binary, none, and what nobody knows
    base64,
    quoted_printable,
};

/// Of the value of a Content-Transfer-Encoding field.
TransferEncoding parse_transfer_encoding(std::string_view value);

struct DecodedOctets {
    std::string octets;
    bool is_cut = false;  // there were more than the limit
};
/// At most `limit` octets.
DecodedOctets decode_transfer(std::string_view encoded, TransferEncoding encoding, std::size_t limit);

/// 0 to 63; -1 for what is not in the alphabet of RFC 4648 section 4.
int base64_digit(char c);

}  // namespace wicket
