#include "policy/fact_evidence.hpp"

#include "base/log.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace wicket {
namespace {

// One record fills no more of the screen than this; --json has it whole.
constexpr std::size_t dns_text_limit_octets = 300;

/// The check whose questions a fact rests on; "" if it asks nobody.
std::string check_of_fact(std::string_view fact) {
    if (fact.starts_with("dnsbl.")) return std::string(fact);
    if (fact == "client.name" || fact.starts_with("iprev.")) return "iprev";
    if (fact == "helo.resolves") return "helo";
    if (fact.starts_with("spf.helo.")) return "spf.helo";
    for (const std::string_view check : {"spf.", "dkim.", "dmarc.", "arc."})
        if (fact.starts_with(check)) return std::string(check.substr(0, check.size() - 1));
    return {};
}

bool is_address_type(DnsType type) {
    return type == DnsType::a || type == DnsType::aaaa;
}

const FactValue* value_of(const StoredRecord& stored, std::string_view fact) {
    const auto id = stored.dictionary.find(fact);
    const FactValue* value = id ? &stored.record.facts.get(*id) : nullptr;
    return value != nullptr && !std::holds_alternative<Absent>(*value) ? value : nullptr;
}

bool is_below(std::string_view name, std::string_view zone) {
    return name.size() > zone.size() && equal_ignoring_case(name.substr(name.size() - zone.size()), zone) &&
           name[name.size() - zone.size() - 1] == '.';
}

std::vector<std::string> checks_of(
    const DnsQuestion& question, const StoredRecord& stored, const ListZones& zones
) {
    const std::string_view name = question.name;
    std::vector<std::string> checks;
    for (const auto& [fact, zone] : zones)
        if (question.type == DnsType::a && is_below(name, zone)) checks.push_back(fact);
    if (!checks.empty()) return checks;
    if (name.contains("._domainkey.")) return {"dkim"};
    if (name.starts_with("_dmarc.")) return {"dmarc"};
    if (question.type == DnsType::txt || question.type == DnsType::spf) {
        const FactValue* sender = value_of(stored, "mail.domain");
        const bool is_of_helo = equal_ignoring_case(name, stored.record.helo);
        const bool is_of_sender = sender != nullptr && equal_ignoring_case(name, fact_to_text(*sender));
        if (is_of_helo) checks.emplace_back("spf.helo");
        if (!is_of_helo || is_of_sender) checks.emplace_back("spf");
        return checks;
    }

    const auto* names = value_of(stored, "iprev.names");
    const auto* reverse_names = names != nullptr ? std::get_if<TextList>(names) : nullptr;
    const bool is_reverse_name =
        reverse_names != nullptr && std::ranges::any_of(reverse_names->items, [&](const std::string& one) {
            return equal_ignoring_case(one, name);
        });
    const std::string arpa = stored.record.client_ip.reversed_labels() +
                             (stored.record.client_ip.is_ipv4() ? ".in-addr.arpa" : ".ip6.arpa");
    if ((question.type == DnsType::ptr && equal_ignoring_case(name, arpa)) ||
        (is_address_type(question.type) && is_reverse_name))
        checks.emplace_back("iprev");
    if ((is_address_type(question.type) || question.type == DnsType::mx) &&
        equal_ignoring_case(name, stored.record.helo))
        checks.emplace_back("helo");
    // Mechanisms of an SPF record ask for addresses, too (RFC 7208 section 5).
    if (checks.empty() && value_of(stored, "spf.result") != nullptr) checks.emplace_back("spf");
    return checks;
}

}  // namespace

FactEvidence::FactEvidence(const StoredRecord& stored, const ListZones& zones) {
    for (const DnsLookup& lookup : stored.record.lookups)
        checks_.push_back(checks_of(lookup.question, stored, zones));
}

std::vector<std::size_t> FactEvidence::of(std::string_view fact) const {
    std::vector<std::size_t> found;
    const std::string check = check_of_fact(fact);
    for (std::size_t at = 0; at < checks_.size() && !check.empty(); ++at)
        if (std::ranges::find(checks_[at], check) != checks_[at].end()) found.push_back(at);
    return found;
}

std::vector<std::size_t> FactEvidence::rest() const {
    std::vector<std::size_t> found;
    for (std::size_t at = 0; at < checks_.size(); ++at)
        if (checks_[at].empty()) found.push_back(at);
    return found;
}

std::string lookup_to_text(const DnsLookup& lookup) {
    std::string answer;
    for (const std::string& record : lookup.answer.records) {
        if (!answer.empty()) answer += ", ";
        answer += escape_for_log(record_to_text(lookup.question.type, record), dns_text_limit_octets);
    }
    if (answer.empty()) answer = to_string(lookup.answer.status);
    if (!lookup.answer.reason.empty())
        answer += " (" + escape_for_log(lookup.answer.reason, dns_text_limit_octets) + ")";
    const std::string timing =
        lookup.answer.micros == 0
            ? "cached"
            : fmt::format("{:.1f} ms", static_cast<double>(lookup.answer.micros) / 1000.0);
    return fmt::format(
        "{} {}: {}  [ttl {}, {}{}]",
        escape_for_log(lookup.question.name, dns_text_limit_octets),
        to_string(lookup.question.type),
        answer,
        lookup.answer.ttl_seconds,
        timing,
        lookup.answer.is_authentic ? ", DNSSEC" : ""
    );
}

}  // namespace wicket
