#include "store/record_index.hpp"

#include "store/row_codec.hpp"

#include <memory>
#include <optional>

namespace wicket {
namespace {

// Records that were written late, by slow sessions, stand among those that were written early: one alone says
// nothing.
constexpr int sample_records = 32;

/// Looks whether records are found by their networks, as every record is.
class IndexSampler {
public:
    IndexSampler(const Database::Use& use, const RecordTables& tables, const NetworkOf& network_of)
        : use_(use), tables_(tables), network_of_(network_of) {
        rocksdb::ReadOptions options;
        options.fill_cache = false;
        at_.reset(use->NewIterator(options, use.table(tables.decisions)));
    }

    /// Of the first records from there on.
    bool finds_all_after(const RecordId& from) {
        at_->Seek(rocksdb::Slice(rows::id_key(from)));
        for (int seen = 0; at_->Valid() && seen < sample_records; at_->Next(), ++seen) {
            const auto id = RecordId::from_octets(at_->key().ToStringView());
            const auto octets = rows::decode_decision(at_->value().ToStringView());
            const auto network = id && octets ? network_of_(*octets) : std::nullopt;
            if (network && !is_found(*id, *network)) return false;
        }
        return true;
    }

    std::optional<RecordId> last() {
        at_->SeekToLast();
        return at_->Valid() ? RecordId::from_octets(at_->key().ToStringView()) : std::nullopt;
    }

    rocksdb::Status status() const { return at_->status(); }

private:
    bool is_found(const RecordId& id, const std::string& network) {
        std::string key = rows::index_prefix(rows::day_of(id), RecordIndex::network, network);
        key += rows::id_key(id);
        return use_->Get({}, use_.table(tables_.index), key, &ignored_).ok();
    }

    const Database::Use& use_;
    const RecordTables& tables_;
    const NetworkOf& network_of_;
    std::unique_ptr<rocksdb::Iterator> at_;
    std::string ignored_;
};

}  // namespace

Result<RecordId> indexed_from(
    const Database& database, const RecordTables& tables, const RecordSpan& span, const NetworkOf& network_of
) {
    const auto use = database.use();
    if (!use) return failure(ErrorCode::unavailable, "the store is closed");
    IndexSampler sampler(use, tables, network_of);
    RecordId found = span.from;
    if (!sampler.finds_all_after(span.from)) {
        // What is not indexed is the oldest: between these two times it ends.
        auto missing = span.from.time();
        const auto last = sampler.last();
        auto good = (last ? last->time() : missing) + std::chrono::milliseconds(1);
        while (good - missing > std::chrono::milliseconds(1)) {
            const auto middle = missing + std::chrono::floor<std::chrono::milliseconds>((good - missing) / 2);
            (sampler.finds_all_after(RecordId::first_at(middle)) ? good : missing) = middle;
        }
        found = RecordId::first_at(good);
    }
    if (!sampler.status().ok())
        return std::unexpected(to_error("cannot read the index of records", sampler.status()));
    return found;
}

}  // namespace wicket
