#include "mail/field_writer.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace wicket {
namespace {

// RFC 5322 section 2.1.1: lines should be no longer, without CRLF.
constexpr std::size_t fold_column = 78;
// A word that cannot be folded is cut off there: RFC 5322 section 2.1.1 allows no line over 998 octets.
constexpr std::size_t piece_limit_octets = 900;

bool is_control(char c) {
    return static_cast<unsigned char>(c) < ' ' || c == '\x7F';
}

}  // namespace

std::string printable(std::string_view text, std::size_t limit_octets) {
    std::string safe;
    safe.reserve(std::min(text.size(), limit_octets));
    while (!text.empty()) {
        const std::size_t multi = is_ascii(text[0]) ? 0 : utf8_length(text);
        const std::size_t length = std::max<std::size_t>(multi, 1);
        if (safe.size() + length > limit_octets) break;
        const bool is_kept = is_ascii(text[0]) ? !is_control(text[0]) : multi != 0;
        if (is_kept)
            safe += text.substr(0, length);
        else
            safe += '?';
        text.remove_prefix(length);
    }
    return safe;
}

std::string quoted(std::string_view text, std::size_t limit_octets) {
    const std::string safe = printable(text, limit_octets);
    std::string_view rest = safe;
    std::string result = "\"";
    std::size_t left = limit_octets;
    while (!rest.empty()) {
        const std::size_t length = is_ascii(rest[0]) ? 1 : utf8_length(rest);
        const bool is_escaped = rest[0] == '"' || rest[0] == '\\';
        if (length + (is_escaped ? 1 : 0) > left) break;
        if (is_escaped) result += '\\';
        result += rest.substr(0, length);
        left -= length + (is_escaped ? 1 : 0);
        rest.remove_prefix(length);
    }
    return result += '"';
}

FieldWriter::FieldWriter(std::string_view name) : text_(name), column_(name.size() + 1) {
    text_ += ':';
}

void FieldWriter::add(std::string_view piece) {
    if (column_ + 1 + piece.size() > fold_column) {
        text_ += "\r\n\t";
        column_ = 1;
    } else {
        text_ += ' ';
        ++column_;
    }
    append(piece);
}

void FieldWriter::append(std::string_view piece) {
    const std::string safe = printable(piece, piece_limit_octets);
    text_ += safe;
    column_ += safe.size();
}

std::string FieldWriter::finish() {
    text_ += "\r\n";
    return std::move(text_);
}

std::string text_field(std::string_view name, std::string_view value) {
    // RFC 5322 section 3.6.8
    const auto is_ftext = [](char c) { return c > ' ' && c <= '~' && c != ':'; };
    if (name.empty() || name.size() >= fold_column || !std::ranges::all_of(name, is_ftext)) return {};
    FieldWriter field(name);
    // Control octets first: a line end within a word is no place to fold.
    const std::string safe = printable(value, value.size());
    std::string_view rest = safe;
    while (!rest.empty()) {
        const std::size_t end = std::min({rest.find(' '), rest.size()});
        if (end > 0) field.add(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return field.finish();
}

}  // namespace wicket
