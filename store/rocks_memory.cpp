#include "store/rocks_memory.hpp"

#include "store/row_codec.hpp"
#include "store/tables.hpp"

namespace wicket {
namespace {

// Rows looked at under one hold of the database.
constexpr int sweep_step = 4096;

}  // namespace

RocksMemory::RocksMemory(Database& database, const Clock& clock, Access access)
    : database_(database), clock_(clock), access_(access) {}

std::optional<std::string> RocksMemory::recall(std::string_view key) {
    const auto use = database_.use();
    if (!use) return std::nullopt;
    std::string octets;
    if (!use->Get({}, use[RefusalTable::memory], rocksdb::Slice(key), &octets).ok()) return std::nullopt;
    const auto row = rows::decode_remembered(octets);
    if (!row || row->until <= clock_.wall()) return std::nullopt;
    return std::string(row->value);
}

void RocksMemory::remember(std::string_view key, std::string_view value, WallTime until) {
    if (access_ == Access::read_only) return;
    const auto use = database_.use();
    if (!use) return;
    rocksdb::WriteBatch batch;
    batch.Put(use[RefusalTable::memory], rocksdb::Slice(key), rows::encode_remembered(until, value))
        .PermitUncheckedError();
    static_cast<void>(database_.write(use, batch, Database::Sync::no));  // it may forget
}

void RocksMemory::forget(std::string_view key) {
    if (access_ == Access::read_only) return;
    const auto use = database_.use();
    if (!use) return;
    rocksdb::WriteBatch batch;
    batch.Delete(use[RefusalTable::memory], rocksdb::Slice(key)).PermitUncheckedError();
    static_cast<void>(database_.write(use, batch, Database::Sync::no));
}

std::uint64_t RocksMemory::sweep() {
    std::uint64_t removed = 0;
    std::string from;
    for (bool is_done = false; !is_done;) {
        const auto use = database_.use();
        if (!use || access_ == Access::read_only) return removed;
        rocksdb::ReadOptions options;
        options.fill_cache = false;
        rocksdb::WriteBatch batch;
        const WallTime now = clock_.wall();
        const std::unique_ptr<rocksdb::Iterator> at(use->NewIterator(options, use[RefusalTable::memory]));
        int seen = 0;
        for (at->Seek(from); at->Valid() && seen < sweep_step; at->Next(), ++seen) {
            const auto row = rows::decode_remembered(at->value().ToStringView());
            if (!row || row->until <= now)
                batch.Delete(use[RefusalTable::memory], at->key()).PermitUncheckedError();
        }
        is_done = !at->Valid();
        if (!is_done) from = at->key().ToString();
        removed += batch.Count();
        if (batch.Count() != 0 && !database_.write(use, batch, Database::Sync::no)) return removed;
    }
    return removed;
}

}  // namespace wicket
