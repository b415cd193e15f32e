// Keeps samples of messages that crash scan workers, for whoever mends the parser. Bounded in number and
// size.
#pragma once

#include "base/message_bytes.hpp"

#include <string>

namespace wicket {

inline constexpr std::size_t poison_sample_count_limit = 50;
inline constexpr std::uint64_t poison_sample_limit_octets = 16U << 20U;

/// Writes `folder`/SHA256.eml unless there are too many already, and returns a sentence about it.
/// May block for a moment; poison is rare.
std::string keep_poison_sample(
    const std::string& folder, const MessageBytes& message, const std::string& check
);

}  // namespace wicket
