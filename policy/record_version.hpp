// The version of record.proto that this program writes, and the newest that it reads.
#pragma once

#include <cstdint>

namespace wicket {

inline constexpr std::uint32_t record_version = 2;

}  // namespace wicket
