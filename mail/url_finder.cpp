#include "mail/url_finder.hpp"

#include "base/text.hpp"
#include "base/unicode_names.hpp"
#include "mail/shown_text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <fmt/format.h>
#include <optional>
#include <vector>

namespace wicket {
namespace {

// Of the URL standard's special schemes those that mail leads to.
constexpr auto web_schemes = std::to_array<std::string_view>({"http", "https", "ftp"});
// RFC 1035 section 2.3.4, and room for percent signs.
constexpr std::size_t host_limit_octets = 1024;

bool ends_url(char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet <= 0x20 || octet == 0x7F || c == '<' || c == '>' || c == '"' || c == '`';
}

/// What stands at the end of a sentence rather than of an address.
std::string_view without_punctuation(std::string_view url) {
    auto open = std::ranges::count(url, '(');
    auto closed = std::ranges::count(url, ')');
    while (!url.empty()) {
        const char last = url.back();
        const bool is_sentence = std::string_view(".,;:!?'*_]}").contains(last);
        if (!is_sentence && (last != ')' || closed <= open)) break;
        if (last == ')') --closed;
        url.remove_suffix(1);
    }
    return url;
}

bool is_slash(char c) {
    return c == '/' || c == '\\';
}

/// The length of a web scheme that ends where `text` ends; 0 if there is none.
std::size_t scheme_at_end(std::string_view text) {
    for (const std::string_view scheme : {web_schemes[1], web_schemes[0], web_schemes[2]}) {
        if (text.size() >= scheme.size() &&
            equal_ignoring_case(text.substr(text.size() - scheme.size()), scheme))
            return scheme.size();
    }
    return 0;
}

bool may_precede_www(char c) {
    return !is_letter_or_digit(c) && c != '.' && c != '/' && c != '\\' && c != '@' && c != '-' && c != '_' &&
           c != '%';
}

/// RFC 3986 section 2.3.
bool is_unreserved(char c) {
    return is_letter_or_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

/// A number as hosts are written: decimal, 0x1F, 017.
std::optional<std::uint64_t> host_number(std::string_view text) {
    unsigned base = 10;
    if (text.size() > 1 && text[0] == '0') {
        base = lower_case(text[1]) == 'x' ? 16 : 8;
        text.remove_prefix(base == 16 ? 2 : 1);
    } else if (text.empty()) {
        return std::nullopt;
    }
    std::uint64_t value = 0;
    for (const char c : text) {
        const int digit = hex_digit(c);
        if (digit < 0 || static_cast<unsigned>(digit) >= base || value > 0xFFFFFFFFU) return std::nullopt;
        value = value * base + static_cast<unsigned>(digit);
    }
    return value;
}

/// The URL standard, section 3.5: "0x7f.1" is 127.0.0.1. nullopt if the host is no number.
std::optional<std::string> ipv4_of(std::string_view host) {
    if (host.ends_with('.')) host.remove_suffix(1);
    std::vector<std::uint64_t> numbers;
    while (true) {
        const auto number = host_number(host.substr(0, host.find('.')));
        if (!number || numbers.size() == 4) return std::nullopt;
        numbers.push_back(*number);
        const std::size_t dot = host.find('.');
        if (dot == std::string_view::npos) break;
        host.remove_prefix(dot + 1);
    }
    std::uint64_t address = numbers.back();
    if (address >= std::uint64_t{1} << (8 * (5 - numbers.size()))) return std::nullopt;
    for (std::size_t at = 0; at + 1 < numbers.size(); ++at) {
        if (numbers[at] > 255) return std::nullopt;
        address |= numbers[at] << (8 * (3 - at));
    }
    return fmt::format(
        "{}.{}.{}.{}", address >> 24U, (address >> 16U) & 255U, (address >> 8U) & 255U, address & 255U
    );
}

std::string normal_host(std::string_view host) {
    if (host.size() > host_limit_octets) return lower_case(host);
    // RFC 3986 section 3.2.2 has percent signs in hosts, IDNA full stops of other scripts.
    std::string plain = decode_percent(host);
    for (const std::string_view stop : {"\xE3\x80\x82", "\xEF\xBC\x8E", "\xEF\xBD\xA1"}) {
        for (std::size_t at = plain.find(stop); at != std::string::npos; at = plain.find(stop, at))
            plain.replace(at, stop.size(), ".");
    }
    plain = ascii_domain(without_invisible(plain));
    return ipv4_of(plain).value_or(plain);
}

/// userinfo@host:port
std::string normal_authority(std::string_view authority) {
    const std::size_t at_sign = authority.rfind('@');
    const std::size_t begin = at_sign == std::string_view::npos ? 0 : at_sign + 1;
    std::string_view host = authority.substr(begin);
    std::string_view port;
    const std::size_t colon = host.rfind(':');
    if (colon != std::string_view::npos && !host.starts_with('[')) {
        port = host.substr(colon);
        host = host.substr(0, colon);
    }
    return std::string(authority.substr(0, begin)) + normal_host(host) + std::string(port);
}

/// As browsers read an attribute: no controls, no white space around.
std::string without_controls(std::string_view url) {
    std::string plain;
    plain.reserve(url.size());
    std::ranges::copy_if(url, std::back_inserter(plain), [](char c) {
        return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F;
    });
    return without_invisible(trimmed(plain));
}

/// The scheme in lower case; "" without one. RFC 3986 section 3.1.
std::string scheme_of(std::string_view url) {
    const std::size_t colon = url.substr(0, 32).find(':');
    if (colon == std::string_view::npos || colon == 0 || is_digit(url[0])) return {};
    const std::string_view scheme = url.substr(0, colon);
    const bool is_scheme = std::ranges::all_of(scheme, [](char c) {
        return is_letter_or_digit(c) || c == '+' || c == '-' || c == '.';
    });
    return is_scheme ? lower_case(scheme) : std::string();
}

}  // namespace

void find_urls(std::string_view text, const std::function<void(std::string_view)>& found) {
    std::size_t free_from = 0;  // what stands before belongs to an address already
    std::size_t at = text.find_first_of(":wW");
    while (at != std::string_view::npos) {
        std::size_t begin = std::string_view::npos;
        if (text[at] == ':') {
            const bool has_slashes = at + 2 < text.size() && is_slash(text[at + 1]) && is_slash(text[at + 2]);
            const std::size_t scheme =
                has_slashes ? scheme_at_end(text.substr(free_from, at - free_from)) : std::size_t{0};
            if (scheme > 0) begin = at - scheme;
        } else if (equal_ignoring_case(text.substr(at, 4), "www.") &&
                   (at == free_from || may_precede_www(text[at - 1]))) {
            begin = at;
        }
        std::size_t next = at + 1;
        if (begin != std::string_view::npos) {
            std::size_t end = next;
            while (end < text.size() && !ends_url(text[end]))
                ++end;
            const std::string_view url = without_punctuation(text.substr(begin, end - begin));
            // More than the scheme, or "www.".
            if (begin + url.size() > at + 4 || (text[at] == ':' && begin + url.size() > at + 3)) found(url);
            next = free_from = end;
        }
        at = text.find_first_of(":wW", next);
    }
}

std::string normal_url(std::string_view url) {
    // What is longer is cut off in the end; percent signs take three octets for one.
    std::string plain = without_controls(url.substr(0, 4 * url_limit_octets));
    if (starts_with_ignoring_case(plain, "www.")) plain.insert(0, "http://");
    if (plain.size() > 1 && is_slash(plain[0]) && is_slash(plain[1])) plain.insert(0, "http:");
    const std::string scheme = scheme_of(plain);
    if (scheme.empty() || scheme == "cid" || scheme == "mailto" || scheme == "tel" || scheme == "mid")
        return {};
    std::string_view rest = std::string_view(plain).substr(scheme.size() + 1);
    std::string normal = scheme + ':';
    if (std::ranges::find(web_schemes, scheme) == web_schemes.end()) {
        // What data: carries is no address.
        normal += scheme == "data" ? rest.substr(0, rest.find(',')) : rest;
        return normal.substr(0, url_limit_octets);
    }
    while (!rest.empty() && is_slash(rest.front()))
        rest.remove_prefix(1);
    const std::size_t authority = std::min(rest.find_first_of("/\\?#"), rest.size());
    normal += "//" + normal_authority(rest.substr(0, authority));
    std::string tail = decode_percent(rest.substr(authority), is_unreserved);
    const std::size_t path_end = std::min(tail.find_first_of("?#"), tail.size());
    std::replace(tail.begin(), tail.begin() + static_cast<std::ptrdiff_t>(path_end), '\\', '/');
    normal += tail;
    return normal.substr(0, url_limit_octets);
}

}  // namespace wicket
