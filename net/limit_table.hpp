// Who has how many connections to one listener: the arithmetic of the limits at the door, exact, without I/O.
// Its owner locks.
#pragma once

#include "base/clock.hpp"
#include "base/ip.hpp"

#include <cstdint>
#include <map>
#include <string_view>

namespace wicket {

struct ConnectionLimits {
    std::uint32_t per_ip = 20;        // loopback clients are exempt from per_ip, per_network and rate
    std::uint32_t per_network = 100;  // /24 or /64
    std::uint32_t total = 10000;
    double rate_per_second = 0;  // new connections of one ip, 0: any; burst is ten seconds' worth
};

enum class Admission : std::uint8_t {
    admitted,
    per_ip,       // too many of this address
    per_network,  // too many of its /24 or /64
    total,        // too many altogether
    rate,         // this address connects too often
};

/// What a shed client reads in place of %REASON%.
std::string_view reason_of(Admission admission);

/// Four fifths of the places are taken: time to be short with those who waste them.
constexpr bool are_scarce(std::uint64_t taken, std::uint64_t places) {
    return taken >= places - places / 5;
}

class LimitTable {
public:
    // Addresses whose rate is remembered, about 6 MB. Beyond it newcomers are not measured: the other limits
    // hold, and good senders must not suffer from a flood of addresses.
    static constexpr std::size_t rate_entries_limit = 65536;

    explicit LimitTable(const ConnectionLimits& limits) : limits_(limits) {}

    /// Counts a connection in, before its client's address is known: `admitted` or `total`.
    Admission enter();
    /// Counts it for its client. On anything but `admitted` nothing has been counted here.
    Admission admit(const IpAddress& client, SteadyTime now);
    /// Undoes admit(), for one that was admitted.
    void release(const IpAddress& client);
    /// Undoes enter().
    void leave() { --entered_; }

    std::uint32_t entered() const { return entered_; }
    bool is_scarce() const { return are_scarce(entered_, limits_.total); }
    /// Addresses and networks that are remembered: for tests of the bounds.
    std::size_t rows() const { return addresses_.size() + networks_.size() + buckets_.size(); }

private:
    // The burst: ten seconds' worth, so that a sender's few parallel connections pass.
    static constexpr double burst_seconds = 10;

    struct Bucket {
        double tokens;
        SteadyTime filled;
    };

    bool take_token(const IpAddress& client, SteadyTime now);
    void forget_full_buckets(SteadyTime now);

    ConnectionLimits limits_;
    std::uint32_t entered_ = 0;
    // Ordered maps, since peers choose the keys and could make a hash table slow.
    std::map<IpAddress, std::uint32_t> addresses_;
    std::map<IpNetwork, std::uint32_t> networks_;
    std::map<IpNetwork, Bucket> buckets_;
    SteadyTime swept_{};
};

}  // namespace wicket
