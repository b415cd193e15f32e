#include "policy/named_list.hpp"

#include "base/text.hpp"
#include "base/unicode_names.hpp"

#include <algorithm>
#include <cstdint>

namespace wicket {
namespace {

bool is_domain_like(std::string_view text) {
    if (text.empty() || text.size() > 253 || text.front() == '.' || text.back() == '.') return false;
    return text.find("..") == std::string_view::npos && std::ranges::all_of(text, [](char c) {
               return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.' || !is_ascii(c);
           });
}

bool is_printable(std::string_view text) {
    return std::ranges::all_of(text, [](char c) {
        return static_cast<unsigned char>(c) > 0x20 && c != 0x7F;
    });
}

/// IPv4 counts as ::ffff:0:0/96 here, so that one scale has both.
int prefix_on_one_scale(const IpNetwork& network) {
    return network.prefix_bits() + (network.address().is_ipv4() ? 96 : 0);
}

bool networks_before(const IpNetwork& a, const IpNetwork& b) {
    const int a_prefix = prefix_on_one_scale(a);
    const int b_prefix = prefix_on_one_scale(b);
    if (a_prefix != b_prefix) return a_prefix < b_prefix;
    return a.address() < b.address();
}

std::string_view expected_entry(ListKind kind) {
    switch (kind) {
        case ListKind::ip: return "an address or a network such as 192.0.2.0/24 (host bits zero)";
        case ListKind::domain: return "a domain such as example.org, which stands for its subdomains too";
        case ListKind::address:
            return "an address such as a@example.org, or @example.org for all of a domain";
        case ListKind::glob: break;
    }
    return "a pattern of printable characters with * and ?";
}

}  // namespace

std::string_view to_string(ListKind kind) {
    switch (kind) {
        case ListKind::ip: return "ip";
        case ListKind::domain: return "domain";
        case ListKind::address: return "address";
        case ListKind::glob: break;
    }
    return "glob";
}

std::size_t NamedList::Hash::operator()(std::string_view text) const {
    std::uint64_t hash =
        14695981039346656037ULL;  // FNV-1a: entries are the administrator's own, not a peer's
    for (const char c : text)
        hash = (hash ^ static_cast<unsigned char>(lower_case(c))) * 1099511628211ULL;
    return hash;
}

bool NamedList::Equal::operator()(std::string_view a, std::string_view b) const {
    return equal_ignoring_case(a, b);
}

bool NamedList::add(std::string_view entry) {
    switch (kind_) {
        case ListKind::ip: {
            const auto network = IpNetwork::parse(entry);
            if (!network) return false;
            networks_.push_back(*network);
            return true;
        }
        case ListKind::domain:
            if (!is_domain_like(entry)) return false;
            texts_.insert(ascii_domain(entry));
            return true;
        case ListKind::address: {
            const auto at = entry.rfind('@');
            if (at == std::string_view::npos || !is_printable(entry) ||
                !is_domain_like(entry.substr(at + 1))) {
                return false;
            }
            texts_.insert(wicket::lower_case(ascii_domain_address(entry)));
            return true;
        }
        case ListKind::glob: break;
    }
    if (!is_printable(entry)) return false;
    globs_.emplace_back(entry);
    return true;
}

std::shared_ptr<const NamedList> NamedList::parse(
    ListKind kind, std::string_view content, const std::string& file, Diagnostics& diagnostics
) {
    const std::shared_ptr<NamedList> list(new NamedList(kind));
    bool is_good = true;
    std::uint32_t line_number = 0;
    while (!content.empty()) {
        ++line_number;
        const auto end = content.find('\n');
        const std::string_view line = content.substr(0, end);
        content = end == std::string_view::npos ? std::string_view{} : content.substr(end + 1);
        const std::string_view entry = trimmed(line.substr(0, line.find('#')));
        if (entry.empty() || list->add(entry)) continue;
        is_good = false;
        const auto column = static_cast<std::uint32_t>(entry.data() - line.data()) + 1;
        diagnostics.error(
            SourcePlace{file, line_number, column},
            "bad entry of a list of kind " + std::string(to_string(kind)) + ": expected " +
                std::string(expected_entry(kind)),
            {},
            std::string(line)
        );
    }
    if (!is_good) return nullptr;
    std::ranges::sort(list->networks_, networks_before);
    for (const IpNetwork& network : list->networks_) {
        const int prefix = prefix_on_one_scale(network);
        if (list->prefix_lengths_.empty() || list->prefix_lengths_.back() != prefix) {
            list->prefix_lengths_.push_back(prefix);
        }
    }
    return list;
}

bool NamedList::contains(const IpAddress& address) const {
    // One binary search for each prefix length that occurs.
    const int shift = address.is_ipv4() ? 96 : 0;
    return std::ranges::any_of(prefix_lengths_, [&](int prefix) {
        if (prefix < shift) return false;
        return std::ranges::binary_search(
            networks_, IpNetwork::around(address, prefix - shift), networks_before
        );
    });
}

bool NamedList::contains(std::string_view text) const {
    switch (kind_) {
        case ListKind::ip: return false;
        case ListKind::domain:
            while (!text.empty()) {
                if (texts_.contains(text)) return true;
                const auto dot = text.find('.');
                if (dot == std::string_view::npos) return false;
                text.remove_prefix(dot + 1);
            }
            return false;
        case ListKind::address: {
            if (texts_.contains(text)) return true;
            const auto at = text.rfind('@');
            return at != std::string_view::npos && texts_.contains(text.substr(at));
        }
        case ListKind::glob: break;
    }
    return std::ranges::any_of(globs_, [&](const std::string& glob) { return matches_glob(glob, text); });
}

bool matches_glob(std::string_view glob, std::string_view text) {
    std::size_t in_glob = 0;
    std::size_t in_text = 0;
    std::size_t last_star = std::string_view::npos;
    std::size_t resume = 0;  // where the text after the last star began to match
    while (in_text < text.size()) {
        if (in_glob < glob.size() && glob[in_glob] == '*') {
            last_star = in_glob++;
            resume = in_text;
        } else if (in_glob < glob.size() &&
                   (glob[in_glob] == '?' || lower_case(glob[in_glob]) == lower_case(text[in_text]))) {
            ++in_glob;
            ++in_text;
        } else if (last_star != std::string_view::npos) {
            in_glob = last_star + 1;
            in_text = ++resume;
        } else {
            return false;
        }
    }
    while (in_glob < glob.size() && glob[in_glob] == '*')
        ++in_glob;
    return in_glob == glob.size();
}

}  // namespace wicket
