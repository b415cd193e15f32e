#include "mail/charset.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <array>

namespace wicket {
namespace {

constexpr char32_t replacement_character = 0xFFFD;

// The Encoding standard's windows-1252, which is what mail that says ISO-8859-1 is written in: 0x80 to 0x9F.
constexpr std::array<char16_t, 32> windows_1252 = {
    0x20AC, 0x81,   0x201A, 0x192,  0x201E, 0x2026, 0x2020, 0x2021, 0x2C6,  0x2030, 0x160,
    0x2039, 0x152,  0x8D,   0x17D,  0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x2DC,  0x2122, 0x161,  0x203A, 0x153,  0x9D,   0x17E,  0x178,
};

std::size_t ascii_prefix(std::string_view text) {
    return static_cast<std::size_t>(
        std::ranges::find_if(text, [](char c) { return !is_ascii(c); }) - text.begin()
    );
}

bool is_utf8(std::string_view text) {
    for (text.remove_prefix(ascii_prefix(text)); !text.empty(); text.remove_prefix(ascii_prefix(text))) {
        const std::size_t length = utf8_length(text);
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

/// Octets that are no UTF-8 as U+FFFD.
std::string repaired_utf8(std::string_view text) {
    std::string repaired;
    repaired.reserve(text.size());
    while (!text.empty()) {
        const std::size_t plain = ascii_prefix(text);
        repaired += text.substr(0, plain);
        text.remove_prefix(plain);
        if (text.empty()) break;
        const std::size_t length = utf8_length(text);
        if (length == 0)
            append_utf8(replacement_character, repaired);
        else
            repaired += text.substr(0, length);
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return repaired;
}

std::string decode_western(std::string_view octets) {
    std::string text;
    text.reserve(octets.size());
    for (const char c : octets) {
        const auto octet = static_cast<unsigned char>(c);
        const bool is_moved = octet >= 0x80 && octet < 0xA0;
        append_utf8(is_moved ? char32_t{windows_1252[octet - 0x80U]} : char32_t{octet}, text);
    }
    return text;
}

enum class ByteOrder : std::uint8_t { big, little };

class WideReader {
public:
    WideReader(std::string_view octets, std::size_t width, ByteOrder order)
        : octets_(octets), width_(width), order_(order) {}

    bool has_next() const { return octets_.size() >= width_; }
    char32_t next() {
        const char32_t unit = peek();
        octets_.remove_prefix(width_);
        return unit;
    }
    char32_t peek() const {
        char32_t unit = 0;
        for (std::size_t at = 0; at < width_; ++at) {
            const std::size_t from = order_ == ByteOrder::big ? at : width_ - 1 - at;
            unit = (unit << 8U) | static_cast<unsigned char>(octets_[from]);
        }
        return unit;
    }

private:
    std::string_view octets_;
    std::size_t width_;
    ByteOrder order_;
};

/// RFC 2781 section 2.2, and UTF-32.
std::string decode_wide(std::string_view octets, std::size_t width, ByteOrder order) {
    std::string text;
    text.reserve(octets.size() / width);
    WideReader units(octets, width, order);
    while (units.has_next()) {
        char32_t character = units.next();
        const bool is_first_half = width == 2 && character >= 0xD800 && character < 0xDC00;
        if (is_first_half && units.has_next() && units.peek() >= 0xDC00 && units.peek() < 0xE000)
            character = 0x10000 + ((character - 0xD800) << 10U) + (units.next() - 0xDC00);
        append_utf8(character, text);
    }
    return text;
}

struct WideCharset {
    std::string_view name;
    std::size_t width;
    ByteOrder order;
};
constexpr std::array wide_charsets = {
    WideCharset{"utf-16",          2, ByteOrder::big   }, // RFC 2781 section 4.3
    WideCharset{"utf-16be",        2, ByteOrder::big   },
    WideCharset{"utf-16le",        2, ByteOrder::little},
    WideCharset{"utf-32",          4, ByteOrder::big   },
    WideCharset{"utf-32be",        4, ByteOrder::big   },
    WideCharset{"utf-32le",        4, ByteOrder::little},
    WideCharset{"iso-10646-ucs-2", 2, ByteOrder::big   },
    WideCharset{"unicode",         2, ByteOrder::little},
};

constexpr std::array western_names = {
    std::string_view("iso-8859-1"),
    std::string_view("iso8859-1"),
    std::string_view("iso_8859-1"),
    std::string_view("latin1"),
    std::string_view("windows-1252"),
    std::string_view("cp1252"),
};

/// RFC 2231 section 5: a language may follow after a "*".
std::string canonical_name(std::string_view charset) {
    charset = trimmed(charset.substr(0, charset.find('*')));
    if (charset.size() > 1 && (charset.front() == '"' || charset.front() == '\'')) charset.remove_prefix(1);
    if (!charset.empty() && (charset.back() == '"' || charset.back() == '\'')) charset.remove_suffix(1);
    return lower_case(charset);
}

/// A byte order mark says what it is, whatever the header says.
std::optional<std::string> decode_by_mark(std::string_view octets) {
    if (octets.starts_with("\xEF\xBB\xBF")) return repaired_utf8(octets.substr(3));
    using namespace std::string_view_literals;
    if (octets.starts_with("\xFF\xFE\0\0"sv)) return decode_wide(octets.substr(4), 4, ByteOrder::little);
    if (octets.starts_with("\0\0\xFE\xFF"sv)) return decode_wide(octets.substr(4), 4, ByteOrder::big);
    if (octets.starts_with("\xFF\xFE")) return decode_wide(octets.substr(2), 2, ByteOrder::little);
    if (octets.starts_with("\xFE\xFF")) return decode_wide(octets.substr(2), 2, ByteOrder::big);
    return std::nullopt;
}

}  // namespace

void append_utf8(char32_t character, std::string& to) {
    if (character > 0x10FFFF || (character >= 0xD800 && character < 0xE000))
        character = replacement_character;
    const auto tail = [&to, character](unsigned shift) {
        to += static_cast<char>(0x80U | ((character >> shift) & 0x3FU));
    };
    if (character < 0x80) {
        to += static_cast<char>(character);
    } else if (character < 0x800) {
        to += static_cast<char>(0xC0U | (character >> 6U));
        tail(0);
    } else if (character < 0x10000) {
        to += static_cast<char>(0xE0U | (character >> 12U));
        tail(6);
        tail(0);
    } else {
        to += static_cast<char>(0xF0U | (character >> 18U));
        tail(12);
        tail(6);
        tail(0);
    }
}

Utf8Character first_character(std::string_view text) {
    if (text.empty()) return {0, 0};
    if (is_ascii(text.front())) return {static_cast<unsigned char>(text.front()), 1};
    const std::size_t length = utf8_length(text);
    if (length == 0) return {replacement_character, 1};
    char32_t value = static_cast<unsigned char>(text.front()) & (0xFFU >> (length + 1));
    for (std::size_t at = 1; at < length; ++at)
        value = (value << 6U) | (static_cast<unsigned char>(text[at]) & 0x3FU);
    return {value, length};
}

std::string decode_text(std::string_view octets, std::string_view charset, const CharsetDecoder* others) {
    if (auto marked = decode_by_mark(octets)) return std::move(*marked);
    const std::string name = canonical_name(charset);
    const auto* const wide = std::ranges::find(wide_charsets, name, &WideCharset::name);
    if (wide != wide_charsets.end()) return decode_wide(octets, wide->width, wide->order);
    if (name == "utf-8" || name == "utf8") return repaired_utf8(octets);
    if (std::ranges::find(western_names, name) != western_names.end()) return decode_western(octets);
    const bool says_something = !name.empty() && name != "us-ascii" && name != "ascii";
    if (says_something && others != nullptr) {
        if (auto decoded = others->decode(name, octets)) return repaired_utf8(*decoded);
    }
    return is_utf8(octets) ? std::string(octets) : decode_western(octets);
}

}  // namespace wicket
