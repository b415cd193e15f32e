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

// Of a table: what its blocks have in common. Larger ones did not make the tables smaller.
constexpr std::size_t dictionary_octets = 16U << 10U;

// RocksDB hands zstd's contexts from thread to thread in a way that the sanitizer cannot see.
#if defined(__SANITIZE_THREAD__)
constexpr bool is_under_thread_sanitizer = true;
#elif defined(__has_feature)
constexpr bool is_under_thread_sanitizer = __has_feature(thread_sanitizer);
#else
constexpr bool is_under_thread_sanitizer = false;
#endif

bool is_there(rocksdb::CompressionType type) {
    if (is_under_thread_sanitizer && type == rocksdb::kZSTD) return false;
    return std::ranges::count(rocksdb::GetSupportedCompressions(), type) != 0;
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
    if (is_there(rocksdb::kLZ4Compression)) options.bottommost_compression = rocksdb::kLZ4Compression;
    return options;
}

/// Records of a month are many and alike: a dictionary of each table makes them a third of what they are with
/// LZ4, and who reads them reads them in order.
void pack(rocksdb::CompressionOptions& options) {
    options.enabled = true;
    options.level = 3;
    options.max_dict_bytes = dictionary_octets;
    options.zstd_max_train_bytes = 32 * dictionary_octets;
}

rocksdb::ColumnFamilyOptions packed_at_the_bottom(rocksdb::ColumnFamilyOptions options) {
    if (!is_there(rocksdb::kZSTD)) return compressed_at_the_bottom(std::move(options));
    options.bottommost_compression = rocksdb::kZSTD;
    pack(options.bottommost_compression_opts);
    return options;
}

rocksdb::ColumnFamilyOptions dropped_by_age(
    rocksdb::ColumnFamilyOptions options, std::uint64_t quota_octets, std::chrono::seconds retention
) {
    options.compaction_style = rocksdb::kCompactionStyleFIFO;
    options.compaction_options_fifo.max_table_files_size = quota_octets;
    options.compaction_options_fifo.allow_compaction = false;
    options.ttl = static_cast<std::uint64_t>(std::chrono::seconds(retention).count());
    options.level_compaction_dynamic_level_bytes = false;
    // A file is the unit of forgetting, so it must be small against the quota.
    options.write_buffer_size =
        static_cast<std::size_t>(std::clamp<std::uint64_t>(quota_octets / 16, 64U << 10U, 16 * mebibyte));
    if (is_there(rocksdb::kZSTD)) {
        options.compression = rocksdb::kZSTD;
        pack(options.compression_opts);
        // Here it is the server that waits: the samples are the dictionary as they are.
        options.compression_opts.level = 1;
        options.compression_opts.zstd_max_train_bytes = 0;
    } else if (is_there(rocksdb::kLZ4Compression)) {
        options.compression = rocksdb::kLZ4Compression;
    }
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
        {"decisions", packed_at_the_bottom(plain(cache, 16 * mebibyte))},
        {"evidence", packed_at_the_bottom(plain(cache, 16 * mebibyte))},
        {"answers", packed_at_the_bottom(plain(cache, 4 * mebibyte))},
        {"index", packed_at_the_bottom(plain(cache, 8 * mebibyte))},
        {"rule_sets", packed_at_the_bottom(plain(cache, 1 * mebibyte))},
    };
}

std::vector<Database::Table> refusal_tables(std::uint64_t quota_octets, std::chrono::seconds retention) {
    const auto cache = rocksdb::NewLRUCache(8 * mebibyte);
    // As they were measured to fill up together, so that none forgets long before the others.
    const auto share = [quota_octets](std::uint64_t sixteenths) { return quota_octets / 16 * sixteenths; };
    return {
        {rocksdb::kDefaultColumnFamilyName, plain(cache, 1 * mebibyte)},
        {"refusals", dropped_by_age(plain(cache, mebibyte), share(6), retention)},
        {"folds", dropped_by_age(plain(cache, mebibyte), share(1), retention)},
        {"memory", plain(cache, 4 * mebibyte)},
        {"evidence", dropped_by_age(plain(cache, mebibyte), share(5), retention)},
        {"answers", dropped_by_age(plain(cache, mebibyte), share(1), retention)},
        {"index", dropped_by_age(plain(cache, mebibyte), share(3), retention)},
    };
}

}  // namespace wicket
