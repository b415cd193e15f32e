// The only source of randomness: the kernel's. Any thread.
#pragma once

#include <cstdint>
#include <span>

namespace wicket {

/// Fills `out` with octets fit for keys and salts. Ends the process if the kernel has none: going on with
/// predictable secrets would be worse.
void fill_random(std::span<unsigned char> out);

/// 64 random bits from a per-thread buffer of the same source.
std::uint64_t random_u64();

}  // namespace wicket
