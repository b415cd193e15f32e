// How long failed logins make people wait: counted per network of the client (/24 or /64) and per account
// name, told or not told apart by nothing else. Nobody is ever locked out: a network's failures delay that
// network, a name's failures only lengthen further refusals for the name. Bounded, forgets with time. Any
// thread.
#pragma once

#include "base/clock.hpp"
#include "base/ip.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <string_view>

namespace wicket {

struct BackoffLimits {
    std::chrono::milliseconds first{2000};  // a person who mistyped hardly notices
    std::chrono::milliseconds most{15000};  // clients give up at 30 s and more
    std::chrono::seconds forgets_one_each{60};
    std::size_t entries = 65536;  // of each table, some 10 MiB; the one touched longest ago goes first
};

// A run of failures longer than this counts as this many, so that it is forgotten in bounded time.
inline constexpr unsigned backoff_level_limit = 10;
// Failures of a network before even its right passwords wait: people mistype, and offices share an address.
inline constexpr unsigned backoff_free_failures = 2;

class Backoff {
public:
    explicit Backoff(const Clock& clock, BackoffLimits limits = {});
    ~Backoff();

    /// What any attempt from `client` waits before its password is looked at. Only failures of its own
    /// network count. Without this wait, a guesser could hang up instead of waiting for the refusal.
    std::chrono::milliseconds before(const IpAddress& client) const;

    /// Counts a failure; returns how long the refusal takes at least, counted from the attempt's beginning:
    /// `first`, doubled with each failure of the network or the name, at most `most`.
    std::chrono::milliseconds failed(const IpAddress& client, std::string_view account);

    /// Entries in both tables together.
    std::size_t size() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace wicket
