#include "policy/named_list.hpp"

#include "base/text.hpp"
#include "base/unicode_names.hpp"
#include "mail/address.hpp"
#include "policy/expression.hpp"
#include "policy/time_text.hpp"

#include <algorithm>
#include <cstdint>
#include <re2/re2.h>
#include <re2/set.h>
#include <utility>

namespace wicket {
namespace {

/// Whether anything can be under that name. RFC 3696 section 2: the last label is not all digits, so that
/// 1.2.3.4 is none.
bool is_domain_like(std::string_view text) {
    const std::string name = ascii_domain(text);
    const std::string_view last = std::string_view(name).substr(name.rfind('.') + 1);
    return is_domain_name(name, AddressCharset::utf8) && !std::ranges::all_of(last, is_digit);
}

/// An entry of kind address as facts have it; nullopt if it is none. Domains are as in kind domain, since
/// From fields have names with `_`.
std::optional<std::string> address_key(std::string_view entry) {
    const auto at = entry.rfind('@');
    if (at == std::string_view::npos) return std::nullopt;
    const std::string_view domain = entry.substr(at + 1);
    const bool is_literal =
        domain.starts_with('[') && parse_mailbox("postmaster@" + std::string(domain), AddressCharset::ascii);
    if (!is_literal && !is_domain_like(domain)) return std::nullopt;
    const std::string key = '@' + ascii_domain(domain);
    if (at == 0) return key;
    // `*` may stand in a local part, but who writes it means anything.
    if (entry.front() != '"' && entry.substr(0, at).contains('*')) return std::nullopt;
    const auto mailbox =
        parse_mailbox(std::string(entry.substr(0, at)) + "@example.org", AddressCharset::utf8);
    if (!mailbox) return std::nullopt;
    const std::string shown = mailbox->to_string();
    return wicket::lower_case(shown.substr(0, shown.rfind('@'))) + key;
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

constexpr WallTime never = WallTime::max();

/// An entry without its comment, which begins at the line's beginning or after a blank: `#` is also a letter
/// of addresses and patterns.
std::string_view without_comment(std::string_view line) {
    for (std::size_t at = line.find('#'); at != std::string_view::npos; at = line.find('#', at + 1))
        if (at == 0 || is_wsp(line[at - 1])) return line.substr(0, at);
    return line;
}

constexpr std::string_view expiry_key = "expires=";

struct EntryParts {
    std::string_view entry;
    std::optional<std::string_view> expires;
};

/// The last word may say until when the entry counts.
EntryParts parts_of(std::string_view line) {
    const std::string_view entry = trimmed(line);
    const auto blank = entry.find_last_of(" \t");
    if (blank == std::string_view::npos || !entry.substr(blank + 1).starts_with(expiry_key))
        return {entry, std::nullopt};
    return {trimmed(entry.substr(0, blank)), entry.substr(blank + 1 + expiry_key.size())};
}

std::string_view expected_entry(ListKind kind) {
    switch (kind) {
        case ListKind::ip: return "an address or a network such as 192.0.2.0/24 (host bits zero)";
        case ListKind::domain: return "a domain such as example.org, which stands for its subdomains too";
        case ListKind::address:
            return "an address such as a@example.org, or @example.org for all of a domain; * and ? are for a "
                   "list of kind glob";
        case ListKind::glob:
        case ListKind::regex: break;
    }
    return "a pattern of printable characters with * and ?";
}

}  // namespace

std::string_view to_string(ListKind kind) {
    switch (kind) {
        case ListKind::ip: return "ip";
        case ListKind::domain: return "domain";
        case ListKind::address: return "address";
        case ListKind::glob: return "glob";
        case ListKind::regex: break;
    }
    return "regex";
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

struct NamedList::JoinedPatterns {
    re2::RE2::Set set;
};

NamedList::NamedList(ListKind kind) : kind_(kind) {}
NamedList::~NamedList() = default;

std::size_t NamedList::size() const {
    return networks_.size() + texts_.size() + patterns_.size();
}

/// Of one entry that stands twice the later expiry counts.
void NamedList::add_text(std::string text, WallTime expires) {
    const auto [found, is_new] = texts_.emplace(std::move(text), expires);
    if (!is_new) found->second = std::max(found->second, expires);
}

std::optional<NamedList::BadEntry> NamedList::add_regex(std::string_view entry, WallTime expires) {
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(pattern_limit_octets);
    auto compiled = std::make_unique<const re2::RE2>(re2::StringPiece(entry.data(), entry.size()), options);
    if (compiled->ok()) {
        patterns_.push_back({std::string(entry), std::move(compiled), expires});
        return std::nullopt;
    }
    const auto at =
        compiled->error_arg().empty() ? std::string_view::npos : entry.find(compiled->error_arg());
    return BadEntry{"bad regular expression: " + compiled->error(), at == std::string_view::npos ? 0 : at};
}

std::optional<NamedList::BadEntry> NamedList::add(std::string_view entry, WallTime expires) {
    const BadEntry bad{
        "bad entry of a list of kind " + std::string(to_string(kind_)) + ": expected " +
        std::string(expected_entry(kind_))
    };
    switch (kind_) {
        case ListKind::ip: {
            const auto network = IpNetwork::parse(entry);
            if (!network) return bad;
            networks_.push_back({*network, expires});
            return std::nullopt;
        }
        case ListKind::domain:
            if (!is_domain_like(entry)) return bad;
            add_text(ascii_domain(entry), expires);
            return std::nullopt;
        case ListKind::address: {
            auto key = address_key(entry);
            if (!key) return bad;
            add_text(*std::move(key), expires);
            return std::nullopt;
        }
        case ListKind::regex: return add_regex(entry, expires);
        case ListKind::glob: break;
    }
    if (!is_printable(entry)) return bad;
    patterns_.push_back({std::string(entry), nullptr, expires});
    return std::nullopt;
}

bool NamedList::stands_before(const Network& a, const Network& b) {
    const int a_prefix = prefix_on_one_scale(a.network);
    const int b_prefix = prefix_on_one_scale(b.network);
    if (a_prefix != b_prefix) return a_prefix < b_prefix;
    return a.network.address() < b.network.address();
}

void NamedList::order_networks() {
    // Of one network that stands twice the later expiry counts.
    std::ranges::sort(networks_, [](const Network& a, const Network& b) {
        if (stands_before(a, b) || stands_before(b, a)) return stands_before(a, b);
        return a.expires > b.expires;
    });
    const auto repeated = std::ranges::unique(networks_, {}, &Network::network);
    networks_.erase(repeated.begin(), repeated.end());
    for (const Network& one : networks_) {
        const int prefix = prefix_on_one_scale(one.network);
        if (prefix_lengths_.empty() || prefix_lengths_.back() != prefix) prefix_lengths_.push_back(prefix);
    }
}

void NamedList::join_patterns() {
    if (kind_ != ListKind::regex || patterns_.empty()) return;
    re2::RE2::Options options;
    options.set_log_errors(false);
    auto joined = std::make_unique<JoinedPatterns>(JoinedPatterns{
        {options, re2::RE2::UNANCHORED}
    });
    for (const Pattern& one : patterns_)
        joined->set.Add(one.text, nullptr);
    if (joined->set.Compile()) joined_ = std::move(joined);
}

bool NamedList::matches_any(std::string_view text, WallTime now) const {
    const re2::StringPiece head(text.data(), std::min(text.size(), match_limit_octets));
    re2::RE2::Set::ErrorInfo error{};
    std::vector<int> found;
    if (joined_ != nullptr && joined_->set.Match(head, has_expiring_ ? &found : nullptr, &error)) {
        return !has_expiring_ || std::ranges::any_of(found, [&](int at) {
            return now < patterns_[static_cast<std::size_t>(at)].expires;
        });
    }
    if (joined_ != nullptr && error.kind == re2::RE2::Set::kNoError) return false;
    // Too much memory for all at once: one by one.
    return std::ranges::any_of(patterns_, [&](const Pattern& one) {
        return now < one.expires && re2::RE2::PartialMatch(head, *one.compiled);
    });
}

std::shared_ptr<const NamedList> NamedList::parse(
    ListKind kind,
    std::string_view content,
    const std::string& file,
    Diagnostics& diagnostics,
    std::vector<ListEntry>* entries
) {
    const std::shared_ptr<NamedList> list(new NamedList(kind));
    bool is_good = true;
    std::uint32_t line_number = 0;
    while (!content.empty()) {
        ++line_number;
        const auto end = content.find('\n');
        const std::string_view line = content.substr(0, end);
        content = end == std::string_view::npos ? std::string_view{} : content.substr(end + 1);
        const auto [entry, expires] = parts_of(without_comment(line));
        if (entry.empty() && !expires) continue;
        const auto complain = [&](const char* at, std::string message) {
            is_good = false;
            const auto column = static_cast<std::uint32_t>(at - line.data()) + 1;
            diagnostics.error({file, line_number, column}, std::move(message), {}, std::string(line));
        };
        const auto until = expires ? parse_time(*expires) : std::nullopt;
        if (expires && !until) {
            complain(expires->data(), "expected a date such as 2027-01-31 after expires=");
            continue;
        }
        if (auto bad = list->add(entry, until.value_or(never))) {
            complain(entry.data() + bad->offset, std::move(bad->message));
            continue;
        }
        list->has_expiring_ |= until.has_value();
        if (entries == nullptr) continue;
        const auto column = static_cast<std::uint32_t>(entry.data() - line.data()) + 1;
        entries->push_back({
            std::string(entry), {file, line_number, column},
             until
        });
    }
    if (!is_good) return nullptr;
    list->order_networks();
    list->join_patterns();
    return list;
}

bool NamedList::contains(const IpAddress& address, WallTime now) const {
    // One binary search for each prefix length that occurs.
    const int shift = address.is_ipv4() ? 96 : 0;
    return std::ranges::any_of(prefix_lengths_, [&](int prefix) {
        if (prefix < shift) return false;
        const Network wanted{IpNetwork::around(address, prefix - shift), never};
        const auto found = std::ranges::lower_bound(networks_, wanted, stands_before);
        return found != networks_.end() && found->network == wanted.network && now < found->expires;
    });
}

bool NamedList::has_text(std::string_view text, WallTime now) const {
    const auto found = texts_.find(text);
    return found != texts_.end() && now < found->second;
}

bool NamedList::contains(std::string_view text, WallTime now) const {
    switch (kind_) {
        case ListKind::ip: return false;
        case ListKind::domain:
            while (!text.empty()) {
                if (has_text(text, now)) return true;
                const auto dot = text.find('.');
                if (dot == std::string_view::npos) return false;
                text.remove_prefix(dot + 1);
            }
            return false;
        case ListKind::address: {
            if (has_text(text, now)) return true;
            const auto at = text.rfind('@');
            return at != std::string_view::npos && has_text(text.substr(at), now);
        }
        case ListKind::regex: return matches_any(text, now);
        case ListKind::glob: break;
    }
    return std::ranges::any_of(patterns_, [&](const Pattern& one) {
        return now < one.expires && matches_glob(one.text, text);
    });
}

bool NamedList::covers(std::string_view entry) const {
    switch (kind_) {
        case ListKind::ip: {
            const auto network = IpNetwork::parse(entry);
            return network && std::ranges::any_of(prefix_lengths_, [&](int prefix) {
                       const int shift = network->address().is_ipv4() ? 96 : 0;
                       if (prefix < shift || prefix - shift > network->prefix_bits()) return false;
                       const Network wanted{IpNetwork::around(network->address(), prefix - shift), never};
                       return std::ranges::binary_search(networks_, wanted, stands_before);
                   });
        }
        case ListKind::domain: return contains(ascii_domain(entry));
        case ListKind::address: return contains(address_key(entry).value_or(std::string(entry)));
        case ListKind::glob:
        case ListKind::regex: break;
    }
    return std::ranges::find(patterns_, entry, &Pattern::text) != patterns_.end();
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
