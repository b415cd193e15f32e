// Whether a DNS list can be believed: the background probe of RFC 5782 section 5, and what answers have
// shown. A list is asked only while it is healthy; otherwise its facts are unknown. One object per list; any
// thread.
#pragma once

#include "base/clock.hpp"
#include "mail/dns_list.hpp"
#include "net/resolver.hpp"

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

/// What one A record of a list means.
enum class DnsListAnswer : std::uint8_t {
    listed,    // a code that the list's table names
    other,     // inside 127.0.0.0/8, but not in the table: counts as not listed
    refused,   // the list does not answer us: never a listing
    hijacked,  // outside 127.0.0.0/8: somebody else answers in the list's name
};

/// `record` is an A record, four octets. `name`, if not null, gets the name of a listed code.
DnsListAnswer classify(const DnsList& list, std::string_view record, std::string* name);

// How often a healthy list is probed, and one that failed or gave an odd answer: a list that comes back is
// used again soon.
inline constexpr std::chrono::minutes dns_list_probe_interval{10};
inline constexpr std::chrono::seconds dns_list_retry_interval{30};

class DnsListHealth {
public:
    explicit DnsListHealth(const DnsList& list);

    /// Empty: it may be asked. Else why not: "not probed yet", "lists everybody", ...
    std::string trouble() const;
    /// The same, for IPv6 addresses alone: many a list has none of them.
    std::string ipv6_trouble() const;
    /// An answer showed that the list refuses or is hijacked: it is off until a probe succeeds.
    void distrust(std::string reason);
    /// Whether it is time to probe it: as probe() said, and at once after distrust().
    bool wants_probe(SteadyTime now) const;
    /// Asks the test entries and sets trouble() by what comes; logs each change. Returns when to probe again.
    boost::asio::awaitable<std::chrono::seconds> probe(DnsResolver& dns, const Clock& clock);

    const DnsList& list() const { return list_; }

private:
    void set_trouble(std::string reason);
    void set_ipv6_trouble(std::string reason);
    boost::asio::awaitable<std::chrono::seconds> probe_now(DnsResolver& dns, const Clock& clock);
    boost::asio::awaitable<std::string> find_fault(
        DnsResolver& dns, SteadyTime deadline, std::string must_be, std::string must_not_be
    ) const;

    const DnsList list_;
    mutable std::mutex mutex_;
    std::string trouble_;
    std::string ipv6_trouble_;
    SteadyTime due_ = SteadyTime::min();
    bool is_distrusted_ = false;
};

}  // namespace wicket
