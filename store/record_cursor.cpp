#include "store/record_cursor.hpp"

#include "store/row_codec.hpp"

#include <memory>

namespace wicket {
namespace {

constexpr std::size_t piece_limit_records = 512;
constexpr std::size_t piece_limit_octets = 4U << 20U;
// Of a month of records on a disk that has to seek.
constexpr std::size_t readahead_octets = 256U << 10U;

// The first step behind a block that cannot be read; each further one is twice as long.
constexpr std::chrono::milliseconds first_step{1};
constexpr int step_limit = 42;  // 2^42 ms: behind everything

}  // namespace

std::optional<RecordId> successor(const RecordId& id) {
    auto octets = id.octets();
    // The last octet is always zero: 96 bits carry all of it.
    unsigned carry = 1;
    for (std::size_t i = octets.size() - 1; i-- > 0 && carry != 0;) {
        carry += octets[i];
        octets[i] = static_cast<unsigned char>(carry & 0xFFU);
        carry >>= 8U;
    }
    if (carry != 0) return std::nullopt;
    return RecordId::from_octets({reinterpret_cast<const char*>(octets.data()), octets.size()});
}

Result<RecordPiece> read_piece(Database& database, std::size_t table, const RecordSpan& span) {
    const auto use = database.use();
    if (!use) return failure(ErrorCode::unavailable, "the store is closed");
    rocksdb::ReadOptions options;
    options.fill_cache = false;
    options.readahead_size = readahead_octets;
    const rocksdb::Slice end = span.until ? rocksdb::Slice(rows::id_key(*span.until)) : rocksdb::Slice();
    if (span.until) options.iterate_upper_bound = &end;
    RecordPiece piece;
    std::size_t octets = 0;
    RecordId reached = span.from;
    auto at = std::unique_ptr<rocksdb::Iterator>(use->NewIterator(options, use.table(table)));
    at->Seek(rocksdb::Slice(rows::id_key(span.from)));
    auto step = first_step;
    for (int steps = 0;;) {
        for (; at->Valid(); at->Next()) {
            if (piece.records.size() >= piece_limit_records || octets >= piece_limit_octets) {
                piece.is_last = false;
                return piece;
            }
            const auto id = RecordId::from_octets(at->key().ToStringView());
            if (!id) continue;
            octets += at->value().size();
            piece.records.push_back({*id, at->value().ToString()});
            reached = *id;
            steps = 0;
            step = first_step;
        }
        if (at->status().ok()) return piece;
        if (!at->status().IsCorruption())
            return std::unexpected(to_error("cannot read the records", at->status()));
        if (steps == 0)
            piece.records.push_back(
                {reached, std::unexpected(to_error("records cannot be read", at->status()))}
            );
        if (++steps > step_limit) return piece;
        reached = RecordId::first_at(reached.time() + step);
        step *= 2;
        at.reset(use->NewIterator(options, use.table(table)));
        at->Seek(rocksdb::Slice(rows::id_key(reached)));
    }
}

Result<std::vector<ReadRecord>> read_records(
    const Database& database, std::size_t table, std::span<const RecordId> ids
) {
    const auto use = database.use();
    if (!use) return failure(ErrorCode::unavailable, "the store is closed");
    // Neighbours share a block, which is unpacked once.
    const rocksdb::ReadOptions options;
    std::vector<ReadRecord> records;
    rocksdb::PinnableSlice value;
    for (const RecordId& id : ids) {
        const auto status = use->Get(options, use.table(table), rocksdb::Slice(rows::id_key(id)), &value);
        if (status.ok())
            records.push_back({id, value.ToString()});
        else if (status.IsCorruption())
            records.push_back({id, std::unexpected(to_error("records cannot be read", status))});
        else if (!status.IsNotFound())
            return std::unexpected(to_error("cannot read the records", status));
        value.Reset();
    }
    return records;
}

Result<std::uint64_t> count_keys(Database& database, std::size_t table) {
    const auto use = database.use();
    if (!use) return failure(ErrorCode::unavailable, "the store is closed");
    rocksdb::ReadOptions options;
    options.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> at(use->NewIterator(options, use.table(table)));
    std::uint64_t count = 0;
    for (at->SeekToFirst(); at->Valid(); at->Next())
        ++count;
    if (!at->status().ok()) return std::unexpected(to_error("cannot count the records", at->status()));
    return count;
}

}  // namespace wicket
