#include "policy/expression_lexer.hpp"

#include "base/ip.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>

namespace wicket {
namespace {

using Kind = ExpressionToken::Kind;

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool begins_word(char c) {
    return (is_letter_or_digit(c) && !is_digit(c)) || c == '_';
}

bool continues_word(char c) {
    return is_letter_or_digit(c) || c == '_' || c == '.' || c == '-';
}

/// A sign belongs to the number only where it can be nothing else: 2027-01-31, 12:00:00+01:00, 1e-5.
bool continues_number(std::string_view before, char c) {
    if (is_letter_or_digit(c) || c == '.' || c == ':') return true;
    if (c != '-' && c != '+') return false;
    if (lower_case(before.back()) == 'e') return true;
    if (before.contains(':')) return true;
    return c == '-' &&
           (before.contains('-') || (before.size() == 4 && std::ranges::all_of(before, is_digit)));
}

class Lexer {
public:
    explicit Lexer(std::string_view text) : text_(text) {}

    std::expected<std::vector<ExpressionToken>, ExpressionMistake> run() {
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (is_blank(c))
                ++at_;
            else if (take_network())
                continue;
            else if (begins_word(c))
                take_word();
            else if (is_digit(c) ||
                     (c == '-' && at_ + 1 < text_.size() && is_digit(text_[at_ + 1]) && !follows_value()))
                take_number();
            else if (c == '"') {
                if (!take_text()) return mistake("this text has no closing quote", {});
            } else if (!take_symbol())
                return unexpected();
        }
        tokens_.push_back({Kind::end, text_.size(), {}, {}});
        return std::move(tokens_);
    }

private:
    void push(Kind kind, std::size_t length, std::string text = {}) {
        tokens_.push_back({kind, at_, text_.substr(at_, length), std::move(text)});
        at_ += length;
    }

    void take_word() {
        std::size_t length = 1;
        while (at_ + length < text_.size() && continues_word(text_[at_ + length]))
            ++length;
        push(Kind::word, length);
    }

    void take_number() {
        std::size_t length = 1;
        while (at_ + length < text_.size() && continues_number(text_.substr(at_, length), text_[at_ + length])
        )
            ++length;
        push(Kind::number, length);
    }

    /// Whether `-` after what was read takes away, and is no sign.
    bool follows_value() const {
        if (tokens_.empty()) return false;
        const ExpressionToken& last = tokens_.back();
        if (last.kind == Kind::symbol) return last.source == ")" || last.source == "]";
        static constexpr std::array<std::string_view, 7> keywords = {
            "and", "or", "not", "in", "has", "is", "matches"
        };
        return last.kind != Kind::word || std::ranges::find(keywords, last.source) == keywords.end();
    }

    /// 192.0.2.0/24 and 2001:db8::/32 cannot be taken for anything else, so they need no quotes.
    bool take_network() {
        const std::string_view rest = text_.substr(at_);
        const std::size_t length = std::min(rest.find_first_not_of("0123456789abcdefABCDEF:./"), rest.size());
        const std::string_view candidate = rest.substr(0, length);
        if (!candidate.contains('.') && !candidate.contains(':')) return false;
        if (length < rest.size() && continues_word(rest[length])) return false;
        if (!IpNetwork::parse(candidate)) return false;
        push(Kind::text, length, std::string(candidate));
        return true;
    }

    bool take_text() {
        std::string value;
        for (std::size_t at = at_ + 1; at < text_.size(); ++at) {
            if (text_[at] == '"') {
                push(Kind::text, at + 1 - at_, std::move(value));
                return true;
            }
            if (text_[at] == '\\' && at + 1 < text_.size() && text_[at + 1] == '"') ++at;
            value += text_[at];
        }
        return false;
    }

    bool take_symbol() {
        static constexpr std::array<std::string_view, 15> symbols = {
            "==", "!=", "<=", ">=", "<", ">", "(", ")", "[", "]", ",", "+", "-", "*", "/"
        };
        for (const auto symbol : symbols) {
            if (!text_.substr(at_).starts_with(symbol)) continue;
            push(Kind::symbol, symbol.size());
            return true;
        }
        return false;
    }

    std::unexpected<ExpressionMistake> mistake(std::string message, std::string suggestion) const {
        return std::unexpected(ExpressionMistake{at_, std::move(message), std::move(suggestion)});
    }

    std::unexpected<ExpressionMistake> unexpected() const {
        const std::string_view rest = text_.substr(at_);
        if (rest.starts_with("&")) return mistake("conditions are joined with a word", "and");
        if (rest.starts_with("|")) return mistake("conditions are joined with a word", "or");
        if (rest.starts_with("!")) return mistake("a condition is turned round with a word", "not");
        if (rest.starts_with("=")) return mistake("values are compared with two signs", "==");
        if (rest.starts_with("'")) return mistake("texts stand in double quotes", {});
        const auto octet = static_cast<unsigned char>(rest.front());
        if (octet <= 0x20 || octet >= 0x7F) return mistake("a character that has no place here", {});
        return mistake("unexpected \"" + std::string(1, rest.front()) + "\"", {});
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::vector<ExpressionToken> tokens_;
};

}  // namespace

std::expected<std::vector<ExpressionToken>, ExpressionMistake> lex_expression(std::string_view text) {
    return Lexer(text).run();
}

}  // namespace wicket
