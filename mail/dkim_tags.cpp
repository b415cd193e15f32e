#include "mail/dkim_tags.hpp"

#include "base/text.hpp"
#include "mail/address.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace wicket {
namespace {

// RFC 1035 section 2.3.4, in presentation form without the root's dot.
constexpr std::size_t domain_name_limit_octets = 253;
constexpr std::size_t sha256_octets = 32;

// RFC 6376 section 3.2: VALCHAR.
bool is_valchar(char c) {
    return c >= '!' && c <= '~' && c != ';';
}

/// Whether every line end is a CRLF (or LF) that white space follows.
bool are_folds_valid(std::string_view text) {
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char next = at + 1 < text.size() ? text[at + 1] : '\0';
        if (text[at] == '\r' && next != '\n') return false;
        if (text[at] == '\n' && !is_wsp(next)) return false;
    }
    return true;
}

/// How many octets a base64 text stands for (RFC 4648 section 4, white space anywhere); nullopt if it is
/// none.
std::optional<std::size_t> base64_length(std::string_view text) {
    std::size_t digits = 0;
    std::size_t padding = 0;
    for (const char c : text) {
        if (is_fws(c)) continue;
        if (c == '=') {
            ++padding;
        } else if (padding == 0 && (is_letter_or_digit(c) || c == '+' || c == '/')) {
            ++digits;
        } else {
            return std::nullopt;
        }
    }
    if (padding > 2 || (digits + padding) % 4 != 0 || digits == 0) return std::nullopt;
    return digits * 3 / 4;
}

/// Labels of letters, digits and hyphens; underscores too, as real selectors have them and the DNS allows
/// them.
bool is_name(std::string_view text, std::size_t least_labels) {
    if (text.empty() || text.size() > domain_name_limit_octets) return false;
    std::size_t labels = 0;
    for (std::size_t begin = 0; begin <= text.size(); ++labels) {
        const std::size_t end = std::min(text.find('.', begin), text.size());
        const std::string_view label = text.substr(begin, end - begin);
        if (label.empty() || label.size() > label_limit_octets || label.starts_with('-') ||
            label.ends_with('-'))
            return false;
        if (!std::ranges::all_of(label, [](char c) { return is_letter_or_digit(c) || c == '-' || c == '_'; }))
            return false;
        begin = end + 1;
    }
    return labels >= least_labels;
}

/// RFC 6376 section 2.11: dkim-quoted-printable; nullopt if an escape is incomplete or is no octet. Digits in
/// lower case are taken too, as section 6.7 of RFC 2045 advises.
std::optional<std::string> decode_quoted_printable(std::string_view text) {
    std::string plain;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (is_fws(text[at])) continue;
        if (text[at] != '=') {
            plain += text[at];
            continue;
        }
        if (at + 2 >= text.size()) return std::nullopt;
        const int high = hex_digit(text[at + 1]);
        const int low = hex_digit(text[at + 2]);
        if (high < 0 || low < 0) return std::nullopt;
        plain += static_cast<char>(high * 16 + low);
        at += 2;
    }
    return plain;
}

std::optional<std::uint64_t> parse_number(std::string_view text, std::size_t digits_limit) {
    if (text.empty() || text.size() > digits_limit || !std::ranges::all_of(text, is_digit))
        return std::nullopt;
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return std::nullopt;
    return number;
}

/// Calls `take` with each part of a colon-separated list, trimmed, until it says false.
template <class Take>
bool for_each_part(std::string_view list, Take take) {
    for (std::size_t begin = 0; begin <= list.size();) {
        const std::size_t end = std::min(list.find(':', begin), list.size());
        if (!take(trimmed(list.substr(begin, end - begin)))) return false;
        begin = end + 1;
    }
    return true;
}

using Fault = std::optional<DkimTagFault>;
using Take = Fault (*)(std::string_view value, DkimSignatureHeader& header);

Fault take_version(std::string_view value, DkimSignatureHeader&) {
    if (value != "1") return DkimTagFault::bad_version;
    return {};
}

Fault take_algorithm(std::string_view value, DkimSignatureHeader& header) {
    header.algorithm = lower_case(value);
    if (header.algorithm == "rsa-sha1") return DkimTagFault::rsa_sha1;
    if (header.algorithm != "rsa-sha256" && header.algorithm != "ed25519-sha256")
        return DkimTagFault::unknown_algorithm;
    return {};
}

Fault take_signature(std::string_view value, DkimSignatureHeader&) {
    if (!base64_length(value)) return DkimTagFault::bad_signature;
    return {};
}

Fault take_body_hash(std::string_view value, DkimSignatureHeader&) {
    if (base64_length(value) != sha256_octets) return DkimTagFault::bad_body_hash;
    return {};
}

Fault take_canonicalization(std::string_view value, DkimSignatureHeader&) {
    const std::string lower = lower_case(value);
    const std::string_view both = lower;
    const std::size_t slash = both.find('/');
    const auto is_known = [](std::string_view word) { return word == "simple" || word == "relaxed"; };
    const bool is_good = is_known(both.substr(0, slash)) &&
                         (slash == std::string_view::npos || is_known(both.substr(slash + 1)));
    if (!is_good) return DkimTagFault::bad_canonicalization;
    return {};
}

Fault take_domain(std::string_view value, DkimSignatureHeader& header) {
    // RFC 6376 section 3.5: domain-name has two labels at least.
    if (!is_name(value, 2)) return DkimTagFault::bad_domain;
    header.domain = lower_case(value);
    return {};
}

Fault take_selector(std::string_view value, DkimSignatureHeader& header) {
    if (!is_name(value, 1)) return DkimTagFault::bad_selector;
    header.selector = lower_case(value);
    return {};
}

Fault take_signed_fields(std::string_view value, DkimSignatureHeader& header) {
    const bool are_names = for_each_part(value, [&header](std::string_view name) {
        const bool is_field_name =
            !name.empty() && std::ranges::all_of(name, [](char c) { return is_valchar(c) && c != ':'; });
        if (is_field_name) header.signed_fields.push_back(lower_case(name));
        return is_field_name;
    });
    if (!are_names) return DkimTagFault::bad_signed_fields;
    if (std::ranges::find(header.signed_fields, "from") == header.signed_fields.end())
        return DkimTagFault::from_not_signed;
    return {};
}

Fault take_identity(std::string_view value, DkimSignatureHeader& header) {
    auto identity = decode_quoted_printable(value);
    if (!identity) return DkimTagFault::bad_identity;
    const std::size_t at_sign = identity->rfind('@');
    if (at_sign == std::string::npos || !is_name(std::string_view(*identity).substr(at_sign + 1), 2))
        return DkimTagFault::bad_identity;
    header.identity = std::move(*identity);
    return {};
}

Fault take_body_length(std::string_view value, DkimSignatureHeader& header) {
    // RFC 6376 section 3.5 allows 76 digits; none that exceed 64 bits can be the length of a body.
    header.body_length = parse_number(value, 76);
    if (!header.body_length) return DkimTagFault::bad_length;
    return {};
}

Fault take_time(std::string_view value, DkimSignatureHeader& header) {
    header.time = parse_number(value, 12);
    if (!header.time) return DkimTagFault::bad_time;
    return {};
}

Fault take_expiry(std::string_view value, DkimSignatureHeader& header) {
    header.expiry = parse_number(value, 12);
    if (!header.expiry) return DkimTagFault::bad_time;
    return {};
}

Fault take_query(std::string_view value, DkimSignatureHeader&) {
    // RFC 6376 section 3.5: unknown methods are ignored, so one known is enough.
    const bool none_is_known =
        for_each_part(value, [](std::string_view method) { return !equal_ignoring_case(method, "dns/txt"); });
    if (none_is_known) return DkimTagFault::unknown_query;
    return {};
}

struct TagRow {
    std::string_view name;
    Take take;
    bool is_required;
};

// RFC 6376 section 3.5. z= is for people alone and is not read.
constexpr std::array tags = {
    TagRow{"v",  take_version,          true },
    TagRow{"a",  take_algorithm,        true },
    TagRow{"b",  take_signature,        true },
    TagRow{"bh", take_body_hash,        true },
    TagRow{"c",  take_canonicalization, false},
    TagRow{"d",  take_domain,           true },
    TagRow{"h",  take_signed_fields,    true },
    TagRow{"i",  take_identity,         false},
    TagRow{"l",  take_body_length,      false},
    TagRow{"q",  take_query,            false},
    TagRow{"s",  take_selector,         true },
    TagRow{"t",  take_time,             false},
    TagRow{"x",  take_expiry,           false},
};

struct Tag {
    std::string_view name;
    std::string_view value;
};

/// RFC 6376 section 3.2: the tag list, its syntax alone.
std::expected<std::vector<Tag>, DkimTagFault> split_tags(std::string_view list) {
    if (!are_folds_valid(list)) return std::unexpected(DkimTagFault::bad_syntax);
    std::vector<Tag> found;
    for (std::size_t begin = 0; begin < list.size();) {
        const std::size_t end = std::min(list.find(';', begin), list.size());
        const std::string_view spec = list.substr(begin, end - begin);
        // Only after the last semicolon there may be nothing.
        if (end == list.size() && !found.empty() && trimmed(spec).empty()) break;
        const std::size_t equals = spec.find('=');
        if (equals == std::string_view::npos) return std::unexpected(DkimTagFault::bad_syntax);
        const Tag tag{trimmed(spec.substr(0, equals)), trimmed(spec.substr(equals + 1))};
        const auto is_name_octet = [](char c) { return is_letter_or_digit(c) || c == '_'; };
        const bool is_tag_name = !tag.name.empty() && !is_digit(tag.name.front()) &&
                                 tag.name.front() != '_' && std::ranges::all_of(tag.name, is_name_octet);
        const bool is_tag_value =
            std::ranges::all_of(tag.value, [](char c) { return is_valchar(c) || is_fws(c); });
        if (!is_tag_name || !is_tag_value) return std::unexpected(DkimTagFault::bad_syntax);
        found.push_back(tag);
        begin = end + 1;
    }
    if (found.empty()) return std::unexpected(DkimTagFault::bad_syntax);

    // Sorted by name, duplicates are neighbours; a list of thousands of tags stays cheap.
    std::ranges::sort(found, {}, &Tag::name);
    const auto same = [](const Tag& a, const Tag& b) { return a.name == b.name; };
    if (std::ranges::adjacent_find(found, same) != found.end())
        return std::unexpected(DkimTagFault::duplicate_tag);
    return found;
}

bool is_at_or_below(std::string_view name, std::string_view domain) {
    if (name.size() == domain.size()) return equal_ignoring_case(name, domain);
    return name.size() > domain.size() && name[name.size() - domain.size() - 1] == '.' &&
           equal_ignoring_case(name.substr(name.size() - domain.size()), domain);
}

/// What no tag says alone.
Fault check_whole(const DkimSignatureHeader& header) {
    if (!header.identity.empty()) {
        const std::string_view domain =
            std::string_view(header.identity).substr(header.identity.rfind('@') + 1);
        if (!is_at_or_below(domain, header.domain)) return DkimTagFault::identity_outside_domain;
    }
    if (header.time && header.expiry && *header.expiry <= *header.time) return DkimTagFault::bad_time;
    return {};
}

Fault read_tags(std::string_view value, DkimSignatureHeader& header) {
    if (value.size() > dkim_field_limit_octets) return DkimTagFault::too_long;
    const auto list = split_tags(value);
    if (!list) return list.error();
    Fault first;
    // The rest is read in spite of a fault: whose signature it would be is worth knowing.
    for (const TagRow& row : tags) {
        Fault fault;
        const auto tag = std::ranges::find(*list, row.name, &Tag::name);
        if (tag != list->end()) {
            fault = row.take(tag->value, header);
        } else if (row.is_required) {
            fault = DkimTagFault::missing_tag;
        }
        if (!first) first = fault;
    }
    return first ? first : check_whole(header);
}

}  // namespace

std::string_view describe(DkimTagFault fault) {
    switch (fault) {
        case DkimTagFault::bad_syntax: return "the tag list is malformed";
        case DkimTagFault::duplicate_tag: return "a tag stands twice";
        case DkimTagFault::missing_tag: return "a required tag is missing";
        case DkimTagFault::bad_version: return "the version (v=) is not 1";
        case DkimTagFault::unknown_algorithm: return "the algorithm (a=) is unknown";
        case DkimTagFault::rsa_sha1: return "rsa-sha1 is not accepted (RFC 8301)";
        case DkimTagFault::bad_signature: return "the signature (b=) is malformed";
        case DkimTagFault::bad_body_hash: return "the body hash (bh=) is malformed";
        case DkimTagFault::bad_canonicalization: return "the canonicalization (c=) is unknown";
        case DkimTagFault::bad_domain: return "the domain (d=) is malformed";
        case DkimTagFault::bad_selector: return "the selector (s=) is malformed";
        case DkimTagFault::bad_signed_fields: return "the list of signed fields (h=) is malformed";
        case DkimTagFault::from_not_signed: return "the From field is not signed (h=)";
        case DkimTagFault::bad_identity: return "the identity (i=) is malformed";
        case DkimTagFault::identity_outside_domain: return "the identity (i=) is not of the domain (d=)";
        case DkimTagFault::bad_length: return "the body length (l=) is malformed";
        case DkimTagFault::bad_time: return "the time or expiry (t=, x=) is malformed";
        case DkimTagFault::unknown_query: return "the query method (q=) is unknown";
        case DkimTagFault::too_long: return "the field is too long";
    }
    std::unreachable();
}

DkimSignatureHeader parse_dkim_signature(std::string_view value) {
    DkimSignatureHeader header;
    header.fault = read_tags(value, header);
    if (header.fault) return header;
    std::string question = header.selector + "._domainkey." + header.domain;
    if (question.size() > domain_name_limit_octets)
        header.fault = DkimTagFault::too_long;
    else
        header.key_question = std::move(question);
    return header;
}

DkimSignatureHeaders find_dkim_signatures(const HeaderBlock& header) {
    DkimSignatureHeaders found;
    for (const HeaderField& field : header.fields) {
        if (!field.is("DKIM-Signature") || ++found.total > dkim_signatures_limit) continue;
        found.signatures.push_back(parse_dkim_signature(field.value));
        found.signatures.back().field = field.whole;
    }
    return found;
}

DkimSignatureHeaders find_dkim_signatures(std::string_view message) {
    return find_dkim_signatures(parse_header(message, {.octets = dkim_header_limit_octets}));
}

}  // namespace wicket
