#include "mail/transfer_encoding.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace wicket {
namespace {

DecodedOctets decode_base64_loosely(std::string_view encoded, std::size_t limit) {
    DecodedOctets decoded;
    decoded.octets.reserve(std::min(limit, encoded.size() / 4 * 3 + 3));
    unsigned bits = 0;
    unsigned held = 0;
    for (const char c : encoded) {
        if (c == '=') {
            // What is padded may be followed by more: texts that were encoded in pieces.
            bits = held = 0;
            continue;
        }
        const int digit = base64_digit(c);
        if (digit < 0) continue;
        bits = ((bits << 6U) | static_cast<unsigned>(digit)) & 0xFFFU;
        held += 6;
        if (held < 8) continue;
        held -= 8;
        if (decoded.octets.size() == limit) {
            decoded.is_cut = true;
            break;
        }
        decoded.octets += static_cast<char>((bits >> held) & 0xFFU);
    }
    return decoded;
}

/// How many octets a soft line break at the beginning of `rest` takes; 0 if there is none. RFC 2045 section
/// 6.7: white space may follow the "=".
std::size_t soft_break(std::string_view rest) {
    std::size_t at = 1;
    while (at < rest.size() && is_wsp(rest[at]))
        ++at;
    if (at < rest.size() && rest[at] == '\r') ++at;
    if (at < rest.size() && rest[at] == '\n') return at + 1;
    return at == rest.size() ? at : 0;
}

DecodedOctets decode_quoted_printable(std::string_view encoded, std::size_t limit) {
    DecodedOctets decoded;
    decoded.octets.reserve(std::min(limit, encoded.size()));
    while (!encoded.empty()) {
        std::size_t taken = std::min(encoded.find('='), encoded.size());
        if (taken > 0) {
            const std::size_t room = limit - decoded.octets.size();
            decoded.octets += encoded.substr(0, std::min(taken, room));
            if (taken > room) {
                decoded.is_cut = true;
                return decoded;
            }
            encoded.remove_prefix(taken);
            continue;
        }
        taken = soft_break(encoded);
        if (taken == 0) {
            if (decoded.octets.size() == limit) {
                decoded.is_cut = true;
                return decoded;
            }
            const int high = encoded.size() > 2 ? hex_digit(encoded[1]) : -1;
            const int low = encoded.size() > 2 ? hex_digit(encoded[2]) : -1;
            const bool is_octet = high >= 0 && low >= 0;
            decoded.octets += is_octet ? static_cast<char>(high * 16 + low) : '=';
            taken = is_octet ? 3 : 1;
        }
        encoded.remove_prefix(taken);
    }
    return decoded;
}

}  // namespace

int base64_digit(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (is_digit(c)) return c - '0' + 52;
    if (c == '+') return 62;
    return c == '/' ? 63 : -1;
}

TransferEncoding parse_transfer_encoding(std::string_view value) {
    const std::string_view word = trimmed(value.substr(0, value.find_first_of("(;")));
    if (equal_ignoring_case(word, "base64")) return TransferEncoding::base64;
    if (equal_ignoring_case(word, "quoted-printable")) return TransferEncoding::quoted_printable;
    return TransferEncoding::identity;
}

DecodedOctets decode_transfer(std::string_view encoded, TransferEncoding encoding, std::size_t limit) {
    if (encoding == TransferEncoding::base64) return decode_base64_loosely(encoded, limit);
    if (encoding == TransferEncoding::quoted_printable) return decode_quoted_printable(encoded, limit);
    return {std::string(encoded.substr(0, limit)), encoded.size() > limit};
}

}  // namespace wicket
