#include "mail/header.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace wicket {
namespace {

bool is_line_end(char c) {
    return c == '\r' || c == '\n';
}

// RFC 5322 section 3.6.8: ftext.
bool is_ftext(char c) {
    return c > ' ' && c <= '~' && c != ':';
}

/// RFC 5322 section 3.6: the fields that may stand once at most, in the order of its table.
struct SingularField {
    std::string_view name;
    bool is_required;
};
constexpr std::array singular_fields = {
    SingularField{"date",        true },
    SingularField{"from",        true },
    SingularField{"sender",      false},
    SingularField{"reply-to",    false},
    SingularField{"to",          false},
    SingularField{"cc",          false},
    SingularField{"bcc",         false},
    SingularField{"message-id",  false},
    SingularField{"in-reply-to", false},
    SingularField{"references",  false},
    SingularField{"subject",     false},
};

/// Where the line that begins at `at` ends, after its LF; the size of the text if it has none.
std::size_t line_end(std::string_view text, std::size_t at) {
    const std::size_t newline = text.find('\n', at);
    return newline == std::string_view::npos ? text.size() : newline + 1;
}

std::string_view without_line_end(std::string_view line) {
    if (!line.ends_with('\n')) return line;
    line.remove_suffix(1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

/// The length of the name that a line begins with, and of what stands up to and with the colon; 0 if it is no
/// field.
struct NameSpan {
    std::size_t name = 0;
    std::size_t with_colon = 0;
};

NameSpan scan_name(std::string_view line) {
    std::size_t at = 0;
    while (at < line.size() && is_ftext(line[at]))
        ++at;
    const std::size_t name = at;
    // RFC 5322 section 4.5.3: obsolete fields may have white space before the colon.
    while (at < line.size() && is_wsp(line[at]))
        ++at;
    if (name == 0 || at == line.size() || line[at] != ':') return {};
    return {name, at + 1};
}

/// Reads a token of Received's list of clauses; comments and quoted strings are skipped as a whole.
class ReceivedWords {
public:
    explicit ReceivedWords(std::string_view value) : value_(value) {}

    /// The next word before the ";"; empty at the end.
    std::string_view next() {
        std::size_t begin = at_;
        for (; at_ < value_.size(); ++at_) {
            const char c = value_[at_];
            if (c == '\\' && (depth_ > 0 || is_quoted_)) {
                ++at_;
            } else if (is_quoted_) {
                if (c == '"') is_quoted_ = false;
            } else if (c == '(' || c == ')' || is_wsp(c) || is_line_end(c) || c == ';') {
                const std::string_view word =
                    depth_ == 0 ? value_.substr(begin, at_ - begin) : std::string_view();
                if (!word.empty()) return word;
                if (c == ';' && depth_ == 0) break;
                if (c == '(') ++depth_;
                if (c == ')' && depth_ > 0) --depth_;
                begin = at_ + 1;
            } else if (c == '"' && depth_ == 0) {
                is_quoted_ = true;
            }
        }
        const std::size_t end = std::min(at_, value_.size());
        at_ = value_.size();
        return depth_ == 0 && begin < end ? value_.substr(begin, end - begin) : std::string_view();
    }

private:
    std::string_view value_;
    std::size_t at_ = 0;
    std::size_t depth_ = 0;
    bool is_quoted_ = false;
};

bool is_received_by(std::string_view value, std::string_view hostname) {
    ReceivedWords words(value);
    // Any "by", not the first: a client may greet with that word.
    bool follows_by = false;
    for (std::string_view word = words.next(); !word.empty(); word = words.next()) {
        if (follows_by && equal_ignoring_case(word, hostname)) return true;
        follows_by = equal_ignoring_case(word, "by");
    }
    return false;
}

}  // namespace

bool HeaderField::is(std::string_view wanted_name) const {
    return equal_ignoring_case(name, wanted_name);
}

std::size_t HeaderBlock::count(std::string_view name) const {
    return static_cast<std::size_t>(std::ranges::count_if(fields, [name](const HeaderField& field) {
        return field.is(name);
    }));
}

const HeaderField* HeaderBlock::find(std::string_view name) const {
    const auto found =
        std::ranges::find_if(fields, [name](const HeaderField& field) { return field.is(name); });
    return found == fields.end() ? nullptr : &*found;
}

HeaderBlock parse_header(std::string_view text, const HeaderLimits& limits) {
    HeaderBlock block;
    const auto note = [&block](HeaderFault fault) {
        if (!block.fault) block.fault = fault;
    };
    std::size_t lines = 0;
    bool is_in_field = false;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = line_end(text, at);
        const std::string_view line = without_line_end(text.substr(at, end - at));
        if (line.empty() && end > at) {
            block.has_end = true;
            block.size_octets = end;
            return block;
        }
        if (end > limits.octets || ++lines > limits.lines) {
            note(end > limits.octets ? HeaderFault::too_large : HeaderFault::too_many_lines);
            block.size_octets = at;
            return block;
        }
        if (line.size() > line_limit_octets) block.has_too_long_line = true;
        if (is_wsp(line.front())) {
            if (is_in_field) {
                HeaderField& field = block.fields.back();
                field.whole.length = end - field.whole.offset;
                const std::size_t begin = static_cast<std::size_t>(field.value.data() - text.data());
                field.value = text.substr(begin, at + line.size() - begin);
            } else {
                note(HeaderFault::not_a_field);
            }
        } else if (const NameSpan span = scan_name(line); span.name != 0) {
            block.fields.push_back({
                line.substr(0, span.name), line.substr(span.with_colon), {at, end - at}
            });
            is_in_field = true;
        } else {
            note(HeaderFault::not_a_field);
            is_in_field = false;
        }
        at = end;
    }
    block.size_octets = text.size();
    return block;
}

std::string unfold(std::string_view value) {
    std::string plain;
    plain.reserve(value.size());
    std::ranges::copy_if(value, std::back_inserter(plain), [](char c) { return !is_line_end(c); });
    const std::size_t begin = std::min(plain.find_first_not_of(" \t"), plain.size());
    plain.erase(0, begin);
    plain.erase(plain.find_last_not_of(" \t") + 1);
    return plain;
}

HeaderSanity check_fields(const HeaderBlock& header) {
    std::array<std::size_t, singular_fields.size()> counts{};
    for (const HeaderField& field : header.fields) {
        const auto* row = std::ranges::find_if(singular_fields, [&field](const SingularField& singular) {
            return field.is(singular.name);
        });
        if (row != singular_fields.end()) ++counts[static_cast<std::size_t>(row - singular_fields.begin())];
    }
    HeaderSanity sanity;
    for (std::size_t at = 0; at < counts.size(); ++at) {
        if (counts[at] == 0 && singular_fields[at].is_required)
            sanity.missing.emplace_back(singular_fields[at].name);
        if (counts[at] > 1) sanity.duplicate.emplace_back(singular_fields[at].name);
    }
    return sanity;
}

std::vector<std::string> delivered_to(const HeaderBlock& header) {
    std::vector<std::string> addresses;
    for (const HeaderField& field : header.fields) {
        if (addresses.size() == delivered_to_limit) break;
        if (!field.is("Delivered-To")) continue;
        std::string address = unfold(field.value);
        if (address.starts_with('<') && address.ends_with('>'))
            address = address.substr(1, address.size() - 2);
        addresses.push_back(std::move(address));
    }
    return addresses;
}

std::size_t count_received_by(const HeaderBlock& header, std::string_view hostname) {
    return static_cast<std::size_t>(std::ranges::count_if(
        header.fields,
        [hostname](const HeaderField& field) {
            return field.is("Received") && is_received_by(field.value, hostname);
        }
    ));
}

void LineLengthScan::feed(std::string_view octets) {
    while (!octets.empty() && !has_too_long_line_) {
        const void* found = std::memchr(octets.data(), '\n', octets.size());
        const std::size_t length =
            found == nullptr ? octets.size()
                             : static_cast<std::size_t>(static_cast<const char*>(found) - octets.data());
        line_octets_ += length;
        if (length > 0) ends_with_cr_ = octets[length - 1] == '\r';
        // A CR that ends the piece so far may turn out to belong to the line end.
        if (line_octets_ - (ends_with_cr_ ? 1 : 0) > line_limit_octets) has_too_long_line_ = true;
        if (found == nullptr) return;
        line_octets_ = 0;
        ends_with_cr_ = false;
        octets.remove_prefix(length + 1);
    }
}

}  // namespace wicket
