// CRC-32C (RFC 3720 section 12.1 and appendix B.4), by which RocksDB recognises what was written whole.
// Debian builds RocksDB for every x86-64 there ever was, so its own goes through tables, octet by octet: the
// third most expensive thing in taking a message. The linker puts this one in its place (CMakeLists.txt). Any
// thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace wicket {

/// Of what gave `crc` followed by `octets`; 0 for nothing yet.
std::uint32_t extend_crc32c(std::uint32_t crc, std::string_view octets);

}  // namespace wicket
