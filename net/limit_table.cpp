#include "net/limit_table.hpp"

#include <algorithm>
#include <chrono>

namespace wicket {

namespace {

double seconds_between(SteadyTime from, SteadyTime to) {
    return std::max(0.0, std::chrono::duration<double>(to - from).count());
}

template <class Key>
void count_down(std::map<Key, std::uint32_t>& counts, const Key& key) {
    const auto row = counts.find(key);
    if (row != counts.end() && --row->second == 0) counts.erase(row);
}

template <class Key>
std::uint32_t count_of(const std::map<Key, std::uint32_t>& counts, const Key& key) {
    const auto row = counts.find(key);
    return row == counts.end() ? 0 : row->second;
}

}  // namespace

std::string_view reason_of(Admission admission) {
    switch (admission) {
        case Admission::per_ip: return "too many connections from your address";
        case Admission::per_network: return "too many connections from your network";
        case Admission::total: return "too many connections";
        case Admission::rate: return "your address connects too often";
        case Admission::admitted: break;
    }
    return "";
}

Admission LimitTable::enter() {
    if (entered_ >= limits_.total) return Admission::total;
    ++entered_;
    return Admission::admitted;
}

Admission LimitTable::admit(const IpAddress& client, SteadyTime now) {
    if (client.is_loopback()) return Admission::admitted;
    const auto network = neighbourhood(client);
    if (count_of(addresses_, client) >= limits_.per_ip) return Admission::per_ip;
    if (count_of(networks_, network) >= limits_.per_network) return Admission::per_network;
    // Last, so that a client shed by its count does not pay for it with its rate.
    if (!take_token(client, now)) return Admission::rate;
    ++addresses_[client];
    ++networks_[network];
    return Admission::admitted;
}

void LimitTable::release(const IpAddress& client) {
    if (client.is_loopback()) return;
    count_down(addresses_, client);
    count_down(networks_, neighbourhood(client));
}

bool LimitTable::take_token(const IpAddress& client, SteadyTime now) {
    if (limits_.rate_per_second <= 0) return true;
    const double capacity = std::max(1.0, limits_.rate_per_second * burst_seconds);
    // One host has a whole /64 of IPv6 to connect from.
    const auto key = client.is_ipv4() ? IpNetwork::around(client, 32) : neighbourhood(client);
    auto row = buckets_.find(key);
    if (row == buckets_.end()) {
        if (buckets_.size() >= rate_entries_limit) forget_full_buckets(now);
        if (buckets_.size() >= rate_entries_limit) return true;
        row = buckets_.emplace(key, Bucket{capacity, now}).first;
    }
    auto& bucket = row->second;
    const double gained = seconds_between(bucket.filled, now) * limits_.rate_per_second;
    bucket.tokens = std::min(capacity, bucket.tokens + gained);
    bucket.filled = now;
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
}

// A full bucket says nothing that a new one would not. At most once a second, since it looks at all of them.
void LimitTable::forget_full_buckets(SteadyTime now) {
    if (now - swept_ < std::chrono::seconds(1)) return;
    swept_ = now;
    const double capacity = std::max(1.0, limits_.rate_per_second * burst_seconds);
    std::erase_if(buckets_, [&](const auto& row) {
        const double gained = seconds_between(row.second.filled, now) * limits_.rate_per_second;
        return row.second.tokens + gained >= capacity;
    });
}

}  // namespace wicket
