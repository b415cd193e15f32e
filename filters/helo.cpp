#include "filters/helo.hpp"

#include "base/text.hpp"
#include "mail/address.hpp"

#include <algorithm>
#include <optional>

namespace wicket {
namespace {

/// Our own programs greet with our own name: only from elsewhere it is a lie.
bool is_from_outside(const IpAddress& client, const IpAddress* listener) {
    return !client.is_loopback() && (listener == nullptr || client != *listener);
}

std::string name_of(const std::string& given) {
    return lower_case(without_end_dot(given));
}

/// The address inside an address literal, [192.0.2.1] or [IPv6:2001:db8::1].
std::optional<IpAddress> literal_address(std::string_view literal) {
    constexpr std::string_view ipv6_tag = "IPv6:";
    if (literal.size() < 2 || literal.front() != '[' || literal.back() != ']') return std::nullopt;
    literal = literal.substr(1, literal.size() - 2);
    if (starts_with_ignoring_case(literal, ipv6_tag)) literal.remove_prefix(ipv6_tag.size());
    return IpAddress::parse(literal);
}

}  // namespace

std::string_view helo_form(std::string_view name) {
    name = without_end_dot(name);
    if (literal_address(name)) return "literal";
    if (IpAddress::parse(name)) return "address";
    if (!is_domain_name(name, AddressCharset::ascii)) return "malformed";
    return name.contains('.') ? "fqdn" : "bare";
}

boost::asio::awaitable<Observation> HeloFilter::examine(FactsSnapshot facts, FilterTools /*tools*/) const {
    Observation seen;
    const auto* given = std::get_if<std::string>(&facts->get(id_of(CoreFact::helo_name)));
    if (given == nullptr) co_return seen;
    const std::string name = name_of(*given);
    seen.facts.emplace_back(id_of(CoreFact::helo_form), std::string(helo_form(name)));
    const auto* listener = std::get_if<IpAddress>(&facts->get(id_of(CoreFact::listener_address)));
    const std::optional<IpAddress> literal = literal_address(name);
    const std::optional<IpAddress> address = literal ? literal : IpAddress::parse(name);
    const bool names_us = address ? listener != nullptr && *address == *listener
                                  : std::ranges::find(our_names_, name) != our_names_.end();

    const FactValue& client_value = facts->get(id_of(CoreFact::client_ip));
    if (const auto* unknown = std::get_if<Unknown>(&client_value)) {
        if (literal) seen.facts.emplace_back(id_of(CoreFact::helo_literal_matches), *unknown);
        seen.facts.emplace_back(
            id_of(CoreFact::helo_is_ours), names_us ? FactValue(*unknown) : FactValue(false)
        );
        co_return seen;
    }
    const auto* client = std::get_if<IpAddress>(&client_value);
    // Of nobody it cannot be said whether they are from outside, nor what address they have.
    if (client == nullptr) {
        if (!names_us) seen.facts.emplace_back(id_of(CoreFact::helo_is_ours), false);
        co_return seen;
    }
    if (literal) seen.facts.emplace_back(id_of(CoreFact::helo_literal_matches), *literal == *client);
    seen.facts.emplace_back(id_of(CoreFact::helo_is_ours), names_us && is_from_outside(*client, listener));
    co_return seen;
}

boost::asio::awaitable<Observation> HeloDnsFilter::examine(FactsSnapshot facts, FilterTools tools) const {
    Observation seen;
    const auto* given = std::get_if<std::string>(&facts->get(id_of(CoreFact::helo_name)));
    if (given == nullptr) co_return seen;
    const std::string name = name_of(*given);
    if (helo_form(name) != "fqdn") co_return seen;
    std::string trouble;
    for (const DnsType type : {DnsType::a, DnsType::aaaa, DnsType::mx}) {
        const DnsAnswer answer = co_await look_up(tools, seen, {name, type});
        if (answer.status == DnsStatus::try_again) trouble = answer.reason;
        if (answer.status == DnsStatus::found) {
            seen.facts.emplace_back(id_of(CoreFact::helo_resolves), true);
            co_return seen;
        }
        // RFC 8020: below a name that does not exist there is no other type either.
        if (answer.status == DnsStatus::no_such_name) break;
    }
    if (trouble.empty())
        seen.facts.emplace_back(id_of(CoreFact::helo_resolves), false);
    else
        seen.facts.emplace_back(id_of(CoreFact::helo_resolves), Unknown{trouble});
    co_return seen;
}

}  // namespace wicket
