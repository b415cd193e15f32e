#include "auth/base64.hpp"

#include <array>
#include <cstdint>

namespace wicket {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t not_in_alphabet = 0xFF;

consteval std::array<std::uint8_t, 256> make_values() {
    std::array<std::uint8_t, 256> values{};
    values.fill(not_in_alphabet);
    for (std::size_t at = 0; at < alphabet.size(); ++at)
        values[static_cast<unsigned char>(alphabet[at])] = static_cast<std::uint8_t>(at);
    return values;
}

constexpr auto values = make_values();

}  // namespace

std::string encode_base64(std::string_view octets) {
    std::string text;
    text.reserve((octets.size() + 2) / 3 * 4);
    for (std::size_t at = 0; at < octets.size(); at += 3) {
        const std::string_view group = octets.substr(at, 3);
        std::uint32_t bits = 0;
        for (std::size_t i = 0; i < 3; ++i)
            bits = (bits << 8U) | (i < group.size() ? static_cast<unsigned char>(group[i]) : 0U);
        for (std::size_t i = 0; i < 4; ++i)
            text += i <= group.size() ? alphabet[(bits >> (18U - 6U * i)) & 0x3FU] : '=';
    }
    return text;
}

std::optional<std::string> decode_base64(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    std::size_t padding = 0;
    while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=')
        ++padding;
    const std::string_view digits = text.substr(0, text.size() - padding);

    std::string octets;
    octets.reserve(text.size() / 4 * 3);
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (const char c : digits) {
        const std::uint8_t value = values[static_cast<unsigned char>(c)];
        if (value == not_in_alphabet) return std::nullopt;
        bits = (bits << 6U) | value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            octets += static_cast<char>((bits >> count) & 0xFFU);
            bits &= (1U << count) - 1U;
        }
    }
    // RFC 4648 section 3.5: the bits that padding leaves over are zero, or two texts would mean one value.
    if (bits != 0) return std::nullopt;
    return octets;
}

}  // namespace wicket
