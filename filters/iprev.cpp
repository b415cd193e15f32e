#include "filters/iprev.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace wicket {
namespace {

std::string reverse_name(const IpAddress& address) {
    return address.reversed_labels() + (address.is_ipv4() ? ".in-addr.arpa" : ".ip6.arpa");
}

Observation all_unknown(Observation seen, const std::string& reason) {
    seen.facts.emplace_back(id_of(CoreFact::iprev_result), std::string("temperror"));
    seen.facts.emplace_back(id_of(CoreFact::client_name), Unknown{reason});
    seen.facts.emplace_back(id_of(CoreFact::iprev_names), Unknown{reason});
    return seen;
}

}  // namespace

boost::asio::awaitable<Observation> IprevFilter::examine(FactsSnapshot facts, FilterTools tools) const {
    Observation seen;
    const auto result = [&seen](std::string word) {
        seen.facts.emplace_back(id_of(CoreFact::iprev_result), std::move(word));
    };
    const FactValue& client = facts->get(id_of(CoreFact::client_ip));
    if (const auto* unknown = std::get_if<Unknown>(&client))
        co_return all_unknown(std::move(seen), unknown->reason);
    const auto* address = std::get_if<IpAddress>(&client);
    if (address == nullptr) co_return seen;

    const DnsAnswer names = co_await look_up(tools, seen, {reverse_name(*address), DnsType::ptr});
    if (names.status == DnsStatus::try_again) co_return all_unknown(std::move(seen), names.reason);
    TextList all;
    all.items.assign(
        names.records.begin(),
        names.records.begin() + static_cast<std::ptrdiff_t>(std::min(names.records.size(), iprev_name_limit))
    );
    const std::size_t left_over = names.records.size() - all.items.size();
    if (left_over != 0) all.missing = fmt::format("{} more names were not looked at", left_over);
    seen.facts.emplace_back(id_of(CoreFact::iprev_names), all);
    // RFC 8601 section 2.7.3: without a name there is nothing to confirm.
    if (all.items.empty()) {
        result("permerror");
        co_return seen;
    }
    // A name that was not looked at may be the one that leads back.
    std::string doubt = all.missing;
    for (const std::string& name : all.items) {
        const DnsType type = address->is_ipv4() ? DnsType::a : DnsType::aaaa;
        const DnsAnswer addresses = co_await look_up(tools, seen, {name, type});
        if (addresses.status == DnsStatus::try_again) doubt = "a name could not be confirmed for now";
        if (std::ranges::find(addresses.records, address->octets()) == addresses.records.end()) continue;
        seen.facts.emplace_back(id_of(CoreFact::client_name), name);
        result("pass");
        co_return seen;
    }
    result(doubt.empty() ? "fail" : "temperror");
    if (!doubt.empty()) seen.facts.emplace_back(id_of(CoreFact::client_name), Unknown{std::move(doubt)});
    co_return seen;
}

}  // namespace wicket
