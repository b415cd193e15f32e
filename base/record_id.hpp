// The id that every transaction, and every connection that ended without one, is known by.
// 100 bits as 20 characters of base32hex (RFC 4648 section 7): 48 bits of milliseconds, 16 of the node,
// 32 random, 4 zero; so ids sort by time as text. Any thread.
#pragma once

#include "base/clock.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wicket {

class RecordId {
public:
    static constexpr std::size_t text_length = 20;

    RecordId() = default;
    static RecordId make(WallTime time, std::uint16_t node, std::uint32_t random);
    /// Exactly 20 characters, upper or lower case; nullopt otherwise.
    static std::optional<RecordId> parse(std::string_view text);
    /// The least id whose time is not before `time`: where a range begins.
    static RecordId first_at(WallTime time) { return make(time, 0, 0); }

    std::string to_string() const;
    WallTime time() const;
    /// 13 octets, most significant first, the last 4 bits of the last zero: keys that sort by time.
    const std::array<unsigned char, 13>& octets() const { return octets_; }
    static std::optional<RecordId> from_octets(std::string_view octets);

    bool is_null() const { return *this == RecordId(); }
    auto operator<=>(const RecordId&) const = default;

private:
    std::array<unsigned char, 13> octets_{};
};

}  // namespace wicket
