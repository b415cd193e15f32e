#include "filters/scan/spf_record.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>

namespace wicket {
namespace {

constexpr std::string_view version = "v=spf1";

struct MechanismRow {
    std::string_view name;
    SpfMechanism mechanism;
};

constexpr auto mechanisms = std::to_array<MechanismRow>({
    {"all",     SpfMechanism::all    },
    {"include", SpfMechanism::include},
    {"a",       SpfMechanism::a      },
    {"mx",      SpfMechanism::mx     },
    {"ptr",     SpfMechanism::ptr    },
    {"ip4",     SpfMechanism::ip4    },
    {"ip6",     SpfMechanism::ip6    },
    {"exists",  SpfMechanism::exists },
});

// RFC 7208 section 5.6: no leading zeros, at most `most`.
std::optional<int> parse_prefix(std::string_view digits, int most) {
    if (digits.empty() || digits.size() > 3 || !std::ranges::all_of(digits, is_digit)) return std::nullopt;
    if (digits.size() > 1 && digits[0] == '0') return std::nullopt;
    int value = 0;
    for (const char c : digits)
        value = value * 10 + (c - '0');
    if (value > most) return std::nullopt;
    return value;
}

/// Where a run of digits at the end of `text` begins, if a slash stands before it.
std::optional<std::size_t> trailing_prefix(std::string_view text) {
    std::size_t at = text.size();
    while (at > 0 && is_digit(text[at - 1]))
        --at;
    if (at == text.size() || at == 0 || text[at - 1] != '/') return std::nullopt;
    return at;
}

/// Takes dual-cidr-length (RFC 7208 section 5.3) off the end of `text` into `term`; false if it is not valid.
bool take_dual_prefix(std::string_view& text, SpfTerm& term) {
    const auto last = trailing_prefix(text);
    if (!last) return true;
    if (*last >= 2 && text[*last - 2] == '/') {
        const auto bits = parse_prefix(text.substr(*last), 128);
        if (!bits) return false;
        term.ip6_prefix = *bits;
        text = text.substr(0, *last - 2);
        const auto first = trailing_prefix(text);
        if (!first) return true;
        const auto ip4_bits = parse_prefix(text.substr(*first), 32);
        if (!ip4_bits) return false;
        term.ip4_prefix = *ip4_bits;
        text = text.substr(0, *first - 1);
        return true;
    }
    const auto bits = parse_prefix(text.substr(*last), 32);
    if (!bits) return false;
    term.ip4_prefix = *bits;
    text = text.substr(0, *last - 1);
    return true;
}

/// RFC 7208 section 5.6: network and prefix length behind "ip4:" or "ip6:".
bool parse_network(std::string_view text, SpfTerm& term) {
    const bool is_ip4 = term.mechanism == SpfMechanism::ip4;
    if (const std::size_t slash = text.find('/'); slash != std::string_view::npos) {
        const auto bits = parse_prefix(text.substr(slash + 1), is_ip4 ? 32 : 128);
        if (!bits) return false;
        (is_ip4 ? term.ip4_prefix : term.ip6_prefix) = *bits;
        text = text.substr(0, slash);
    }
    // inet_pton takes exactly dotted decimal without leading zeros, and RFC 4291 text.
    std::array<char, 16> octets{};
    const std::string copy(text);
    if (copy.contains('\0') || inet_pton(is_ip4 ? AF_INET : AF_INET6, copy.c_str(), octets.data()) != 1)
        return false;
    term.network.assign(octets.data(), is_ip4 ? 4 : 16);
    return true;
}

/// A directive without its qualifier: name, then nothing, ":" and an argument, or "/" and prefix lengths.
bool parse_mechanism(std::string_view text, SpfTerm& term) {
    const std::size_t name_end = std::min(text.find_first_of(":/"), text.size());
    const auto* const row = std::ranges::find_if(mechanisms, [&](const MechanismRow& one) {
        return equal_ignoring_case(one.name, text.substr(0, name_end));
    });
    if (row == mechanisms.end()) return false;
    term.mechanism = row->mechanism;
    std::string_view rest = text.substr(name_end);
    const bool has_argument = rest.starts_with(':');
    switch (term.mechanism) {
        case SpfMechanism::all: return rest.empty();
        case SpfMechanism::ip4:
        case SpfMechanism::ip6: return has_argument && parse_network(rest.substr(1), term);
        case SpfMechanism::a:
        case SpfMechanism::mx:
            if (!take_dual_prefix(rest, term)) return false;
            break;
        case SpfMechanism::include:
        case SpfMechanism::exists:
            if (!has_argument) return false;
            break;
        case SpfMechanism::ptr: break;
    }
    if (rest.empty()) return true;
    if (!rest.starts_with(':')) return false;
    auto target = parse_spf_domain_spec(rest.substr(1));
    if (!target) return false;
    term.target = std::move(*target);
    return true;
}

/// The length of a modifier's name if `text` is a modifier: RFC 7208 section 4.6.1.
std::optional<std::size_t> modifier_name_length(std::string_view text) {
    std::size_t at = 0;
    while (at < text.size() && (is_letter_or_digit(text[at]) || std::string_view("-_.").contains(text[at])))
        ++at;
    if (at == 0 || is_digit(text[0]) || !is_letter_or_digit(text[0])) return std::nullopt;
    if (at == text.size() || text[at] != '=') return std::nullopt;
    return at;
}

bool parse_modifier(std::string_view name, std::string_view value, SpfRecord& record) {
    std::optional<SpfMacroString>* known = nullptr;
    if (equal_ignoring_case(name, "redirect")) known = &record.redirect;
    if (equal_ignoring_case(name, "exp")) known = &record.explanation;
    if (known == nullptr) return parse_spf_macros(value, SpfMacroUse::domain).has_value();
    // RFC 7208 section 6: neither may appear twice.
    if (known->has_value()) return false;
    *known = parse_spf_domain_spec(value);
    return known->has_value();
}

}  // namespace

bool is_spf_record(std::string_view text) {
    return starts_with_ignoring_case(text, version) &&
           (text.size() == version.size() || text[version.size()] == ' ');
}

std::optional<SpfRecord> parse_spf_record(std::string_view text) {
    if (!is_spf_record(text) || text.size() > spf_record_limit_octets) return std::nullopt;
    text.remove_prefix(version.size());
    SpfRecord record;
    while (!text.empty()) {
        const std::size_t begin = text.find_first_not_of(' ');
        if (begin == std::string_view::npos) break;
        const std::size_t end = std::min(text.find(' ', begin), text.size());
        std::string_view term_text = text.substr(begin, end - begin);
        text.remove_prefix(end);
        if (const auto length = modifier_name_length(term_text)) {
            if (!parse_modifier(term_text.substr(0, *length), term_text.substr(*length + 1), record))
                return std::nullopt;
            continue;
        }
        SpfTerm term;
        if (std::string_view("+-~?").contains(term_text[0])) {
            term.qualifier = term_text[0];
            term_text.remove_prefix(1);
        }
        if (!parse_mechanism(term_text, term)) return std::nullopt;
        record.terms.push_back(std::move(term));
    }
    // RFC 7208 section 6.1: redirect is ignored if there is an `all` anywhere.
    if (std::ranges::any_of(record.terms, [](const SpfTerm& term) {
            return term.mechanism == SpfMechanism::all;
        })) {
        record.redirect.reset();
    }
    return record;
}

bool agree_in_prefix(std::string_view a, std::string_view b, int prefix_bits) {
    if (a.size() != b.size()) return false;
    for (std::size_t at = 0; at < a.size() && prefix_bits > 0; ++at, prefix_bits -= 8) {
        const unsigned mask =
            prefix_bits >= 8 ? 0xffU : (0xff00U >> static_cast<unsigned>(prefix_bits)) & 0xffU;
        const unsigned difference = static_cast<unsigned char>(a[at]) ^ static_cast<unsigned char>(b[at]);
        if ((difference & mask) != 0) return false;
    }
    return true;
}

bool matches_network(const SpfTerm& term, const IpAddress& client) {
    // RFC 7208 section 5: an IPv4-mapped client is IPv4, and matches ip4 only.
    if (term.mechanism == SpfMechanism::ip4)
        return agree_in_prefix(term.network, client.octets(), term.ip4_prefix);
    if (term.mechanism == SpfMechanism::ip6)
        return agree_in_prefix(term.network, client.octets(), term.ip6_prefix);
    return false;
}

}  // namespace wicket
