#include "store/database_manifest.hpp"

#include "store/crc32c.hpp"

#include <rocksdb/file_system.h>

#include <algorithm>
#include <cstdint>
#include <memory>

namespace wicket {
namespace {

// RocksDB's log format (its wiki, "Write Ahead Log File Format"): blocks of records that none crosses, each
// a checksum, a length and a type before its octets. A MANIFEST has no recycled records.
constexpr std::size_t block_octets = 32768;
constexpr std::size_t header_octets = 7;
constexpr std::uint8_t last_type = 4;  // whole, or the first, a middle or the last part

// Records end with a zero or two of their own. One that is damaged otherwise must not be taken for torn: it
// was synced, and other files rely on it.
constexpr std::size_t zeros_of_a_torn_end = 4;

// More than a MANIFEST grows to before RocksDB begins another (max_manifest_file_size).
constexpr std::uint64_t manifest_limit_octets = 256U << 20U;

std::uint32_t number_at(std::string_view octets, std::size_t at, std::size_t width) {
    std::uint32_t number = 0;
    for (std::size_t i = 0; i < width; ++i)
        number |= std::uint32_t{static_cast<std::uint8_t>(octets[at + i])} << (8 * i);
    return number;
}

/// CRC-32C, masked as RocksDB stores it.
std::uint32_t masked_checksum(std::string_view octets) {
    const std::uint32_t sum = extend_crc32c(0, octets);
    return ((sum >> 15U) | (sum << 17U)) + 0xA282EAD8U;
}

/// Where the record at `at` ends, if it is whole.
std::optional<std::size_t> end_of_record(std::string_view manifest, std::size_t at) {
    const std::size_t left = std::min(block_octets - at % block_octets, manifest.size() - at);
    if (left < header_octets) return std::nullopt;
    const std::size_t length = number_at(manifest, at + 4, 2);
    const auto type = static_cast<std::uint8_t>(manifest[at + 6]);
    if (type == 0 || type > last_type || length > left - header_octets) return std::nullopt;
    if (masked_checksum(manifest.substr(at + 6, 1 + length)) != number_at(manifest, at, 4))
        return std::nullopt;
    return at + header_octets + length;
}

}  // namespace

std::optional<std::size_t> size_without_torn_end(std::string_view manifest) {
    std::size_t at = 0;
    while (at < manifest.size()) {
        const std::size_t left = block_octets - at % block_octets;
        if (left < header_octets) {
            at = std::min(at + left, manifest.size());  // no header fits: the rest of the block is unused
            continue;
        }
        const auto end = end_of_record(manifest, at);
        if (!end) break;
        at = *end;
    }
    if (at >= manifest.size()) return std::nullopt;
    const std::size_t last = manifest.find_last_not_of('\0');
    const std::size_t zeros = last == std::string_view::npos ? 0 : last + 1;
    // The zeros must be what is wrong with it: in its header, or in the place of its octets, ...
    std::size_t end = manifest.size();
    if (zeros >= at + header_octets) end = std::min(end, at + header_octets + number_at(manifest, at + 4, 2));
    if (end < zeros + zeros_of_a_torn_end || zeros > at + block_octets) return std::nullopt;
    // ... and not others behind it that are whole.
    for (std::size_t other = at + 1; other < zeros; ++other)
        if (end_of_record(manifest, other)) return std::nullopt;
    return at;
}

bool mend_manifest(rocksdb::Env& env, const std::string& folder) {
    std::string name;
    if (!rocksdb::ReadFileToString(&env, folder + "/CURRENT", &name).ok()) return false;
    if (name.ends_with('\n')) name.pop_back();
    const std::string path = folder + "/" + name;
    std::uint64_t size = 0;
    if (!name.starts_with("MANIFEST-") || !env.GetFileSize(path, &size).ok() || size > manifest_limit_octets)
        return false;
    std::string manifest;
    if (!rocksdb::ReadFileToString(&env, path, &manifest).ok()) return false;
    const auto whole = size_without_torn_end(manifest);
    if (!whole) return false;
    // RocksDB removes a file of such a name when it opens.
    const std::string mended = folder + "/" + name.substr(std::string_view("MANIFEST-").size()) + ".dbtmp";
    const rocksdb::Slice octets(manifest.data(), *whole);
    if (!rocksdb::WriteStringToFile(&env, octets, mended, /*should_sync=*/true).ok()) return false;
    if (!env.RenameFile(mended, path).ok()) return false;
    std::unique_ptr<rocksdb::Directory> directory;
    return env.NewDirectory(folder, &directory).ok() && directory->Fsync().ok();
}

}  // namespace wicket
