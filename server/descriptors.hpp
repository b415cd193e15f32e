// How many descriptors the process may have, and what of that connections may take. The rest is for the
// store, the DNS, the workers and the commands. Pure but for the two that ask the kernel.
#pragma once

#include <cstdint>

namespace wicket {

/// Raises the soft limit of open files to the hard one, and returns what it is then.
std::uint64_t raise_descriptor_limit();
/// What raise_descriptor_limit() would return.
std::uint64_t descriptor_limit();

/// `total` of a listener: half of the descriptors at most, at least 1.
std::uint32_t total_within(std::uint32_t total, std::uint64_t descriptors);

/// Connections of all listeners together: a bit more than one alone may have, so that a flood at the one
/// leaves room at the others, and the rest of the descriptors is nobody's but ours.
std::uint64_t connections_within(std::uint64_t descriptors);

}  // namespace wicket
