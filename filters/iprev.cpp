#include "filters/iprev.hpp"

#include <algorithm>

namespace wicket {
namespace {

std::string reverse_name(const IpAddress& address) {
    return address.reversed_labels() + (address.is_ipv4() ? ".in-addr.arpa" : ".ip6.arpa");
}

}  // namespace

boost::asio::awaitable<Observation> IprevFilter::examine(FactsSnapshot facts, FilterTools tools) const {
    Observation seen;
    const auto result = [&seen](std::string word) {
        seen.facts.emplace_back(id_of(CoreFact::iprev_result), std::move(word));
    };
    const auto* address = std::get_if<IpAddress>(&facts->get(id_of(CoreFact::client_ip)));
    if (address == nullptr) co_return seen;

    const DnsQuestion reverse{reverse_name(*address), DnsType::ptr};
    const DnsAnswer names = co_await tools.dns.lookup(reverse, tools.deadline);
    seen.lookups.push_back({reverse, names});
    if (names.status == DnsStatus::try_again) {
        result("temperror");
        seen.facts.emplace_back(id_of(CoreFact::client_name), Unknown{names.reason});
        seen.facts.emplace_back(id_of(CoreFact::iprev_names), Unknown{names.reason});
        co_return seen;
    }
    TextList all;
    all.items.assign(
        names.records.begin(),
        names.records.begin() + static_cast<std::ptrdiff_t>(std::min(names.records.size(), iprev_name_limit))
    );
    seen.facts.emplace_back(id_of(CoreFact::iprev_names), all);
    // RFC 8601 section 2.7.3: without a name there is nothing to confirm.
    if (all.items.empty()) {
        result("permerror");
        co_return seen;
    }
    bool is_uncertain = false;
    for (const std::string& name : all.items) {
        const DnsQuestion forward{name, address->is_ipv4() ? DnsType::a : DnsType::aaaa};
        const DnsAnswer addresses = co_await tools.dns.lookup(forward, tools.deadline);
        seen.lookups.push_back({forward, addresses});
        is_uncertain |= addresses.status == DnsStatus::try_again;
        if (std::ranges::find(addresses.records, address->octets()) == addresses.records.end()) continue;
        seen.facts.emplace_back(id_of(CoreFact::client_name), name);
        result("pass");
        co_return seen;
    }
    result(is_uncertain ? "temperror" : "fail");
    if (is_uncertain)
        seen.facts.emplace_back(
            id_of(CoreFact::client_name), Unknown{"a name could not be confirmed for now"}
        );
    co_return seen;
}

}  // namespace wicket
