#include "store/tables.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include <algorithm>

namespace wicket {
namespace {

constexpr std::size_t mebibyte = 1U << 20U;

// Index blocks and rows of mailboxes that are being read; bodies are read once and pass by.
constexpr std::size_t cache_octets = 64 * mebibyte;

// From here a value goes to a blob file at flush, so that compaction never copies a body.
constexpr std::uint64_t blob_value_octets = 4096;

bool is_lz4_there() {
    return std::ranges::count(rocksdb::GetSupportedCompressions(), rocksdb::kLZ4Compression) != 0;
}

/// Rows that are written once, read seldom and sorted by time: nothing is compressed on the way in, because
/// every octet is then handled once more while mail waits.
rocksdb::ColumnFamilyOptions plain(const std::shared_ptr<rocksdb::Cache>& cache, std::size_t memory_octets) {
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = cache;
    table.block_size = 16U << 10U;
    table.checksum = rocksdb::kXXH3;
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    rocksdb::ColumnFamilyOptions options;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    options.write_buffer_size = memory_octets;
    options.max_write_buffer_number = 4;
    options.compression = rocksdb::kNoCompression;
    options.level_compaction_dynamic_level_bytes = true;
    return options;
}

rocksdb::ColumnFamilyOptions compressed_at_the_bottom(rocksdb::ColumnFamilyOptions options) {
    if (is_lz4_there()) options.bottommost_compression = rocksdb::kLZ4Compression;
    return options;
}

rocksdb::ColumnFamilyOptions dropped_by_age(
    rocksdb::ColumnFamilyOptions options, std::uint64_t quota_octets, std::chrono::hours retention
) {
    options.compaction_style = rocksdb::kCompactionStyleFIFO;
    options.compaction_options_fifo.max_table_files_size = quota_octets;
    options.compaction_options_fifo.allow_compaction = false;
    options.ttl = static_cast<std::uint64_t>(std::chrono::seconds(retention).count());
    options.level_compaction_dynamic_level_bytes = false;
    // A file is the unit of forgetting, so it must be small against the quota.
    options.write_buffer_size =
        static_cast<std::size_t>(std::clamp<std::uint64_t>(quota_octets / 16, 64U << 10U, 16 * mebibyte));
    if (is_lz4_there()) options.compression = rocksdb::kLZ4Compression;
    return options;
}

}  // namespace

std::vector<Database::Table> mail_tables() {
    const auto cache = rocksdb::NewLRUCache(cache_octets);
    auto bodies = plain(cache, 64 * mebibyte);
    bodies.enable_blob_files = true;
    bodies.min_blob_size = blob_value_octets;
    bodies.blob_file_size = 64 * mebibyte;
    bodies.enable_blob_garbage_collection = true;
    bodies.blob_garbage_collection_age_cutoff = 0.5;
    bodies.blob_garbage_collection_force_threshold = 0.5;
    return {
        {rocksdb::kDefaultColumnFamilyName, plain(cache, 1 * mebibyte)},
        {"mailboxes", plain(cache, 16 * mebibyte)},
        {"views", compressed_at_the_bottom(plain(cache, 16 * mebibyte))},
        {"messages", plain(cache, 16 * mebibyte)},
        {"bodies", bodies},
        {"accounts", plain(cache, 1 * mebibyte)},
        {"decisions", compressed_at_the_bottom(plain(cache, 16 * mebibyte))},
    };
}

std::vector<Database::Table> refusal_tables(std::uint64_t quota_octets, std::chrono::hours retention) {
    const auto cache = rocksdb::NewLRUCache(8 * mebibyte);
    // A row of folds is 4 % of a record, and there is at most one a record.
    return {
        {rocksdb::kDefaultColumnFamilyName, plain(cache, 1 * mebibyte)},
        {"refusals", dropped_by_age(plain(cache, mebibyte), quota_octets, retention)},
        {"folds", dropped_by_age(plain(cache, mebibyte), quota_octets / 16, retention)},
        {"memory", plain(cache, 4 * mebibyte)},
    };
}

}  // namespace wicket
