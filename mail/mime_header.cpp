#include "mail/mime_header.hpp"

#include "base/text.hpp"
#include "mail/header.hpp"
#include "mail/transfer_encoding.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace wicket {
namespace {

/// RFC 2045 section 5.1, tolerantly: what ends a word here.
bool ends_mime_token(char c) {
    return is_fws(c) || c == ';' || c == '=' || c == '"' || c == '(';
}

class MimeValueReader {
public:
    explicit MimeValueReader(std::string_view value) : value_(value) {}

    /// Up to a ";" or "=", without comments and white space around it.
    std::string token() {
        skip_blank();
        const std::size_t begin = at_;
        while (at_ < value_.size() && !ends_mime_token(value_[at_]))
            ++at_;
        std::string word = lower_case(value_.substr(begin, at_ - begin));
        skip_blank();
        return word;
    }

    std::string parameter_value() {
        skip_blank();
        if (at_ < value_.size() && value_[at_] == '"') return quoted_text();
        const std::size_t begin = at_;
        // More than a token has: "=" and "/" stand unquoted in many a boundary.
        while (at_ < value_.size() && !is_fws(value_[at_]) && value_[at_] != ';')
            ++at_;
        return std::string(value_.substr(begin, at_ - begin));
    }

    bool take(char c) {
        if (at_ == value_.size() || value_[at_] != c) return false;
        ++at_;
        return true;
    }

    /// Past the next ";"; false at the end.
    bool next_parameter() {
        while (at_ < value_.size() && value_[at_] != ';') {
            if (value_[at_] == '"')
                quoted_text();
            else
                ++at_;
        }
        return take(';');
    }

private:
    void skip_blank() {
        std::size_t depth = 0;
        for (; at_ < value_.size(); ++at_) {
            const char c = value_[at_];
            if (c == '(')
                ++depth;
            else if (c == ')' && depth > 0)
                --depth;
            else if (c == '\\' && depth > 0 && at_ + 1 < value_.size())
                ++at_;
            else if (depth == 0 && !is_fws(c))
                return;
        }
    }

    std::string quoted_text() {
        std::string text;
        for (++at_; at_ < value_.size(); ++at_) {
            char c = value_[at_];
            if (c == '"') {
                ++at_;
                break;
            }
            if (c == '\\' && at_ + 1 < value_.size()) c = value_[++at_];
            if (c != '\r' && c != '\n') text += c;
        }
        return text;
    }

    std::string_view value_;
    std::size_t at_ = 0;
};

/// One section of a parameter, as it stands.
struct ParameterSection {
    std::string name;
    std::size_t position = 0;  // among all
    unsigned number = 0;
    bool is_encoded = false;
    bool is_extended = false;
    std::string value;
};

/// RFC 2231 sections 3 and 4: name*2*=value.
ParameterSection read_section(std::string name, std::string value, std::size_t position) {
    ParameterSection section{.name = std::move(name), .position = position, .value = std::move(value)};
    const std::size_t star = section.name.find('*');
    if (star == std::string::npos) return section;
    std::string_view rest = std::string_view(section.name).substr(star + 1);
    section.is_extended = true;
    if (rest.empty() || rest.ends_with('*')) {
        section.is_encoded = true;
        if (!rest.empty()) rest.remove_suffix(1);
    }
    std::from_chars(rest.data(), rest.data() + rest.size(), section.number);
    section.name.resize(star);
    return section;
}

/// Puts the sections of each name together, in the order of their numbers.
std::vector<MimeParameter> put_together(std::vector<ParameterSection> sections) {
    std::ranges::sort(sections, {}, [](const ParameterSection& one) {
        return std::pair(one.number, one.position);
    });
    std::vector<MimeParameter> parameters;
    for (ParameterSection& section : sections) {
        auto known = std::ranges::find(parameters, section.name, &MimeParameter::name);
        const bool is_first = known == parameters.end();
        // The first of a name counts; one that says it in RFC 2231's way is the better one.
        if (!is_first && (!section.is_extended || (section.number == 0 && known->is_extended))) continue;
        std::string_view value = section.value;
        std::string charset;
        if (section.is_encoded && section.number == 0) {
            // RFC 2231 section 4: charset'language'text.
            const std::size_t first = value.find('\'');
            const std::size_t second = first == std::string_view::npos ? first : value.find('\'', first + 1);
            if (second != std::string_view::npos) {
                charset = value.substr(0, first);
                value.remove_prefix(second + 1);
            }
        }
        std::string octets = section.is_encoded ? decode_percent(value) : std::string(value);
        if (is_first) {
            parameters.push_back(
                {std::move(section.name), std::move(octets), std::move(charset), section.is_extended}
            );
        } else if (section.number == 0) {
            known->value = std::move(octets);
            known->charset = std::move(charset);
            known->is_extended = true;
        } else {
            known->value += octets;
            known->is_extended = true;
        }
    }
    return parameters;
}

// A charset's name with a language after it; longer ones are no encoded word.
constexpr std::size_t word_charset_limit_octets = 64;

struct EncodedWord {
    std::string_view charset;
    std::string octets;
    std::size_t end;  // in the text that it stands in
};

/// RFC 2047 section 2, but longer words and white space in them are read, too: mail programs do.
class WordReader {
public:
    explicit WordReader(std::string_view text) : text_(text) {}

    /// The word that begins at `at`, where "=?" stands.
    std::optional<EncodedWord> read(std::size_t at) {
        const std::string_view head = text_.substr(at + 2, word_charset_limit_octets + 3);
        const std::size_t mark = head.find('?');
        if (mark == std::string_view::npos || mark + 2 >= head.size() || head[mark + 2] != '?')
            return std::nullopt;
        const char kind = lower_case(head[mark + 1]);
        if (mark == 0 || (kind != 'b' && kind != 'q')) return std::nullopt;
        const std::size_t begin = at + 2 + mark + 3;
        // Looked for once: without another end there is none for any further word either.
        const std::size_t end = has_ends_ ? text_.find("?=", begin) : std::string_view::npos;
        if (end == std::string_view::npos) {
            has_ends_ = false;
            return std::nullopt;
        }
        const std::string_view content = text_.substr(begin, end - begin);
        return EncodedWord{
            head.substr(0, mark), kind == 'b' ? from_base64(content) : from_q(content), end + 2
        };
    }

private:
    static std::string from_base64(std::string_view content) {
        return decode_transfer(content, TransferEncoding::base64, content.size()).octets;
    }
    /// RFC 2047 section 4.2.
    static std::string from_q(std::string_view content) {
        std::string spaced(content);
        std::ranges::replace(spaced, '_', ' ');
        return decode_transfer(spaced, TransferEncoding::quoted_printable, spaced.size()).octets;
    }

    std::string_view text_;
    bool has_ends_ = true;
};

bool is_blank_only(std::string_view text) {
    return std::ranges::all_of(text, is_wsp);
}

}  // namespace

const MimeParameter* MimeValue::find(std::string_view name) const {
    const auto found = std::ranges::find(parameters, name, &MimeParameter::name);
    return found == parameters.end() ? nullptr : &*found;
}

std::string_view MimeValue::get(std::string_view name) const {
    const MimeParameter* const found = find(name);
    return found == nullptr ? std::string_view() : std::string_view(found->value);
}

MimeValue parse_mime_value(std::string_view value) {
    MimeValue parsed;
    MimeValueReader reader(value);
    parsed.word = reader.token();
    std::vector<ParameterSection> sections;
    while (sections.size() < mime_parameters_limit && reader.next_parameter()) {
        std::string name = reader.token();
        if (name.empty() || !reader.take('=')) continue;
        sections.push_back(read_section(std::move(name), reader.parameter_value(), sections.size()));
    }
    parsed.parameters = put_together(std::move(sections));
    return parsed;
}

std::string decode_words(std::string_view value, const CharsetDecoder* others) {
    const std::string plain = unfold(value);
    std::string decoded;
    // Octets of words of one charset that follow one another: a character may begin in one and end in the
    // next.
    std::string octets;
    std::string_view charset;
    bool is_after_word = false;
    const auto flush = [&] {
        if (!octets.empty()) decoded += decode_text(octets, charset, others);
        octets.clear();
    };
    WordReader words(plain);
    std::size_t plain_begin = 0;
    std::size_t at = plain.find("=?");
    while (at != std::string::npos) {
        auto word = words.read(at);
        if (!word) {
            at = plain.find("=?", at + 2);
            continue;
        }
        const std::string_view between = std::string_view(plain).substr(plain_begin, at - plain_begin);
        // RFC 2047 section 6.2: white space between words is not shown.
        if (!is_after_word || !is_blank_only(between)) {
            flush();
            decoded += decode_text(between, "", nullptr);
        }
        if (word->charset != charset) flush();
        charset = word->charset;
        octets += word->octets;
        is_after_word = true;
        plain_begin = word->end;
        at = plain.find("=?", plain_begin);
    }
    flush();
    decoded += decode_text(std::string_view(plain).substr(plain_begin), "", nullptr);
    return decoded;
}

}  // namespace wicket
