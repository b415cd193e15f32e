#include "mail/from.hpp"

#include "base/text.hpp"
#include "mail/address.hpp"

#include <algorithm>
#include <utility>

namespace wicket {
namespace {

// Words of a display name or local part: nobody has more, and each takes a little memory.
constexpr std::size_t words_limit = 1000;

// RFC 5322 section 3.2.3; of the octets above 127 the lexer has seen to it that they are UTF-8 (RFC 6532).
bool is_atext(char c) {
    return !is_ascii(c) || is_letter_or_digit(c) || std::string_view("!#$%&'*+-/=?^_`{|}~").contains(c);
}

// RFC 5322 sections 3.2.2 to 3.4.1: what may stand in comments, quoted strings and literals; control octets
// never.
bool is_text(char c) {
    return !is_ascii(c) || (c >= ' ' && c <= '~') || c == '\t';
}

bool is_domain_octet(char c) {
    return !is_ascii(c) || is_letter_or_digit(c) || c == '-' || c == '_';
}

enum class TokenKind : std::uint8_t { atom, quoted, literal, special, end };

struct Token {
    TokenKind kind = TokenKind::end;
    char special = '\0';
    std::string text;  // of an atom; unquoted of a quoted string; with brackets of a literal
    bool follows_space = false;

    bool is(char wanted) const { return kind == TokenKind::special && special == wanted; }
    bool is_word() const { return kind == TokenKind::atom || kind == TokenKind::quoted; }
};

/// Cuts a value into tokens; comments and folding white space vanish. One pass; a fault ends it.
class Lexer {
public:
    explicit Lexer(std::string_view text) : text_(text) {}

    /// nullopt: malformed.
    std::optional<Token> next() {
        const std::size_t before = at_;
        if (!skip_cfws()) return std::nullopt;
        Token token;
        token.follows_space = at_ != before;
        if (at_ == text_.size()) return token;
        const char c = text_[at_];
        if (is_atext(c)) return read_atom(std::move(token));
        if (c == '"') return read_enclosed(std::move(token), TokenKind::quoted, '"');
        if (c == '[') return read_enclosed(std::move(token), TokenKind::literal, ']');
        if (!std::string_view("<>@,;:.").contains(c)) return std::nullopt;
        token.kind = TokenKind::special;
        token.special = c;
        ++at_;
        return token;
    }

private:
    /// Over one fold, a line end that white space follows; false if it is a bare one.
    bool skip_fold() {
        if (text_[at_] == '\r') ++at_;
        if (at_ >= text_.size() || text_[at_] != '\n') return false;
        ++at_;
        return at_ < text_.size() && is_wsp(text_[at_]);
    }

    /// Over one character of a comment, quoted string or literal; false if it may not stand there.
    bool skip_text() {
        if (text_[at_] == '\r' || text_[at_] == '\n') return skip_fold();
        if (!is_text(text_[at_])) return false;
        at_ += is_ascii(text_[at_]) ? 1 : utf8_length(text_.substr(at_));
        return true;
    }

    bool skip_cfws() {
        std::size_t depth = 0;
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (!is_ascii(c) && utf8_length(text_.substr(at_)) == 0) return false;
            if (depth == 0 && is_wsp(c)) {
                ++at_;
            } else if (c == '(') {
                ++depth;
                ++at_;
            } else if (depth > 0 && c == ')') {
                --depth;
                ++at_;
            } else if (depth > 0 && c == '\\' && at_ + 1 < text_.size()) {
                ++at_;
                if (!is_escapable() || !skip_text()) return false;
            } else if (depth > 0 || c == '\r' || c == '\n') {
                if (!skip_text()) return false;
            } else {
                return true;
            }
        }
        return depth == 0;
    }

    std::optional<Token> read_atom(Token token) {
        token.kind = TokenKind::atom;
        const std::size_t begin = at_;
        while (at_ < text_.size() && is_atext(text_[at_])) {
            const std::size_t length = is_ascii(text_[at_]) ? 1 : utf8_length(text_.substr(at_));
            if (length == 0) return std::nullopt;
            at_ += length;
        }
        token.text = text_.substr(begin, at_ - begin);
        return token;
    }

    std::optional<Token> read_enclosed(Token token, TokenKind kind, char close) {
        token.kind = kind;
        for (++at_; at_ < text_.size() && text_[at_] != close;) {
            // RFC 5322 section 3.4.1 allows more in a literal; no address has it (RFC 5321 section 4.1.3).
            const bool is_stray = kind == TokenKind::literal && !is_domain_octet(text_[at_]) &&
                                  text_[at_] != '.' && text_[at_] != ':';
            if (is_stray) return std::nullopt;
            if (text_[at_] == '\\') {
                ++at_;
                if (at_ == text_.size() || !is_escapable()) return std::nullopt;
            }
            if (!is_ascii(text_[at_]) && utf8_length(text_.substr(at_)) == 0) return std::nullopt;
            const std::size_t begin = at_;
            const bool is_fold = text_[at_] == '\r' || text_[at_] == '\n';
            if (!skip_text()) return std::nullopt;
            if (!is_fold) token.text += text_.substr(begin, at_ - begin);
        }
        if (at_ == text_.size()) return std::nullopt;
        ++at_;
        if (kind == TokenKind::literal) token.text = '[' + token.text + ']';
        return token;
    }

    bool is_escapable() const { return text_[at_] != '\r' && text_[at_] != '\n'; }

    std::string_view text_;
    std::size_t at_ = 0;
};

using Fault = std::optional<FromFault>;

/// Recursive descent without recursion: a group cannot hold a group (RFC 5322 section 3.4).
class Parser {
public:
    explicit Parser(std::string_view value) : lexer_(value) { advance(); }

    FromList parse() {
        FromList list;
        list.fault = read_list(list.addresses);
        if (!list.fault && list.addresses.empty()) list.fault = FromFault::empty;
        return list;
    }

private:
    void advance() {
        auto token = lexer_.next();
        is_malformed_ = is_malformed_ || !token;
        token_ = token ? std::move(*token) : Token();
    }

    /// Words and dots, which obs-phrase and obs-local-part allow (RFC 5322 sections 4.1 and 4.4).
    void read_words() {
        words_.clear();
        while (token_.is_word() || token_.is('.')) {
            if (words_.size() == words_limit) is_malformed_ = true;
            if (is_malformed_) return;
            words_.push_back(std::move(token_));
            advance();
        }
    }

    Fault read_list(std::vector<FromAddress>& addresses) {
        bool is_in_group = false;
        while (true) {
            // RFC 5322 section 4.4: an obsolete list may have empty elements.
            while (token_.is(','))
                advance();
            if (is_malformed_) return FromFault::malformed;
            if (is_in_group && token_.is(';')) {
                is_in_group = false;
                advance();
            } else if (token_.kind == TokenKind::end) {
                return is_in_group ? Fault(FromFault::malformed) : Fault();
            } else {
                bool begins_group = false;
                if (const Fault fault = read_address(addresses, begins_group)) return fault;
                if (begins_group && is_in_group) return FromFault::malformed;
                is_in_group = is_in_group || begins_group;
                if (begins_group) continue;
            }
            const bool is_ended =
                token_.kind == TokenKind::end || token_.is(',') || (is_in_group && token_.is(';'));
            if (is_malformed_ || !is_ended) return FromFault::malformed;
        }
    }

    /// One mailbox, or the name and colon of a group.
    Fault read_address(std::vector<FromAddress>& addresses, bool& begins_group) {
        // An addr-spec, or a display name: which, its end shows.
        read_words();
        if (is_malformed_) return FromFault::malformed;
        if (token_.is(':')) {
            if (words_.empty() || words_.front().is('.')) return FromFault::malformed;
            begins_group = true;
            advance();
            return {};
        }
        if (addresses.size() == from_addresses_limit) return FromFault::too_many;
        if (token_.is('<')) {
            if (!words_.empty() && words_.front().is('.')) return FromFault::malformed;
            return read_angle(addresses, display_name());
        }
        if (!token_.is('@')) return FromFault::malformed;
        return read_bare(addresses);
    }

    /// local-part "@" domain without angle brackets; or such a thing as the display name of an angle-addr.
    Fault read_bare(std::vector<FromAddress>& addresses) {
        FromAddress bare;
        if (const Fault fault = read_addr_spec(words_, bare)) return fault;
        if (!token_.is('<')) {
            addresses.push_back(std::move(bare));
            return {};
        }
        // `a@b.example <c@d.example>` is no display name, but common. It says one thing only if both are the
        // same.
        if (const Fault fault = read_angle(addresses, {})) return fault;
        FromAddress& author = addresses.back();
        if (author.local_part != bare.local_part || author.domain != bare.domain) {
            addresses.push_back(std::move(bare));
            return FromFault::ambiguous;
        }
        author.display_name = author.to_string();
        return {};
    }

    /// "<" [obs-route] addr-spec ">"
    Fault read_angle(std::vector<FromAddress>& addresses, std::string name) {
        advance();
        if (token_.is('>')) return FromFault::empty;
        const bool has_route = token_.is('@') || token_.is(',');
        if (has_route) {
            if (const Fault fault = skip_route()) return fault;
        }
        read_words();
        FromAddress address{std::move(name), {}, {}};
        if (is_malformed_ || !token_.is('@')) return FromFault::malformed;
        if (const Fault fault = read_addr_spec(words_, address)) return fault;
        if (!token_.is('>')) return FromFault::malformed;
        advance();
        addresses.push_back(std::move(address));
        if (has_route) return FromFault::route;
        return {};
    }

    /// RFC 5322 section 4.4: obs-route = *("," / CFWS) "@" domain *("," ["@" domain]) ":"
    Fault skip_route() {
        while (!token_.is(':')) {
            if (token_.is(',')) {
                advance();
                continue;
            }
            std::string hop;
            if (!token_.is('@')) return FromFault::malformed;
            if (const Fault fault = read_domain(hop)) return fault;
        }
        advance();
        return {};
    }

    /// The words before the "@" that stands here, and the domain after it.
    Fault read_addr_spec(std::vector<Token>& words, FromAddress& address) {
        // RFC 5322 section 4.4: obs-local-part is words with dots between them.
        for (std::size_t at = 0; at < words.size(); ++at) {
            const bool is_dot = words[at].is('.');
            if (is_dot != (at % 2 == 1)) return FromFault::malformed;
            address.local_part += is_dot ? "." : words[at].text;
        }
        if (words.size() % 2 == 0) return FromFault::malformed;
        // RFC 2047 section 5: never in an address, but some programs would decode it and show another one.
        if (address.local_part.starts_with("=?") && address.local_part.ends_with("?="))
            return FromFault::malformed;
        return read_domain(address.domain);
    }

    /// "@" domain: atoms with dots between them, or a literal.
    Fault read_domain(std::string& domain) {
        advance();
        if (token_.kind == TokenKind::literal) {
            domain = std::move(token_.text);
            advance();
            return domain.size() > 2 && domain.size() <= domain_limit_octets ? Fault()
                                                                             : Fault(FromFault::malformed);
        }
        // The grammar allows any atom; no domain name has more than these.
        while (token_.kind == TokenKind::atom && std::ranges::all_of(token_.text, is_domain_octet)) {
            domain += lower_case(token_.text);
            advance();
            if (is_malformed_ || domain.size() > domain_limit_octets) return FromFault::malformed;
            if (!token_.is('.')) return {};
            domain += '.';
            advance();
        }
        return FromFault::malformed;
    }

    std::string display_name() const {
        std::string name;
        for (const Token& word : words_) {
            if (!name.empty() && word.follows_space) name += ' ';
            name += word.is('.') ? "." : word.text;
        }
        return name;
    }

    Lexer lexer_;
    Token token_;
    bool is_malformed_ = false;
    std::vector<Token> words_;
};

}  // namespace

std::string_view describe(FromFault fault) {
    switch (fault) {
        case FromFault::missing: return "there is no From field";
        case FromFault::several_fields: return "there are several From fields";
        case FromFault::empty: return "the From field holds no address";
        case FromFault::several_authors: return "the From field holds several addresses";
        case FromFault::ambiguous: return "the From field holds two addresses for one author";
        case FromFault::route: return "the From field holds a source route";
        case FromFault::malformed: return "the From field is malformed (RFC 5322 section 3.4)";
        case FromFault::too_many: return "the From field holds too many addresses";
    }
    std::unreachable();
}

std::string_view to_word(FromFault fault) {
    switch (fault) {
        case FromFault::missing: return "missing";
        case FromFault::several_fields: return "several_fields";
        case FromFault::empty: return "empty";
        case FromFault::several_authors: return "several_authors";
        case FromFault::ambiguous: return "ambiguous";
        case FromFault::route: return "route";
        case FromFault::malformed: return "malformed";
        case FromFault::too_many: return "too_many";
    }
    std::unreachable();
}

std::string FromAddress::to_string() const {
    std::string text;
    bool is_dot_atom = !local_part.empty() && !local_part.starts_with('.') && !local_part.ends_with('.') &&
                       !local_part.contains("..");
    is_dot_atom =
        is_dot_atom && std::ranges::all_of(local_part, [](char c) { return is_atext(c) || c == '.'; });
    if (is_dot_atom) {
        text = local_part;
    } else {
        text = '"';
        for (const char c : local_part) {
            if (c == '"' || c == '\\') text += '\\';
            text += c;
        }
        text += '"';
    }
    return text + '@' + domain;
}

FromList parse_from(std::string_view value) {
    return Parser(value).parse();
}

Author find_author(const HeaderBlock& header) {
    Author author;
    std::size_t fields = 0;
    for (const HeaderField& field : header.fields) {
        if (!field.is("From")) continue;
        ++fields;
        if (author.addresses.size() >= from_addresses_limit) continue;
        FromList list = parse_from(field.value);
        if (!author.fault) author.fault = list.fault;
        std::ranges::move(list.addresses, std::back_inserter(author.addresses));
    }
    author.addresses.resize(std::min(author.addresses.size(), from_addresses_limit));
    if (fields == 0)
        author.fault = FromFault::missing;
    else if (fields > 1)
        author.fault = FromFault::several_fields;
    else if (author.addresses.size() > 1 && (!author.fault || author.fault == FromFault::malformed))
        // What follows two authors makes them no fewer.
        author.fault = FromFault::several_authors;
    if (!author.fault) author.domain = author.addresses.front().domain;
    return author;
}

}  // namespace wicket
