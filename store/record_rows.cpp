#include "store/record_rows.hpp"

#include "base/text.hpp"
#include "store/row_codec.hpp"

#include <algorithm>
#include <array>
#include <memory>

namespace wicket {
namespace {

// Answers of a busy hour; beyond it some are put again, which costs their octets once more.
constexpr std::size_t known_answers_limit = 1U << 16U;

constexpr std::uint16_t no_day = 0xFFFF;

rocksdb::Status put(
    rocksdb::WriteBatch& batch,
    rocksdb::ColumnFamilyHandle* table,
    std::string_view key,
    std::uint8_t version,
    std::string_view octets
) {
    const char head = static_cast<char>(version);
    const rocksdb::Slice key_slice(key);
    const std::array<rocksdb::Slice, 2> value{rocksdb::Slice(&head, 1), rocksdb::Slice(octets)};
    return batch.Put(
        table, rocksdb::SliceParts(&key_slice, 1), rocksdb::SliceParts(value.data(), value.size())
    );
}

template <class Visit>
void for_each_key(const RecordKeys& keys, const Visit& visit) {
    visit(RecordIndex::network, neighbourhood(keys.client_ip).to_string());
    if (!keys.sender_domain.empty()) visit(RecordIndex::sender_domain, keys.sender_domain);
    for (const std::string& recipient : keys.recipients)
        visit(RecordIndex::recipient, recipient);
    if (!keys.rule.empty()) visit(RecordIndex::rule, keys.rule);
    for (const std::string& rule : keys.hits)
        if (rule != keys.rule) visit(RecordIndex::rule, rule);
    visit(RecordIndex::verdict, keys.verdict);
}

Result<> checked(const rocksdb::Status& status) {
    if (status.ok()) return {};
    return std::unexpected(to_error("cannot add a record to a batch", status));
}

}  // namespace

Result<> RecordRows::add(
    const Database::Use& use,
    rocksdb::WriteBatch& batch,
    const RecordId& id,
    const RecordOctets& record,
    const RecordKeys& keys
) {
    const std::string_view key = rows::id_key(id);
    const std::uint16_t day = rows::day_of(id);
    auto status = put(batch, use.table(tables_.decisions), key, rows::decision_version, record.decision);
    if (status.ok() && !record.evidence.empty())
        status = put(batch, use.table(tables_.evidence), key, rows::row_version, record.evidence);
    for (const RecordAnswer& answer : record.answers) {
        if (!status.ok()) break;
        std::string answer_key = rows::answer_key(day, answer.name);
        if (answers_.size() >= known_answers_limit) answers_.clear();
        const auto [at, is_new] = answers_.insert(std::move(answer_key));
        if (is_new) status = put(batch, use.table(tables_.answers), *at, rows::row_version, answer.octets);
    }
    for_each_key(keys, [&](RecordIndex index, std::string_view value) {
        if (!status.ok()) return;
        std::string index_key = rows::index_prefix(day, index, value);
        index_key += key;
        status = batch.Put(use.table(tables_.index), index_key, rocksdb::Slice());
    });
    return checked(status);
}

Result<> remove_record(
    const Database::Use& use,
    rocksdb::WriteBatch& batch,
    const RecordTables& tables,
    const RecordId& id,
    const RecordKeys& keys
) {
    const rocksdb::Slice key(rows::id_key(id));
    auto status = batch.Delete(use.table(tables.decisions), key);
    if (status.ok()) status = batch.Delete(use.table(tables.evidence), key);
    for_each_key(keys, [&](RecordIndex index, std::string_view value) {
        if (!status.ok()) return;
        std::string index_key = rows::index_prefix(rows::day_of(id), index, value);
        index_key += rows::id_key(id);
        status = batch.Delete(use.table(tables.index), index_key);
    });
    return checked(status);
}

std::vector<RecordRange> ranges_before(const RecordTables& tables, const RecordId& end) {
    const std::string first_id(rows::id_key(RecordId()));
    const std::string last_id(rows::id_key(end));
    const std::string last_day = rows::day_key(rows::day_of(end));
    return {
        {tables.decisions, first_id,         last_id },
        {tables.evidence,  first_id,         last_id },
        {tables.answers,   rows::day_key(0), last_day},
        {tables.index,     rows::day_key(0), last_day},
    };
}

Result<> remove_records(
    const Database::Use& use, rocksdb::WriteBatch& batch, const RecordTables& tables, const RecordId& end
) {
    for (const RecordRange& range : ranges_before(tables, end)) {
        auto removed = checked(batch.DeleteRange(use.table(range.table), range.begin, range.end));
        if (!removed) return removed;
    }
    return {};
}

Result<> add_candidates(
    const Database& database,
    const RecordTables& tables,
    RecordIndex index,
    std::string_view value,
    const RecordSpan& span,
    std::size_t limit,
    std::vector<RecordId>& ids
) {
    const auto use = database.use();
    if (!use) return failure(ErrorCode::unavailable, "the store is closed");
    rocksdb::ReadOptions options;
    options.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> at(use->NewIterator(options, use.table(tables.index)));
    const std::uint16_t first_day = rows::day_of(span.from);
    const std::uint16_t last_day = span.until ? rows::day_of(*span.until) : no_day;
    at->Seek(rows::day_key(first_day));
    while (at->Valid()) {
        // The day of whatever comes next: days without records are no work.
        const auto day_octets = at->key().ToStringView().substr(0, 2);
        if (day_octets.size() < 2) break;
        const auto day = static_cast<std::uint16_t>(
            (static_cast<unsigned char>(day_octets[0]) << 8U) | static_cast<unsigned char>(day_octets[1])
        );
        if (day > last_day) break;
        const std::string prefix = rows::index_prefix(day, index, value);
        std::string first = prefix;
        if (day == first_day) first += rows::id_key(span.from);
        for (at->Seek(first); at->Valid() && at->key().starts_with(prefix); at->Next()) {
            const auto id = RecordId::from_octets(at->key().ToStringView().substr(prefix.size()));
            if (!id || *id < span.from || (span.until && *id >= *span.until)) continue;
            if (ids.size() >= limit) return failure(ErrorCode::no_space, "too many records have it");
            ids.push_back(*id);
        }
        if (day == no_day) break;
        at->Seek(rows::day_key(static_cast<std::uint16_t>(day + 1)));
    }
    if (!at->status().ok())
        return std::unexpected(to_error("cannot read the index of records", at->status()));
    return {};
}

}  // namespace wicket
