#include "filters/dns_list_health.hpp"

#include "base/log.hpp"
#include "filters/filter.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

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

// RFC 5782 section 5: what must be listed, and what must not.
struct TestEntries {
    const char* listed;
    const char* listed_name;
    const char* unlisted;
    const char* unlisted_name;
};
constexpr const char* ipv6_listed = "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.";
constexpr const char* ipv6_unlisted = "1.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.";

TestEntries entries_of(DnsListKind kind) {
    switch (kind) {
        case DnsListKind::ipv4: return {"2.0.0.127.", "127.0.0.2", "1.0.0.127.", "127.0.0.1"};
        case DnsListKind::ipv6: return {ipv6_listed, "::FFFF:7F00:2", ipv6_unlisted, "::FFFF:7F00:1"};
        case DnsListKind::domain: break;
    }
    return {"test.", "test", "invalid.", "invalid"};
}

DnsListKind first_kind(const DnsList& list) {
    return list.asks_addresses ? DnsListKind::ipv4 : DnsListKind::domain;
}

std::string records_of(const DnsAnswer& answer) {
    std::string text;
    for (const std::string& record : answer.records)
        text += (text.empty() ? "" : ", ") + record_to_text(DnsType::a, record);
    return text;
}

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

/// The right to ask the list about itself, while it lasts.
class DnsListHealth::Turn {
public:
    explicit Turn(DnsListHealth& health) : health_(health) {}
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() {
        const std::lock_guard lock(health_.mutex_);
        health_.is_asking_ = false;
    }

private:
    DnsListHealth& health_;
};

DnsListHealth::DnsListHealth(const DnsList& list)
    : list_(list), standing_{list.probes ? "not probed yet" : "", std::nullopt}, ipv6_standing_(standing_) {}

DnsListHealth::Standing DnsListHealth::standing() const {
    const std::lock_guard lock(mutex_);
    return standing_;
}

DnsListHealth::Standing DnsListHealth::ipv6_standing() const {
    const std::lock_guard lock(mutex_);
    return ipv6_standing_;
}

void DnsListHealth::set(DnsListKind kind, std::string reason, WallTime now) {
    const std::lock_guard lock(mutex_);
    const bool is_ipv6 = kind == DnsListKind::ipv6;
    Standing& standing = is_ipv6 ? ipv6_standing_ : standing_;
    if (is_ipv6)
        note_change(
            "a DNS list is in use for IPv6",
            "a DNS list is off for IPv6",
            list_.name,
            standing.trouble,
            reason
        );
    else
        note_change("a DNS list is in use", "a DNS list is off", list_.name, standing.trouble, reason);
    // Another reason for being off is no other time of it.
    if (!standing.since || standing.trouble.empty() != reason.empty()) standing.since = now;
    standing.trouble = std::move(reason);
}

void DnsListHealth::distrust(std::string reason, WallTime now) {
    // Without probes nothing would ever switch it on again; each answer is judged for itself then.
    if (!list_.probes) return;
    set(first_kind(list_), std::move(reason), now);
    const std::lock_guard lock(mutex_);
    is_distrusted_ = true;
}

bool DnsListHealth::wants_probe(SteadyTime now) const {
    const std::lock_guard lock(mutex_);
    return is_distrusted_ || now >= due_;
}

bool DnsListHealth::take_turn() {
    const std::lock_guard lock(mutex_);
    return !std::exchange(is_asking_, true);
}

std::string DnsListHealth::fault_of_any(const DnsAnswer& answer) const {
    if (answer.status == DnsStatus::try_again)
        return std::string(no_answer) +
               (answer.reason.empty() ? "no reason is known" : reason_without_names(answer.reason));
    for (const std::string& record : answer.records) {
        const DnsListAnswer meaning = classify(list_, record, nullptr);
        if (meaning == DnsListAnswer::refused)
            return "it refuses to answer us: " + record_to_text(DnsType::a, record);
        if (meaning == DnsListAnswer::hijacked)
            return "it is hijacked: " + record_to_text(DnsType::a, record);
    }
    return "";
}

std::string DnsListHealth::fault_of_unlisted(DnsListKind kind, const DnsAnswer& answer) const {
    std::string fault = fault_of_any(answer);
    if (fault.empty() && answer.status == DnsStatus::found)
        fault = fmt::format(
            "it lists everybody: {}, which must not be listed, is {}",
            entries_of(kind).unlisted_name,
            records_of(answer)
        );
    return fault;
}

boost::asio::awaitable<std::string> DnsListHealth::find_fault(
    DnsListKind kind, DnsResolver& dns, SteadyTime deadline
) const {
    const TestEntries entries = entries_of(kind);
    // One after the other: see UnboundResolver::lookup_anew().
    const DnsAnswer positive = co_await dns.lookup_anew({entries.listed + list_.zone, DnsType::a}, deadline);
    const DnsAnswer negative =
        co_await dns.lookup_anew({entries.unlisted + list_.zone, DnsType::a}, deadline);
    std::string fault = fault_of_unlisted(kind, negative);
    // What it says tells more than what it does not say.
    if (fault.empty() || fault.starts_with(no_answer))
        if (std::string other = fault_of_any(positive); !other.empty()) fault = std::move(other);
    if (!fault.empty()) co_return fault;
    // Any code inside 127.0.0.0/8 will do: the table of an administrator who wants one code of a list
    // (`listed = { drop = "127.0.0.9" }`) does not name that of the test entry, and the list is well. One
    // that gives some code to all names was found out by the other entry.
    if (positive.status != DnsStatus::found)
        co_return fmt::format(
            "it is dead: {}, which must be listed, is not ({})",
            entries.listed_name,
            to_string(positive.status)
        );
    co_return "";
}

boost::asio::awaitable<std::chrono::seconds> DnsListHealth::probe(DnsResolver& dns, const Clock& clock) {
    if (!take_turn()) co_return dns_list_retry_interval;
    const Turn turn(*this);
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
    const DnsListKind kind = first_kind(list_);
    std::string fault = co_await find_fault(kind, dns, clock.steady() + probe_patience);
    const bool is_well = fault.empty();
    set(kind, std::move(fault), clock.wall());
    if (!is_well) co_return dns_list_retry_interval;
    if (kind == DnsListKind::domain) co_return dns_list_probe_interval;
    fault = co_await find_fault(DnsListKind::ipv6, dns, clock.steady() + probe_patience);
    // A list that has no IPv6 does not get it within a minute; one that was only silent speaks soon.
    const bool is_silent = fault.starts_with(no_answer);
    set(DnsListKind::ipv6, std::move(fault), clock.wall());
    co_return is_silent ? dns_list_retry_interval : std::chrono::seconds(dns_list_probe_interval);
}

bool DnsListHealth::wants_doubt(SteadyTime now) {
    if (!list_.probes) return false;
    const std::lock_guard lock(mutex_);
    if (is_asking_ || now < doubt_due_) return false;
    doubt_due_ = now + dns_list_doubt_interval;
    return true;
}

boost::asio::awaitable<void> DnsListHealth::doubt(
    std::shared_ptr<DnsListHealth> health, DnsListKind kind, DnsResolver& dns, const Clock& clock
) {
    if (!health->take_turn()) co_return;
    const Turn turn(*health);
    std::string fault = co_await health->find_fault(kind, dns, clock.steady() + probe_patience);
    if (fault.empty() || fault.starts_with(no_answer)) co_return;
    health->set(kind, std::move(fault), clock.wall());
    // Soon whole again, if it can be.
    const std::lock_guard lock(health->mutex_);
    health->is_distrusted_ = true;
}

}  // namespace wicket
