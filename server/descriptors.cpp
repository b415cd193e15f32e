#include "server/descriptors.hpp"

#include <algorithm>
#include <numeric>
#include <sys/resource.h>
#include <utility>

namespace wicket {

std::uint64_t descriptor_limit() {
    rlimit limit{};
    return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : 0;
}

std::uint64_t raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
    const rlimit raised{limit.rlim_max, limit.rlim_max};
    return ::setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

std::vector<std::uint32_t> totals_within(
    const std::vector<ListenerConfig>& listeners, std::uint64_t descriptors
) {
    std::vector<std::uint32_t> totals;
    for (const ListenerConfig& listener : listeners)
        totals.push_back(listener.connections.total);
    std::vector<std::size_t> by_wish(totals.size());
    std::iota(by_wish.begin(), by_wish.end(), std::size_t{0});
    std::ranges::sort(by_wish, {}, [&](std::size_t index) { return std::pair(totals[index], index); });
    std::uint64_t left = descriptors / 2;
    std::uint64_t listeners_left = totals.size();
    for (const std::size_t index : by_wish) {
        const std::uint64_t share = std::max<std::uint64_t>(left / listeners_left--, 1);
        totals[index] = static_cast<std::uint32_t>(std::min<std::uint64_t>(totals[index], share));
        left -= std::min<std::uint64_t>(left, totals[index]);
    }
    return totals;
}

}  // namespace wicket
