#include "filters/scan/spf_macro.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <array>

namespace wicket {
namespace {

// 128 parts are more than any name has; a greater number means all of them.
constexpr std::size_t keep_right_limit = 128;

bool is_visible(char c) {
    return c > ' ' && c <= '~';
}

bool is_macro_letter(char letter, SpfMacroUse use) {
    // RFC 7208 section 7.2: c, r and t only in the text of an explanation.
    return std::string_view("slodiphv").contains(letter) ||
           (use == SpfMacroUse::explanation && std::string_view("crt").contains(letter));
}

/// Parses what stands between "%{" and "}"; nullopt if it is not valid.
std::optional<SpfMacroPiece> parse_variable(std::string_view body, SpfMacroUse use) {
    if (body.empty()) return std::nullopt;
    SpfMacroPiece piece;
    piece.letter = lower_case(body[0]);
    piece.is_url_escaped = piece.letter != body[0];
    if (!is_macro_letter(piece.letter, use)) return std::nullopt;
    std::size_t at = 1;
    const std::size_t digits = at;
    while (at < body.size() && is_digit(body[at])) {
        piece.keep_right =
            std::min(keep_right_limit, piece.keep_right * 10 + static_cast<std::size_t>(body[at] - '0'));
        ++at;
    }
    // RFC 7208 section 7.3: the number must not be zero.
    if (at != digits && piece.keep_right == 0) return std::nullopt;
    if (at < body.size() && lower_case(body[at]) == 'r') {
        piece.is_reversed = true;
        ++at;
    }
    for (; at < body.size(); ++at) {
        if (!std::string_view(".-+,/_=").contains(body[at])) return std::nullopt;
        piece.delimiters += body[at];
    }
    if (piece.delimiters.empty()) piece.delimiters = ".";
    return piece;
}

void append_text(SpfMacroString& string, char c) {
    if (string.empty() || string.back().letter != '\0') string.emplace_back();
    string.back().text += c;
}

struct Parsed {
    SpfMacroString string;
    bool ends_in_macro = false;
};

std::optional<Parsed> parse(std::string_view text, SpfMacroUse use) {
    const std::size_t limit =
        use == SpfMacroUse::domain ? spf_domain_spec_limit_octets : spf_explanation_limit_octets;
    if (text.size() > limit) return std::nullopt;
    Parsed parsed;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        parsed.ends_in_macro = c == '%';
        if (c != '%') {
            if (!is_visible(c) && !(c == ' ' && use == SpfMacroUse::explanation)) return std::nullopt;
            append_text(parsed.string, c);
            continue;
        }
        ++at;
        if (at == text.size()) return std::nullopt;
        if (text[at] == '%') {
            append_text(parsed.string, '%');
        } else if (text[at] == '_') {
            append_text(parsed.string, ' ');
        } else if (text[at] == '-') {
            for (const char escape : std::string_view("%20"))
                append_text(parsed.string, escape);
        } else if (text[at] == '{') {
            const std::size_t close = text.find('}', at);
            if (close == std::string_view::npos) return std::nullopt;
            auto piece = parse_variable(text.substr(at + 1, close - at - 1), use);
            if (!piece) return std::nullopt;
            parsed.string.push_back(std::move(*piece));
            at = close;
        } else {
            return std::nullopt;
        }
    }
    return parsed;
}

// RFC 7208 section 7.1: toplabel.
bool is_toplabel(std::string_view label) {
    if (label.empty() || label.front() == '-' || label.back() == '-') return false;
    const bool is_made_right =
        std::ranges::all_of(label, [](char c) { return is_letter_or_digit(c) || c == '-'; });
    return is_made_right && !std::ranges::all_of(label, is_digit);
}

std::string ip_with_dots(const IpAddress& address) {
    if (address.is_ipv4()) return address.to_string();
    // RFC 7208 section 7.4: IPv6 as nibbles with dots between them. The conformance suite wants upper case.
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string nibbles;
    for (const char octet : address.octets()) {
        const auto value = static_cast<unsigned char>(octet);
        if (!nibbles.empty()) nibbles += '.';
        nibbles += digits[value >> 4U];
        nibbles += '.';
        nibbles += digits[value & 15U];
    }
    return nibbles;
}

std::optional<std::string> value_of(char letter, const SpfMacroValues& values) {
    const std::size_t at = values.sender.rfind('@');
    switch (letter) {
        case 's': return values.sender;
        case 'l': return values.sender.substr(0, at);
        case 'o': return at == std::string::npos ? std::string() : values.sender.substr(at + 1);
        case 'd': return values.domain;
        case 'i': return ip_with_dots(values.client_ip);
        case 'c': return values.client_ip.to_string();
        case 'p':
            return values.validated_name ? values.validated_name() : std::optional<std::string>("unknown");
        case 'v': return values.client_ip.is_ipv4() ? "in-addr" : "ip6";
        case 'h': return values.helo;
        case 'r': return values.receiver.empty() ? "unknown" : values.receiver;
        default: return std::to_string(values.unix_time);
    }
}

/// Splits at the delimiters, reverses, keeps the right parts, joins with dots: RFC 7208 section 7.3.
std::string transform(std::string_view value, const SpfMacroPiece& piece) {
    std::vector<std::string_view> parts;
    std::size_t begin = 0;
    for (std::size_t at = 0; at <= value.size(); ++at) {
        if (at < value.size() && !std::string_view(piece.delimiters).contains(value[at])) continue;
        parts.push_back(value.substr(begin, at - begin));
        begin = at + 1;
    }
    if (piece.is_reversed) std::ranges::reverse(parts);
    const std::size_t kept = piece.keep_right == 0 ? parts.size() : std::min(piece.keep_right, parts.size());
    std::string result;
    for (std::size_t index = parts.size() - kept; index < parts.size(); ++index) {
        if (index != parts.size() - kept) result += '.';
        result += parts[index];
    }
    return result;
}

// RFC 3986 section 2.3: everything but the unreserved characters.
std::string url_escape(std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string escaped;
    for (const char c : text) {
        if (is_letter_or_digit(c) || std::string_view("-._~").contains(c)) {
            escaped += c;
            continue;
        }
        const auto value = static_cast<unsigned char>(c);
        escaped += '%';
        escaped += digits[value >> 4U];
        escaped += digits[value & 15U];
    }
    return escaped;
}

}  // namespace

std::optional<SpfMacroString> parse_spf_macros(std::string_view text, SpfMacroUse use) {
    auto parsed = parse(text, use);
    if (!parsed) return std::nullopt;
    return std::move(parsed->string);
}

std::optional<SpfMacroString> parse_spf_domain_spec(std::string_view text) {
    auto parsed = parse(text, SpfMacroUse::domain);
    if (!parsed || parsed->string.empty()) return std::nullopt;
    // RFC 7208 section 7.1: domain-end is a macro-expand, or a dot and a toplabel with perhaps a dot after
    // it.
    if (parsed->ends_in_macro) return std::move(parsed->string);
    if (text.back() == '.') text.remove_suffix(1);
    const std::size_t dot = text.rfind('.');
    if (dot == std::string_view::npos || !is_toplabel(text.substr(dot + 1))) return std::nullopt;
    return std::move(parsed->string);
}

std::optional<std::string> expand_spf_macros(const SpfMacroString& text, const SpfMacroValues& values) {
    std::string result;
    for (const SpfMacroPiece& piece : text) {
        if (piece.letter == '\0') {
            result += piece.text;
            continue;
        }
        const auto value = value_of(piece.letter, values);
        if (!value) return std::nullopt;
        const std::string transformed = transform(*value, piece);
        result += piece.is_url_escaped ? url_escape(transformed) : transformed;
    }
    return result;
}

std::optional<std::string> spf_name_to_ask(std::string_view expanded) {
    if (!expanded.empty() && expanded.back() == '.') expanded.remove_suffix(1);
    while (expanded.size() > domain_name_limit_octets) {
        const std::size_t dot = expanded.find('.');
        if (dot == std::string_view::npos) return std::nullopt;
        expanded.remove_prefix(dot + 1);
    }
    if (expanded.empty()) return std::nullopt;
    std::size_t label = 0;
    for (const char c : expanded) {
        // A backslash would be an escape to whoever reads the presentation form.
        if (c < ' ' || c > '~' || c == '\\') return std::nullopt;
        if (c != '.') {
            if (++label > 63) return std::nullopt;
            continue;
        }
        if (label == 0) return std::nullopt;
        label = 0;
    }
    if (label == 0) return std::nullopt;
    return lower_case(expanded);
}

bool is_spf_domain(std::string_view domain) {
    return domain.contains('.') && !domain.starts_with('[') && spf_name_to_ask(domain).has_value();
}

}  // namespace wicket
