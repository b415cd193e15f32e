// How many descriptors the process may have, and what of that connections may take. The rest is for the
// store, the DNS, the workers and the commands. Pure but for the two that ask the kernel.
#pragma once

#include "server/config.hpp"

#include <cstdint>
#include <vector>

namespace wicket {

/// Raises the soft limit of open files to the hard one, and returns what it is then.
std::uint64_t raise_descriptor_limit();
/// What raise_descriptor_limit() would return.
std::uint64_t descriptor_limit();

/// `total` of each listener, where all together may take half of the descriptors: those that want little get
/// it, the others share the rest alike. At least 1 each.
std::vector<std::uint32_t> totals_within(
    const std::vector<ListenerConfig>& listeners, std::uint64_t descriptors
);

}  // namespace wicket
