#include "filters/dns_list_health.hpp"

#include "base/log.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace wicket {
namespace {

constexpr std::uint32_t ipv4(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
    return a << 24U | b << 16U | c << 8U | d;
}

bool is_in(const std::vector<DnsListCode>& codes, std::uint32_t code, std::string* name) {
    const auto found = std::ranges::find_if(codes, [code](const DnsListCode& row) {
        return row.first <= code && code <= row.last;
    });
    if (found == codes.end()) return false;
    if (name != nullptr) *name = found->name;
    return true;
}

constexpr std::chrono::seconds probe_patience{10};
constexpr std::string_view no_answer = "it does not answer: ";
// RFC 5782 section 5: ::FFFF:7F00:2 must be listed and ::FFFF:7F00:1 must not; what their reversed nibbles
// have in common.
constexpr std::string_view ipv6_probe_middle = "0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.";

void note_change(
    std::string_view well,
    std::string_view off,
    const std::string& list,
    const std::string& before,
    const std::string& now
) {
    if (before == now) return;
    if (now.empty())
        log_info(
            well,
            {
                {"list", list}
        }
        );
    else
        log_warning(
            off,
            {
                {"list",   list},
                {"reason", now }
        }
        );
}

std::uint32_t to_host_order(std::string_view octets) {
    std::uint32_t value = 0;
    for (const char c : octets)
        value = value << 8U | static_cast<unsigned char>(c);
    return value;
}

}  // namespace

DnsListAnswer classify(const DnsList& list, std::string_view record, std::string* name) {
    const std::uint32_t code = to_host_order(record);
    // RFC 5782 section 2.1: answers lie in 127.0.0.0/8; whatever does not was not written by the list.
    if (code >> 24U != 127) return DnsListAnswer::hijacked;
    // The large lists agree on 127.255.255.0/24 for "you are blocked" and "you ask through a public
    // resolver".
    if (code >> 8U == ipv4(127, 255, 255, 0) >> 8U) return DnsListAnswer::refused;
    if (is_in(list.refused, code, nullptr)) return DnsListAnswer::refused;
    return is_in(list.listed, code, name) ? DnsListAnswer::listed : DnsListAnswer::other;
}

DnsListHealth::DnsListHealth(const DnsList& list)
    : list_(list), trouble_(list.probes ? "not probed yet" : ""), ipv6_trouble_(trouble_) {}

std::string DnsListHealth::trouble() const {
    const std::lock_guard lock(mutex_);
    return trouble_;
}

std::string DnsListHealth::ipv6_trouble() const {
    const std::lock_guard lock(mutex_);
    return ipv6_trouble_;
}

void DnsListHealth::set_trouble(std::string reason) {
    const std::lock_guard lock(mutex_);
    note_change("a DNS list is in use", "a DNS list is off", list_.name, trouble_, reason);
    trouble_ = std::move(reason);
}

void DnsListHealth::set_ipv6_trouble(std::string reason) {
    const std::lock_guard lock(mutex_);
    note_change(
        "a DNS list is in use for IPv6", "a DNS list is off for IPv6", list_.name, ipv6_trouble_, reason
    );
    ipv6_trouble_ = std::move(reason);
}

void DnsListHealth::distrust(std::string reason) {
    // Without probes nothing would ever switch it on again; each answer is judged for itself then.
    if (!list_.probes) return;
    set_trouble(std::move(reason));
    const std::lock_guard lock(mutex_);
    is_distrusted_ = true;
}

bool DnsListHealth::wants_probe(SteadyTime now) const {
    const std::lock_guard lock(mutex_);
    return is_distrusted_ || now >= due_;
}

boost::asio::awaitable<std::string> DnsListHealth::find_fault(
    DnsResolver& dns, SteadyTime deadline, std::string must_be, std::string must_not_be
) const {
    const DnsAnswer positive = co_await dns.lookup({must_be + list_.zone, DnsType::a}, deadline);
    const DnsAnswer negative = co_await dns.lookup({must_not_be + list_.zone, DnsType::a}, deadline);
    std::string reason;
    for (const DnsAnswer* answer : {&positive, &negative}) {
        if (answer->status == DnsStatus::try_again) reason = std::string(no_answer) + answer->reason;
        for (const std::string& record : answer->records) {
            const DnsListAnswer meaning = classify(list_, record, nullptr);
            if (meaning == DnsListAnswer::refused)
                reason = "it refuses to answer us: " + record_to_text(DnsType::a, record);
            if (meaning == DnsListAnswer::hijacked)
                reason = "it is hijacked: " + record_to_text(DnsType::a, record);
        }
    }
    if (reason.empty() && negative.status == DnsStatus::found)
        reason = "it lists everybody: the test entry that must not be listed is";
    if (reason.empty() && positive.status != DnsStatus::found)
        reason = "it is dead: the test entry that must be listed is not";
    co_return reason;
}

boost::asio::awaitable<std::chrono::seconds> DnsListHealth::probe(DnsResolver& dns, const Clock& clock) {
    {
        const std::lock_guard lock(mutex_);
        is_distrusted_ = false;
    }
    const std::chrono::seconds next = co_await probe_now(dns, clock);
    const std::lock_guard lock(mutex_);
    due_ = clock.steady() + next;
    co_return next;
}

boost::asio::awaitable<std::chrono::seconds> DnsListHealth::probe_now(DnsResolver& dns, const Clock& clock) {
    // RFC 5782 section 5: 127.0.0.2 must be listed and 127.0.0.1 must not; of domain lists TEST and INVALID.
    const bool asks_addresses = list_.asks_addresses;
    std::string reason = co_await find_fault(
        dns,
        clock.steady() + probe_patience,
        asks_addresses ? "2.0.0.127." : "test.",
        asks_addresses ? "1.0.0.127." : "invalid."
    );
    const bool is_well = reason.empty();
    set_trouble(std::move(reason));
    if (!is_well) co_return dns_list_retry_interval;
    if (!asks_addresses) co_return dns_list_probe_interval;
    const std::string middle(ipv6_probe_middle);
    reason = co_await find_fault(
        dns, clock.steady() + probe_patience, "2.0.0.0.0." + middle, "1.0.0.0.0." + middle
    );
    // A list that has no IPv6 does not get it within a minute; one that was only silent speaks soon.
    const bool is_silent = reason.starts_with(no_answer);
    set_ipv6_trouble(std::move(reason));
    co_return is_silent ? dns_list_retry_interval : std::chrono::seconds(dns_list_probe_interval);
}

}  // namespace wicket
