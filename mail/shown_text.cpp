#include "mail/shown_text.hpp"

#include "base/text.hpp"
#include "mail/charset.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace wicket {
namespace {

struct CharacterRange {
    char32_t first;
    char32_t last;
};

// Unicode's Default_Ignorable_Code_Point, as far as mail uses it to part words that look whole.
constexpr std::array invisible_ranges = {
    CharacterRange{0xAD,    0xAD   }, // soft hyphen
    CharacterRange{0x34F,   0x34F  },
    CharacterRange{0x61C,   0x61C  },
    CharacterRange{0x115F,  0x1160 },
    CharacterRange{0x17B4,  0x17B5 },
    CharacterRange{0x180B,  0x180F },
    CharacterRange{0x200B,  0x200F },
    CharacterRange{0x202A,  0x202E },
    CharacterRange{0x2060,  0x206F },
    CharacterRange{0xFE00,  0xFE0F },
    CharacterRange{0xFEFF,  0xFEFF },
    CharacterRange{0xE0000, 0xE0FFF},
};

// Unicode's White_Space beyond ASCII.
constexpr std::array space_ranges = {
    CharacterRange{0x85,   0x85  },
    CharacterRange{0xA0,   0xA0  },
    CharacterRange{0x1680, 0x1680},
    CharacterRange{0x2000, 0x200A},
    CharacterRange{0x2028, 0x2029},
    CharacterRange{0x202F, 0x202F},
    CharacterRange{0x205F, 0x205F},
    CharacterRange{0x3000, 0x3000},
};

template <std::size_t count>
bool is_within(char32_t character, const std::array<CharacterRange, count>& ranges) {
    return std::ranges::any_of(ranges, [character](const CharacterRange& range) {
        return character >= range.first && character <= range.last;
    });
}

bool is_ascii_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0';
}

bool is_plain_visible(char c) {
    return is_ascii(c) && !is_ascii_space(c);
}

}  // namespace

void ShownText::write(std::string_view piece) {
    if (!text_.empty() && gap_ != Gap::none) text_ += gap_ == Gap::line ? '\n' : ' ';
    gap_ = Gap::none;
    text_ += piece;
}

void ShownText::append(std::string_view text) {
    while (!text.empty()) {
        const auto end = std::ranges::find_if_not(text, is_plain_visible);
        const auto plain = static_cast<std::size_t>(end - text.begin());
        if (plain > 0) write(text.substr(0, plain));
        text.remove_prefix(plain);
        if (text.empty()) return;
        if (is_ascii_space(text.front())) {
            space();
            text.remove_prefix(1);
            continue;
        }
        const Utf8Character next = first_character(text);
        if (is_within(next.value, space_ranges))
            space();
        else if (!is_within(next.value, invisible_ranges))
            write(text.substr(0, next.length));
        text.remove_prefix(next.length);
    }
}

void ShownText::space() {
    if (gap_ == Gap::none) gap_ = Gap::space;
}

void ShownText::end_line() {
    gap_ = Gap::line;
}

std::string ShownText::take() {
    gap_ = Gap::none;
    return std::exchange(text_, {});
}

void append_plain_text(std::string_view text, ShownText& to) {
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        if (std::ranges::all_of(line, is_ascii_space))
            to.end_line();
        else
            to.append(line);
        to.space();
        if (end == std::string_view::npos) return;
        text.remove_prefix(end + 1);
    }
}

std::string without_invisible(std::string_view text) {
    std::string visible;
    visible.reserve(text.size());
    while (!text.empty()) {
        const Utf8Character next = first_character(text);
        if (next.value < 0x80 || !is_within(next.value, invisible_ranges))
            visible += text.substr(0, next.length);
        text.remove_prefix(next.length);
    }
    return visible;
}

}  // namespace wicket
