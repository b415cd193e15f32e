// DNS answers by question until their time is over. Bounded in entries and octets; the oldest entry goes
// first. Any thread: a few shards, each with its own lock.
#pragma once

#include "base/clock.hpp"
#include "base/dns.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

namespace wicket {

class AnswerCache {
public:
    // An answer of zero seconds still serves the questions of one message.
    static constexpr std::chrono::seconds least_time{1};
    // RFC 8767 section 4 advises days at most; a day bounds how long a mistake lives here.
    static constexpr std::chrono::seconds most_time{86400};
    // RFC 2308 section 5 allows 3 hours; a domain that has just been set up should not wait that long.
    static constexpr std::chrono::seconds most_negative_time{900};
    // RFC 9520 section 3.2 wants failures remembered for 1 s at least; the server may be back soon.
    static constexpr std::chrono::seconds failure_time{2};
    // With it an attacker's 64 KiB answers cannot make the entries' number a lie: the usual one has about
    // 300.
    static constexpr std::size_t octets_per_entry = 512;

    explicit AnswerCache(std::size_t entries);
    ~AnswerCache();

    /// With ttl_seconds as it is now, micros 0.
    std::optional<DnsAnswer> find(const DnsQuestion& question, SteadyTime now);
    void put(const DnsQuestion& question, const DnsAnswer& answer, SteadyTime now);
    void clear();
    std::size_t size() const;

private:
    struct Shard;
    Shard& shard_of(std::size_t hash) const;

    std::vector<std::unique_ptr<Shard>> shards_;
};

}  // namespace wicket
