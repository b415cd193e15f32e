#include "base/record_id.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace wicket {
namespace {

// RFC 4648 section 7
constexpr std::string_view alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUV";
constexpr std::size_t bits_per_character = 5;
constexpr std::size_t time_octets = 6;
constexpr std::int64_t latest_millis = (std::int64_t{1} << (8 * time_octets)) - 1;

std::optional<unsigned> value_of(char c) {
    const char lower = lower_case(c);
    if (is_digit(lower)) return static_cast<unsigned>(lower - '0');
    if (lower >= 'a' && lower <= 'v') return static_cast<unsigned>(lower - 'a' + 10);
    return std::nullopt;
}

}  // namespace

RecordId RecordId::make(WallTime time, std::uint16_t node, std::uint32_t random) {
    const auto since_1970 = std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count();
    const auto millis = static_cast<std::uint64_t>(std::clamp<std::int64_t>(since_1970, 0, latest_millis));
    RecordId id;
    for (std::size_t at = 0; at < time_octets; ++at)
        id.octets_[at] = static_cast<unsigned char>(millis >> (8 * (time_octets - 1 - at)));
    id.octets_[6] = static_cast<unsigned char>(node >> 8U);
    id.octets_[7] = static_cast<unsigned char>(node);
    for (std::size_t at = 0; at < 4; ++at)
        id.octets_[8 + at] = static_cast<unsigned char>(random >> (8 * (3 - at)));
    return id;
}

std::optional<RecordId> RecordId::parse(std::string_view text) {
    if (text.size() != text_length) return std::nullopt;
    RecordId id;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const auto value = value_of(text[at]);
        if (!value) return std::nullopt;
        for (std::size_t bit = 0; bit < bits_per_character; ++bit) {
            if ((*value >> (bits_per_character - 1 - bit) & 1U) == 0) continue;
            const std::size_t position = at * bits_per_character + bit;
            id.octets_[position / 8] |= static_cast<unsigned char>(0x80U >> (position % 8));
        }
    }
    // One id has one text: what is beyond the 96 bits must be zero.
    if (id.octets_.back() != 0) return std::nullopt;
    return id;
}

std::string RecordId::to_string() const {
    std::string text(text_length, '0');
    for (std::size_t at = 0; at < text_length; ++at) {
        const std::size_t position = at * bits_per_character;
        const std::size_t octet = position / 8;
        const unsigned low = octet + 1 < octets_.size() ? octets_[octet + 1] : 0U;
        const unsigned window = static_cast<unsigned>(octets_[octet] << 8U) | low;
        text[at] = alphabet[window >> (16 - bits_per_character - position % 8) & 0x1FU];
    }
    return text;
}

WallTime RecordId::time() const {
    std::uint64_t millis = 0;
    for (std::size_t at = 0; at < time_octets; ++at)
        millis = millis << 8U | octets_[at];
    return WallTime(std::chrono::milliseconds(static_cast<std::int64_t>(millis)));
}

std::optional<RecordId> RecordId::from_octets(std::string_view octets) {
    RecordId id;
    if (octets.size() != id.octets_.size() || octets.back() != '\0') return std::nullopt;
    std::ranges::transform(octets, id.octets_.begin(), [](char c) { return static_cast<unsigned char>(c); });
    return id;
}

}  // namespace wicket
