#include "server/quarantine_budget.hpp"

#include <algorithm>

namespace wicket {

void QuarantineBudget::refill(Bucket& bucket, std::uint64_t per_second, std::uint64_t burst, SteadyTime now) {
    if (now <= bucket.at) return;
    const std::chrono::duration<double> since = now - bucket.at;
    const double more = since.count() * static_cast<double>(per_second);
    const auto most = static_cast<std::int64_t>(burst);
    bucket.left = more >= static_cast<double>(most - bucket.left)
                      ? most
                      : bucket.left + static_cast<std::int64_t>(more);
    bucket.at = now;
}

QuarantineBudget::Bucket& QuarantineBudget::network(const IpAddress& client, SteadyTime now) {
    constexpr auto burst = static_cast<std::int64_t>(kept_network_burst_octets);
    const IpNetwork key = neighbourhood(client);
    if (networks_.size() >= kept_networks_limit && !networks_.contains(key)) {
        for (auto& [network, bucket] : networks_)
            refill(bucket, kept_network_octets_per_second, kept_network_burst_octets, now);
        std::erase_if(networks_, [](const auto& entry) { return entry.second.left == burst; });
        // All of them spend: the bucket for all is the limit that is left.
        if (networks_.size() >= kept_networks_limit) networks_.clear();
    }
    const auto [at, is_new] = networks_.try_emplace(key, Bucket{burst, now});
    refill(at->second, kept_network_octets_per_second, kept_network_burst_octets, now);
    return at->second;
}

bool QuarantineBudget::take(const IpAddress& client, std::uint64_t octets, SteadyTime now) {
    const std::lock_guard lock(mutex_);
    refill(all_, kept_octets_per_second, kept_burst_octets, now);
    Bucket& own = network(client, now);
    if (all_.left <= 0 || own.left <= 0) return false;
    all_.left -= static_cast<std::int64_t>(octets);
    own.left -= static_cast<std::int64_t>(octets);
    return true;
}

}  // namespace wicket
