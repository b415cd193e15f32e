#include "filters/dnsbl.hpp"

#include "base/text.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <fmt/format.h>

namespace wicket {
namespace {

/// The labels to be asked about in front of the zone; empty if the list has no opinion about such a value.
std::string labels_of(const FactValue& value, const DnsList& list) {
    if (const auto* address = std::get_if<IpAddress>(&value)) {
        if (!list.asks_addresses || (address->is_private() && !list.asks_private)) return {};
        return address->reversed_labels();
    }
    if (const auto* text = std::get_if<std::string>(&value)) {
        // A domain list that is asked about an address answers that all of them are listed.
        if (list.asks_addresses || text->empty() || text->front() == '[' || IpAddress::parse(*text))
            return {};
        // Nor has a list an opinion about what no name server can be asked.
        return is_askable_name(*text + "." + list.zone) ? lower_case(*text) : std::string();
    }
    return {};
}

DnsListKind kind_of(const FactValue& value) {
    const auto* address = std::get_if<IpAddress>(&value);
    if (address == nullptr) return DnsListKind::domain;
    return address->is_ipv4() ? DnsListKind::ipv4 : DnsListKind::ipv6;
}

}  // namespace

DnsblFilter::DnsblFilter(std::shared_ptr<DnsListHealth> health)
    : health_(std::move(health)), name_("dnsbl." + health_->list().name) {}

boost::asio::awaitable<Observation> DnsblFilter::examine(FactsSnapshot facts, FilterTools tools) const {
    const DnsList& list = health_->list();
    const FactValue& value = facts->get(list.of);
    Observation seen;
    if (const auto* unknown = std::get_if<Unknown>(&value)) {
        seen.facts.emplace_back(list.fact, *unknown);
        co_return seen;
    }
    const std::string labels = labels_of(value, list);
    if (labels.empty()) co_return seen;
    const DnsListKind kind = kind_of(value);
    std::string trouble = health_->trouble();
    if (trouble.empty() && kind == DnsListKind::ipv6) trouble = health_->ipv6_trouble();
    if (!trouble.empty()) {
        seen.facts.emplace_back(list.fact, Unknown{"the list is off: " + trouble});
        co_return seen;
    }

    if (tools.list_budget && !tools.list_budget->take(tools.stage)) {
        seen.facts.emplace_back(
            list.fact, Unknown{fmt::format("{} lists were asked for this message", ListBudget::limit)}
        );
        co_return seen;
    }

    DnsQuestion question{labels + "." + list.zone, DnsType::a};
    // What is recorded and told holds no customer's key.
    DnsQuestion shown{labels + "." + list.shown_zone, DnsType::a};
    const DnsAnswer answer = co_await look_up(tools, seen, std::move(question), std::move(shown));
    if (answer.status == DnsStatus::try_again) {
        seen.facts.emplace_back(
            list.fact, Unknown{answer.reason.empty() ? "the list did not answer" : answer.reason}
        );
        co_return seen;
    }
    TextList hits;
    for (const std::string& record : answer.records) {
        std::string code_name;
        switch (classify(list, record, &code_name)) {
            case DnsListAnswer::listed:
                if (std::ranges::find(hits.items, code_name) == hits.items.end())
                    hits.items.push_back(code_name);
                break;
            case DnsListAnswer::other: break;
            case DnsListAnswer::refused:
                health_->distrust(
                    "it refuses to answer us: " + record_to_text(DnsType::a, record), tools.clock.wall()
                );
                seen.facts.emplace_back(list.fact, Unknown{"refused by the list"});
                co_return seen;
            case DnsListAnswer::hijacked:
                health_->distrust(
                    "it is hijacked: " + record_to_text(DnsType::a, record), tools.clock.wall()
                );
                seen.facts.emplace_back(list.fact, Unknown{"the list is hijacked"});
                co_return seen;
        }
    }
    if (!hits.items.empty() && health_->wants_doubt(tools.clock.steady()))
        boost::asio::co_spawn(
            co_await boost::asio::this_coro::executor,
            DnsListHealth::doubt(health_, kind, tools.dns, tools.clock),
            boost::asio::detached
        );
    seen.facts.emplace_back(list.fact, std::move(hits));
    co_return seen;
}

}  // namespace wicket
