#include "server/descriptors.hpp"

#include <algorithm>
#include <sys/resource.h>

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

std::uint32_t total_within(std::uint32_t total, std::uint64_t descriptors) {
    return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(descriptors / 2, 1, std::max(total, 1U)));
}

std::uint64_t connections_within(std::uint64_t descriptors) {
    return std::max<std::uint64_t>(descriptors / 8 * 5, 1);
}

}  // namespace wicket
