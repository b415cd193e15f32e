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
#include <optional>
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
// A list that begins to list everybody would refuse all mail until its next probe, so a listing is doubted at
// once: its test entries are asked. The rule looks at no share of listed clients, for a quiet
// server would have to lose many messages before a share says anything. So that a list with many honest hits
// is not asked about itself all the time, it is doubted once in so long, which is also the longest time that
// such a list can do harm.
inline constexpr std::chrono::seconds dns_list_doubt_interval{30};

/// What a list asks about, each with test entries of its own.
enum class DnsListKind : std::uint8_t { ipv4, ipv6, domain };

class DnsListHealth {
public:
    /// Whether a list is in use, and since when.
    struct Standing {
        std::string trouble;            // empty: in use; else why not, with the answer that shows it
        std::optional<WallTime> since;  // nullopt: since the list was configured
    };

    explicit DnsListHealth(const DnsList& list);

    /// Empty: it may be asked. Else why not: "not probed yet", "it lists everybody: ...", ...
    std::string trouble() const { return standing().trouble; }
    /// The same, for IPv6 addresses alone: many a list has none of them.
    std::string ipv6_trouble() const { return ipv6_standing().trouble; }
    Standing standing() const;
    Standing ipv6_standing() const;

    /// An answer showed that the list refuses or is hijacked: it is off until a probe succeeds.
    void distrust(std::string reason, WallTime now);
    /// Whether it is time to probe it: as probe() said, and soon after distrust().
    bool wants_probe(SteadyTime now) const;
    /// Asks the test entries on the wire and sets the standing by what comes; logs each change. Returns when
    /// to probe again. Does nothing while another probe or doubt() is under way.
    boost::asio::awaitable<std::chrono::seconds> probe(DnsResolver& dns, const Clock& clock);
    /// Somebody was listed: whether the caller is to run doubt() for it, beside the message.
    bool wants_doubt(SteadyTime now);
    /// Asks the test entries of `kind` on the wire; the list is off if they show that it is not to be
    /// believed. Silence means nothing here: the list has just answered.
    static boost::asio::awaitable<void> doubt(
        std::shared_ptr<DnsListHealth> health, DnsListKind kind, DnsResolver& dns, const Clock& clock
    );

    const DnsList& list() const { return list_; }

private:
    class Turn;

    bool take_turn();
    void set(DnsListKind kind, std::string reason, WallTime now);
    boost::asio::awaitable<std::chrono::seconds> probe_now(DnsResolver& dns, const Clock& clock);
    boost::asio::awaitable<std::string> find_fault(DnsListKind kind, DnsResolver& dns, SteadyTime deadline)
        const;
    std::string fault_of_unlisted(DnsListKind kind, const DnsAnswer& answer) const;
    std::string fault_of_any(const DnsAnswer& answer) const;

    const DnsList list_;
    mutable std::mutex mutex_;
    Standing standing_;
    Standing ipv6_standing_;
    SteadyTime due_ = SteadyTime::min();
    SteadyTime doubt_due_ = SteadyTime::min();
    bool is_distrusted_ = false;
    bool is_asking_ = false;  // a probe or a doubt is under way
};

}  // namespace wicket
