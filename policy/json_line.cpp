#include "policy/json_line.hpp"

#include "base/text.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fmt/format.h>
#include <iterator>
#include <string_view>

namespace wicket {
namespace {

/// Of a character of one to three octets in UTF-8.
std::uint32_t code_point(std::string_view character) {
    const auto bits = [character](std::size_t at, std::uint32_t mask) {
        return static_cast<std::uint8_t>(character[at]) & mask;
    };
    if (character.size() == 1) return bits(0, 0x7F);
    if (character.size() == 2) return bits(0, 0x1F) << 6U | bits(1, 0x3F);
    return bits(0, 0x0F) << 12U | bits(1, 0x3F) << 6U | bits(2, 0x3F);
}

}  // namespace

std::string json_line(const boost::json::value& value) {
    constexpr char del = '\x7F';
    std::string json = boost::json::serialize(value);
    if (std::ranges::all_of(json, [](char c) { return c != del && is_ascii(c); })) return json;
    std::string line;
    line.reserve(json.size() + 16);
    // Only strings hold such characters, so the escapes stand where they may.
    for (std::string_view rest = json; !rest.empty();) {
        const std::size_t length = is_ascii(rest.front()) ? 1 : std::max<std::size_t>(utf8_length(rest), 1);
        const std::string_view character = rest.substr(0, length);
        rest.remove_prefix(length);
        if (character.front() == del || is_deceptive(character))
            fmt::format_to(std::back_inserter(line), "\\u{:04X}", code_point(character));
        else
            line += character;
    }
    return line;
}

boost::json::value json_number(double number) {
    if (std::abs(number) < 1e15 && number == std::floor(number)) return static_cast<std::int64_t>(number);
    return number;
}

}  // namespace wicket
