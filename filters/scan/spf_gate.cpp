#include "filters/scan/spf_gate.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace wicket {
namespace {

// libspf2 takes this much of one record without dropping terms silently; more than eleven terms that ask the
// DNS can not be reached anyway.
constexpr int emitted_term_limit = spf_term_limit + 1;
// Stands for a target that no host name can lie in.
constexpr std::string_view name_of_nobody = "nobody.w";

/// Whether libspf2 may read it as the argument of `ptr`.
bool is_plain_name(std::string_view name) {
    return std::ranges::all_of(name, [](char c) {
        return is_letter_or_digit(c) || c == '.' || c == '-' || c == '_';
    });
}

std::string reverse_name(const IpAddress& address) {
    return address.reversed_labels() + (address.is_ipv4() ? ".in-addr.arpa" : ".ip6.arpa");
}

bool lies_in(std::string_view name, std::string_view domain) {
    if (name.size() <= domain.size()) return equal_ignoring_case(name, domain);
    return name[name.size() - domain.size() - 1] == '.' &&
           equal_ignoring_case(name.substr(name.size() - domain.size()), domain);
}

std::string without_trailing_dot(std::string name) {
    if (name.ends_with('.')) name.pop_back();
    return name;
}

/// Whether `+all`, or a network without bits of the client's kind, is reached by every address.
bool lets_everybody_pass(const SpfRecord& record, bool is_ipv4) {
    for (const SpfTerm& term : record.terms) {
        const bool is_all = term.mechanism == SpfMechanism::all;
        const int prefix = is_ipv4 ? term.ip4_prefix : term.ip6_prefix;
        if (term.qualifier == '+' && (is_all || prefix == 0)) return true;
        if (is_all) return false;
    }
    return false;
}

}  // namespace

SpfGate::SpfGate(const SpfQuery& query, SpfLedger& ledger) : query_(query), ledger_(ledger) {
    top_name_ = add_place({.kind = PlaceKind::top});
}

std::string SpfGate::add_place(Place place) {
    places_.push_back(std::move(place));
    return fmt::format("n{}.w", places_.size() - 1);
}

const SpfGate::Place* SpfGate::find_place(std::string_view name) const {
    if (!name.starts_with('n') || !name.ends_with(".w")) return nullptr;
    const std::string_view digits = name.substr(1, name.size() - 3);
    std::size_t index = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    if (error != std::errc() || end != digits.data() + digits.size() || index >= places_.size())
        return nullptr;
    return &places_[index];
}

std::string SpfGate::present(std::string octets) const {
    if (query_.client_ip.is_loopback()) octets[0] = static_cast<char>(octets[0] ^ 1);
    return octets;
}

bool SpfGate::count_term() {
    if (++terms_ <= spf_term_limit) return true;
    force(SpfResult::permerror);
    return false;
}

void SpfGate::count_void() {
    if (++voids_ > spf_void_limit) force(SpfResult::permerror);
}

void SpfGate::force(SpfResult result) {
    if (!forced_) forced_ = result;
}

const DnsAnswer* SpfGate::ask(std::string name, DnsType type) {
    const auto reply = ledger_.ask({std::move(name), type});
    if (reply.standing == SpfLedger::Standing::missing) is_pending_ = true;
    // A limit of ours, which RFC 7208 does not know: the record may be good, so nothing is known of it.
    if (reply.standing == SpfLedger::Standing::over_limit) force(SpfResult::temperror);
    if (reply.answer == nullptr || reply.answer->status == DnsStatus::try_again) return nullptr;
    return reply.answer;
}

SpfGate::Records SpfGate::found(const DnsAnswer& answer) {
    if (answer.status == DnsStatus::found) return answer.records;
    return Records(std::in_place);
}

SpfGate::Records SpfGate::found_or_void(const DnsAnswer& answer) {
    auto records = found(answer);
    if (!records->empty()) return records;
    count_void();
    if (forced_) return std::nullopt;
    return records;
}

SpfGate::Records SpfGate::addresses(std::string_view name, DnsType type) {
    const Place* const place = find_place(name);
    if (place == nullptr) {
        // A name of the client under `ptr`; RFC 7208 section 5.5: one that cannot be looked up is skipped.
        const auto* const answer = ask(std::string(name), type);
        if (is_pending_ || forced_) return std::nullopt;
        if (answer == nullptr || answer->status != DnsStatus::found) return Records(std::in_place);
        std::vector<std::string> presented;
        for (const std::string& octets : answer->records)
            presented.push_back(present(octets));
        return presented;
    }
    const Place at = *place;
    if (at.kind != PlaceKind::term && at.kind != PlaceKind::exchanger) return std::nullopt;
    std::optional<std::string> wanted = at.name;
    if (at.kind == PlaceKind::term) {
        if (!count_term()) return std::nullopt;
        wanted = target_name(term_of(at).target, records_[at.record].domain);
        if (is_pending_) return std::nullopt;
        // RFC 7208 section 4.3 and 4.8: what is no name has no addresses.
        if (!wanted) return Records(std::in_place);
    }
    const auto* const answer = ask(*wanted, type);
    if (answer == nullptr) return std::nullopt;
    // RFC 7208 section 4.6.4 counts void terms; of an `mx` that is for mail_exchangers() to say.
    auto records = at.kind == PlaceKind::exchanger ? found(*answer) : found_or_void(*answer);
    if (!records || records->empty()) return records;
    std::vector<std::string> presented;
    const std::size_t length = type == DnsType::a ? 4 : 16;
    for (const std::string& octets : *records) {
        if (octets.size() == length) presented.push_back(present(octets));
    }
    const SpfTerm& term = term_of(at);
    const int prefix = query_.client_ip.is_ipv4() ? term.ip4_prefix : term.ip6_prefix;
    // libspf2 refuses /0: there every address is a match.
    if (prefix == 0 && term.mechanism != SpfMechanism::exists) return std::vector{presented_client()};
    return presented;
}

SpfGate::Records SpfGate::mail_exchangers(std::string_view name) {
    const Place* const place = find_place(name);
    if (place == nullptr || place->kind != PlaceKind::term || !count_term()) return std::nullopt;
    const Place at = *place;
    const auto wanted = target_name(term_of(at).target, records_[at.record].domain);
    if (is_pending_) return std::nullopt;
    if (!wanted) return Records(std::in_place);
    const auto* const answer = ask(*wanted, DnsType::mx);
    if (answer == nullptr) return std::nullopt;
    const auto records = found_or_void(*answer);
    if (!records) return std::nullopt;
    // RFC 7208 section 4.6.4: more names than this are a permanent error.
    if (records->size() > spf_name_limit) {
        force(SpfResult::permerror);
        return std::nullopt;
    }
    std::vector<std::string> names;
    for (const std::string& record : *records) {
        // Two octets of preference; RFC 7505: an empty name is no exchanger.
        if (auto exchanger =
                spf_name_to_ask(std::string_view(record).substr(std::min<std::size_t>(2, record.size())))) {
            names.push_back(std::move(*exchanger));
        }
    }
    note_addresses(names);
    if (!names.empty() && std::ranges::all_of(names, [this](const auto& one) { return is_nowhere(one); })) {
        count_void();
        if (forced_) return std::nullopt;
    }
    std::vector<std::string> placed;
    for (std::string& exchanger : names) {
        placed.push_back(add_place(
            {.kind = PlaceKind::exchanger, .record = at.record, .term = at.term, .name = std::move(exchanger)}
        ));
    }
    return placed;
}

/// Asks for all at once, so that they are resolved in one round.
void SpfGate::note_addresses(const std::vector<std::string>& names) {
    for (const std::string& name : names)
        ledger_.ask({name, client_address_type()});
}

/// An exchanger that has addresses of the other family alone is no void look-up: whoever has no IPv6 may
/// still name it in a record.
bool SpfGate::is_nowhere(const std::string& exchanger) {
    const auto reply = ledger_.ask({exchanger, client_address_type()});
    return reply.answer != nullptr && reply.answer->status == DnsStatus::no_such_name;
}

SpfGate::Records SpfGate::client_names() {
    if (!count_term()) return std::nullopt;
    const auto* const answer = ask(reverse_name(query_.client_ip), DnsType::ptr);
    if (is_pending_ || forced_) return std::nullopt;
    // RFC 7208 section 5.5: if the PTR cannot be looked up, the mechanism does not match.
    if (answer == nullptr) return Records(std::in_place);
    const auto records = found_or_void(*answer);
    if (!records) return std::nullopt;
    std::vector<std::string> names;
    for (const std::string& record : *records) {
        if (names.size() == spf_name_limit) break;
        auto name = spf_name_to_ask(record);
        if (name && is_plain_name(*name) && find_place(*name) == nullptr) names.push_back(std::move(*name));
    }
    note_addresses(names);
    return names;
}

SpfGate::RecordText SpfGate::record_text(std::string_view name) {
    const Place* const place = find_place(name);
    if (place == nullptr) return {RecordStanding::stopped};
    const Place at = *place;
    std::optional<std::string> wanted;
    std::string domain = query_.domain;
    bool counts_for_pass = true;
    if (at.kind == PlaceKind::top) {
        wanted = spf_name_to_ask(domain);
    } else {
        if (!count_term()) return {RecordStanding::stopped};
        const OpenRecord& parent = records_[at.record];
        counts_for_pass =
            parent.counts_for_pass && (at.kind == PlaceKind::redirect || term_of(at).qualifier == '+');
        wanted = target_name(
            at.kind == PlaceKind::term ? term_of(at).target : *parent.record.redirect, parent.domain
        );
        if (is_pending_) return {RecordStanding::stopped};
        if (wanted) domain = *wanted;
    }
    if (!wanted) return {RecordStanding::none};
    const auto* const answer = ask(*wanted, DnsType::txt);
    if (answer == nullptr) return {RecordStanding::stopped};
    const std::string* chosen = nullptr;
    for (const std::string& text : answer->records) {
        if (!is_spf_record(text)) continue;
        // RFC 7208 section 4.5: more than one record is a permanent error.
        if (chosen != nullptr) force(SpfResult::permerror);
        chosen = &text;
    }
    if (chosen == nullptr) return {RecordStanding::none};
    auto parsed = parse_spf_record(*chosen);
    if (!parsed) force(SpfResult::permerror);
    if (forced_) return {RecordStanding::stopped};
    if (counts_for_pass && lets_everybody_pass(*parsed, query_.client_ip.is_ipv4())) permits_all_ = true;
    records_.push_back({std::move(*parsed), without_trailing_dot(std::move(domain)), counts_for_pass});
    const std::size_t index = records_.size() - 1;
    if (at.kind == PlaceKind::redirect && at.record == deciding_record_) deciding_record_ = index;
    auto text = normalised(index);
    if (!text) return {RecordStanding::stopped};
    return {RecordStanding::found, std::move(*text)};
}

std::string SpfGate::term_text(std::size_t record, std::size_t term) {
    const SpfTerm& at = records_[record].record.terms[term];
    const std::string place = add_place({.kind = PlaceKind::term, .record = record, .term = term});
    if (at.mechanism == SpfMechanism::include) return "include:" + place;
    if (at.mechanism == SpfMechanism::exists) return "exists:" + place;
    std::string text = (at.mechanism == SpfMechanism::a ? "a:" : "mx:") + place;
    if (query_.client_ip.is_ipv4()) {
        if (at.ip4_prefix != 0 && at.ip4_prefix != 32) text += fmt::format("/{}", at.ip4_prefix);
    } else if (at.ip6_prefix != 0 && at.ip6_prefix != 128) {
        text += fmt::format("//{}", at.ip6_prefix);
    }
    return text;
}

std::optional<std::string> SpfGate::normalised(std::size_t index) {
    std::string text = "v=spf1";
    int emitted = 0;
    for (std::size_t at = 0; at < records_[index].record.terms.size(); ++at) {
        const SpfTerm& term = records_[index].record.terms[at];
        switch (term.mechanism) {
            case SpfMechanism::ip4:
            case SpfMechanism::ip6:
                if (!matches_network(term, query_.client_ip)) continue;
                [[fallthrough]];
            case SpfMechanism::all: return text + " " + term.qualifier + "all";
            case SpfMechanism::ptr: {
                auto target = target_name(term.target, records_[index].domain);
                if (is_pending_) return std::nullopt;
                if (!target || !is_plain_name(*target)) target = name_of_nobody;
                text += fmt::format(" {}ptr:{}", term.qualifier, *target);
                break;
            }
            default: text += fmt::format(" {}{}", term.qualifier, term_text(index, at));
        }
        if (++emitted == emitted_term_limit) return text;
    }
    if (records_[index].record.redirect)
        text += " redirect=" + add_place({.kind = PlaceKind::redirect, .record = index});
    return text;
}

SpfMacroValues SpfGate::values_for(const std::string& domain) {
    return {
        .sender = query_.sender,
        .domain = domain,
        .helo = query_.helo,
        .client_ip = query_.client_ip,
        .receiver = query_.receiver,
        .unix_time = query_.unix_time,
        .validated_name = [this, domain] { return validated_name(domain); },
    };
}

std::optional<std::string> SpfGate::target_name(const SpfMacroString& target, const std::string& domain) {
    if (target.empty()) return spf_name_to_ask(domain);
    const auto expanded = expand_spf_macros(target, values_for(domain));
    if (!expanded) return std::nullopt;
    return spf_name_to_ask(*expanded);
}

std::optional<std::string> SpfGate::validated_name(const std::string& domain) {
    const auto* const answer = ask(reverse_name(query_.client_ip), DnsType::ptr);
    if (is_pending_ || forced_) return std::nullopt;
    if (answer == nullptr) return "unknown";
    std::vector<std::string> names;
    for (const std::string& record : answer->records) {
        if (names.size() == spf_name_limit) break;
        if (auto name = spf_name_to_ask(record)) names.push_back(std::move(*name));
    }
    note_addresses(names);
    std::string best = "unknown";
    int best_rank = 0;
    for (const std::string& name : names) {
        const auto* const addresses_answer = ask(name, client_address_type());
        if (is_pending_ || forced_) return std::nullopt;
        if (addresses_answer == nullptr) continue;
        const auto& found = addresses_answer->records;
        if (std::ranges::find(found, query_.client_ip.octets()) == found.end()) continue;
        // RFC 7208 section 7.3: the domain itself, else a name below it, else any.
        const int rank = equal_ignoring_case(name, domain) ? 3 : lies_in(name, domain) ? 2 : 1;
        if (rank <= best_rank) continue;
        best_rank = rank;
        best = name;
    }
    return best;
}

std::string SpfGate::explanation() {
    if (deciding_record_ >= records_.size()) return {};
    const OpenRecord& deciding = records_[deciding_record_];
    if (!deciding.record.explanation) return {};
    const auto name = target_name(*deciding.record.explanation, deciding.domain);
    if (!name || is_pending_) return {};
    // RFC 7208 section 6.2: on any trouble, as if there were no exp=. It counts towards no limit of terms.
    const auto reply = ledger_.ask({*name, DnsType::txt});
    if (reply.standing == SpfLedger::Standing::missing) is_pending_ = true;
    if (reply.answer == nullptr || reply.answer->records.size() != 1) return {};
    if (reply.answer->status != DnsStatus::found) return {};
    const auto text = parse_spf_macros(reply.answer->records[0], SpfMacroUse::explanation);
    if (!text) return {};
    auto expanded = expand_spf_macros(*text, values_for(deciding.domain));
    if (!expanded || expanded->size() > spf_expansion_limit_octets) return {};
    if (!std::ranges::all_of(*expanded, [](char c) { return c >= ' ' && c <= '~'; })) return {};
    return *expanded;
}

}  // namespace wicket
