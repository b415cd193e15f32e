#include "access/downgrade.hpp"

#include "auth/base64.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace wicket {
namespace {

// RFC 6858 section 2.1.
constexpr std::string_view invalid_address = "<invalid@internationalized-address.invalid>";

// Octets in an encoded word: with the longest field name and charset in front of it, its line stays within
// the 76 characters of RFC 2047 section 2.
constexpr std::size_t word_octets = 27;

// How much is read at a time in search of the end of the headers.
constexpr std::size_t header_piece_octets = 16U << 10U;

enum class FieldForm : std::uint8_t { unstructured, addresses, parameters, other };

struct FieldRow {
    std::string_view name;  // lower case
    FieldForm form;
};

constexpr auto field_table = std::to_array<FieldRow>({
    {"subject",             FieldForm::unstructured},
    {"comments",            FieldForm::unstructured},
    {"keywords",            FieldForm::unstructured},
    {"content-description", FieldForm::unstructured},
    {"from",                FieldForm::addresses   },
    {"sender",              FieldForm::addresses   },
    {"reply-to",            FieldForm::addresses   },
    {"to",                  FieldForm::addresses   },
    {"cc",                  FieldForm::addresses   },
    {"bcc",                 FieldForm::addresses   },
    {"resent-from",         FieldForm::addresses   },
    {"resent-sender",       FieldForm::addresses   },
    {"resent-to",           FieldForm::addresses   },
    {"resent-cc",           FieldForm::addresses   },
    {"resent-bcc",          FieldForm::addresses   },
    {"content-type",        FieldForm::parameters  },
    {"content-disposition", FieldForm::parameters  },
});

FieldForm form_of(std::string_view name) {
    const auto row = std::ranges::find_if(field_table, [name](const FieldRow& candidate) {
        return equal_ignoring_case(candidate.name, name);
    });
    return row == field_table.end() ? FieldForm::other : row->form;
}

bool is_all_ascii(std::string_view text) {
    return std::ranges::all_of(text, is_ascii);
}

/// RFC 5322 section 2.2.3: without the CRLFs of a field's folds.
std::string unfolded(std::string_view text) {
    std::string line;
    line.reserve(text.size());
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text.substr(at, 2) == "\r\n") {
            ++at;
        } else {
            line += text[at];
        }
    }
    return line;
}

bool is_utf8(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = is_ascii(text[at]) ? 1 : utf8_length(text.substr(at));
        if (length == 0) return false;
        at += length;
    }
    return true;
}

/// RFC 2047 section 2: encoded words, one a line. No character is cut (section 5).
std::string encoded_words(std::string_view text) {
    const bool has_characters = is_utf8(text);
    const std::string_view opening = has_characters ? "=?utf-8?B?" : "=?unknown-8bit?B?";
    std::string words;
    while (!text.empty()) {
        std::size_t length = std::min(word_octets, text.size());
        // A character has at most four octets, so this ends.
        while (has_characters && length < text.size() &&
               (static_cast<unsigned char>(text[length]) & 0xC0U) == 0x80U)
            --length;
        if (!words.empty()) words += "\r\n ";
        words += opening;
        words += encode_base64(text.substr(0, length));
        words += "?=";
        text.remove_prefix(length);
    }
    return words;
}

/// The display name as a reader would see it: without the quotes of a quoted-string.
std::string unquoted(std::string_view phrase) {
    std::string text;
    for (std::size_t at = 0; at < phrase.size(); ++at) {
        if (phrase[at] == '"') continue;
        if (phrase[at] == '\\' && at + 1 < phrase.size()) ++at;
        text += phrase[at];
    }
    return text;
}

/// Walks over a field body and tells where each octet stands.
class StructureScanner {
public:
    enum class Place : std::uint8_t {
        top,         // outside quotes, comments, brackets and angle brackets
        open_angle,  // the "<" that opens an address
        inside,
    };

    Place take(char c) {
        if (is_escaped_) {
            is_escaped_ = false;
            return Place::inside;
        }
        if (c == '\\' && (until_ != '\0' || comment_depth_ > 0)) {
            is_escaped_ = true;
            return Place::inside;
        }
        if (until_ != '\0') {
            if (c == until_) until_ = '\0';
            return Place::inside;
        }
        if (c == '(') ++comment_depth_;
        if (comment_depth_ > 0) {
            if (c == ')') --comment_depth_;
            return Place::inside;
        }
        if (c == '"') until_ = '"';
        if (c == '[') until_ = ']';
        if (c == '<') until_ = '>';
        if (until_ == '\0') return Place::top;
        return c == '<' ? Place::open_angle : Place::inside;
    }

private:
    bool is_escaped_ = false;
    char until_ = '\0';  // what ends the quotes or brackets that are open
    std::size_t comment_depth_ = 0;
};

/// Offset of the "<" that opens the address; npos if there is none.
std::size_t find_angle(std::string_view element) {
    StructureScanner scanner;
    for (std::size_t at = 0; at < element.size(); ++at) {
        if (scanner.take(element[at]) == StructureScanner::Place::open_angle) return at;
    }
    return std::string_view::npos;
}

struct Element {
    std::string_view text;  // trimmed
    char separator;         // what ended it; '\0' at the end of the field
};

/// Cuts a field body at those of `separators` that stand at the top.
std::vector<Element> elements_of(std::string_view body, std::string_view separators) {
    std::vector<Element> elements;
    StructureScanner scanner;
    std::size_t begin = 0;
    for (std::size_t at = 0; at < body.size(); ++at) {
        if (scanner.take(body[at]) != StructureScanner::Place::top) continue;
        if (separators.find(body[at]) == std::string_view::npos) continue;
        elements.push_back({trimmed(body.substr(begin, at - begin)), body[at]});
        begin = at + 1;
    }
    elements.push_back({trimmed(body.substr(begin)), '\0'});
    return elements;
}

/// One mailbox of an address list.
std::string downgraded_mailbox(std::string_view element) {
    if (is_all_ascii(element)) return std::string(element);
    const std::size_t angle = find_angle(element);
    if (angle == std::string_view::npos)
        return encoded_words(unquoted(element)) + "\r\n " + std::string(invalid_address);

    const std::string_view name = trimmed(element.substr(0, angle));
    const std::size_t close = element.find('>', angle);
    const std::string_view address =
        element.substr(angle, close == std::string_view::npos ? close : close + 1 - angle);
    if (!is_all_ascii(address)) {
        // RFC 6858 section 2.1: the reader should see who it was, and be unable to answer to the wrong one.
        const std::string shown = name.empty() ? std::string() : unquoted(name) + " ";
        return encoded_words(shown + std::string(address)) + "\r\n " + std::string(invalid_address);
    }
    if (is_all_ascii(name))
        return name.empty() ? std::string(address) : std::string(name) + " " + std::string(address);
    return encoded_words(unquoted(name)) + "\r\n " + std::string(address);
}

std::string downgraded_addresses(std::string_view body) {
    std::string list;
    for (const Element& element : elements_of(body, ",:;")) {
        std::string item;
        if (element.separator == ':') {
            // RFC 5322 section 3.4: the display name of a group.
            item = (is_all_ascii(element.text) ? std::string(element.text)
                                               : encoded_words(unquoted(element.text))) +
                   ":";
        } else {
            if (!element.text.empty()) item = downgraded_mailbox(element.text);
            if (element.separator == ';' || (element.separator == ',' && !item.empty()))
                item += element.separator;
        }
        if (item.empty()) continue;
        if (!list.empty()) list += "\r\n ";
        list += item;
    }
    return list;
}

/// RFC 6858 section 2.2: without the parameters that are not ASCII; empty if the value itself is not.
std::string downgraded_parameters(std::string_view body) {
    const std::vector<Element> elements = elements_of(body, ";");
    if (!is_all_ascii(elements.front().text)) return {};
    std::string value(elements.front().text);
    for (std::size_t at = 1; at < elements.size(); ++at) {
        const std::string_view parameter = elements[at].text;
        if (!parameter.empty() && is_all_ascii(parameter)) value += ";\r\n " + std::string(parameter);
    }
    return value;
}

/// One field with its CRLF; empty if it goes.
std::string downgraded_field(std::string_view field) {
    const std::size_t colon = field.find(':');
    if (colon == std::string_view::npos) return {};
    const std::string_view name = trimmed(field.substr(0, colon));
    if (!is_all_ascii(name)) return {};
    const std::string body = unfolded(trimmed(field.substr(colon + 1)));
    std::string value;
    switch (form_of(name)) {
        case FieldForm::unstructured: value = encoded_words(body); break;
        case FieldForm::addresses: value = downgraded_addresses(body); break;
        case FieldForm::parameters: value = downgraded_parameters(body); break;
        case FieldForm::other: break;
    }
    if (value.empty()) return {};
    return std::string(name) + ": " + value + "\r\n";
}

/// The length of the field that `headers` begins with, folded lines and CRLF included.
std::size_t field_length(std::string_view headers) {
    for (std::size_t at = 0;;) {
        at = headers.find("\r\n", at);
        if (at == std::string_view::npos) return headers.size();
        at += 2;
        if (at == headers.size() || (headers[at] != ' ' && headers[at] != '\t')) return at;
    }
}

char as_ascii(char c) {
    return is_ascii(c) ? c : '?';
}

}  // namespace

std::string downgrade_headers(std::string_view headers) {
    std::string downgraded;
    downgraded.reserve(headers.size());
    while (!headers.empty()) {
        const std::string_view field = headers.substr(0, field_length(headers));
        if (is_all_ascii(field)) {
            downgraded += field;
        } else {
            downgraded += downgraded_field(field);
        }
        headers.remove_prefix(field.size());
    }
    return downgraded;
}

void HeaderDowngrader::feed(std::string_view piece, std::string& out) {
    switch (state_) {
        case State::passing: out += piece; return;
        case State::substituting: substitute(piece, out); return;
        case State::collecting: headers_ += piece; break;
    }
    // The end is an empty line, which may be the first.
    std::size_t end = headers_.starts_with("\r\n") ? 0 : headers_.find("\r\n\r\n", scanned_);
    if (end != 0 && end != std::string::npos) end += 2;
    if (end == std::string::npos && headers_.size() <= downgrade_limit_octets + 2) {
        scanned_ = headers_.size() < 3 ? 0 : headers_.size() - 3;
        return;
    }
    std::string collected;
    collected.swap(headers_);
    if (end == std::string::npos || end > downgrade_limit_octets) {
        state_ = State::substituting;
        substitute(collected, out);
        return;
    }
    state_ = State::passing;
    const std::string_view view(collected);
    out += downgrade_headers(view.substr(0, end));
    out += view.substr(end);
}

void HeaderDowngrader::substitute(std::string_view piece, std::string& out) {
    for (std::size_t at = 0; at < piece.size(); ++at) {
        const char c = piece[at];
        out += as_ascii(c);
        const bool is_next = c == (matched_ % 2 == 0 ? '\r' : '\n');
        if (is_next) {
            ++matched_;
        } else {
            matched_ = c == '\r' ? 1 : 0;
        }
        if (matched_ == 4) {
            state_ = State::passing;
            out += piece.substr(at + 1);
            return;
        }
    }
}

void HeaderDowngrader::finish(std::string& out) {
    if (state_ == State::collecting) {
        std::string collected;
        collected.swap(headers_);
        if (collected.size() > downgrade_limit_octets) {
            substitute(collected, out);
        } else {
            out += downgrade_headers(collected);
        }
    }
    state_ = State::passing;
}

Result<std::uint64_t> downgraded_size(MessageReader& reader) {
    HeaderDowngrader downgrader;
    std::uint64_t taken = 0;
    std::uint64_t made = 0;
    std::string out;
    while (!downgrader.is_past_headers()) {
        const auto piece = reader.next(header_piece_octets);
        if (!piece) return std::unexpected(piece.error());
        out.clear();
        if (piece->empty()) {
            downgrader.finish(out);
        } else {
            downgrader.feed(*piece, out);
        }
        taken += piece->size();
        made += out.size();
    }
    return reader.size_octets() - taken + made;
}

}  // namespace wicket
