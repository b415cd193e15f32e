// RocksDB's MANIFEST after a power cut. What a MANIFEST says counts only once it has been synced, but a write
// in between may have left its length on the disk and zeros for octets. RocksDB 7.8.3 opens a log of writes
// with such an end, and refuses a MANIFEST with one.
#pragma once

#include <rocksdb/env.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace wicket {

/// How much of the octets of a MANIFEST is left without the torn end of a write; nullopt if they have no such
/// end: if all their records are whole, or if something else is wrong with them. A torn end is a record whose
/// checksum does not hold and of which only zeros are left from some octet on, to the end of the file.
/// Reads every octet once, and those of a torn record, of at most 32 KiB, once more for each of them.
std::optional<std::size_t> size_without_torn_end(std::string_view manifest);

/// Takes the torn end, if there is one, from the MANIFEST that CURRENT names. True if that was done: whoever
/// could not open the database should try again. No other process may have it open.
bool mend_manifest(rocksdb::Env& env, const std::string& folder);

}  // namespace wicket
