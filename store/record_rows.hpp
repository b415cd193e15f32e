// Where a record stands in a database: its decision and evidence by id, its answers and what it is found by
// with their day. Both databases keep their records so. One thread each for adding; reading is for any.
#pragma once

#include "store/database.hpp"
#include "store/decision_log.hpp"
#include "store/tables.hpp"

#include <string>
#include <unordered_set>
#include <vector>

namespace wicket {

/// The tables of one database that hold records.
struct RecordTables {
    std::size_t decisions;
    std::size_t evidence;
    std::size_t answers;
    std::size_t index;
};

inline constexpr RecordTables mail_records{
    static_cast<std::size_t>(MailTable::decisions),
    static_cast<std::size_t>(MailTable::evidence),
    static_cast<std::size_t>(MailTable::answers),
    static_cast<std::size_t>(MailTable::index)
};
inline constexpr RecordTables refusal_records{
    static_cast<std::size_t>(RefusalTable::refusals),
    static_cast<std::size_t>(RefusalTable::evidence),
    static_cast<std::size_t>(RefusalTable::answers),
    static_cast<std::size_t>(RefusalTable::index)
};

/// Puts records into batches. An answer that was put already on that day is not put again, unless the batch
/// was not written: forget() then.
class RecordRows {
public:
    explicit RecordRows(const RecordTables& tables) : tables_(tables) {}
    Result<> add(
        const Database::Use& use,
        rocksdb::WriteBatch& batch,
        const RecordId& id,
        const RecordOctets& record,
        const RecordKeys& keys
    );
    void forget() { answers_.clear(); }

private:
    RecordTables tables_;
    std::unordered_set<std::string> answers_;  // keys that were put
};

/// Deletes one record and what it is found by; answers stay, for others may name them.
Result<> remove_record(
    const Database::Use& use,
    rocksdb::WriteBatch& batch,
    const RecordTables& tables,
    const RecordId& id,
    const RecordKeys& keys
);

/// The keys of one table that go with the records before some id.
struct RecordRange {
    std::size_t table;
    std::string begin;
    std::string end;
};
/// Answers and index rows go with their whole days.
std::vector<RecordRange> ranges_before(const RecordTables& tables, const RecordId& end);
/// Deletes the records before `end`, with what belongs to them.
Result<> remove_records(
    const Database::Use& use, rocksdb::WriteBatch& batch, const RecordTables& tables, const RecordId& end
);

/// What is found by `value` in one database, within the span, added to `ids`. no_space beyond `limit`.
Result<> add_candidates(
    const Database& database,
    const RecordTables& tables,
    RecordIndex index,
    std::string_view value,
    const RecordSpan& span,
    std::size_t limit,
    std::vector<RecordId>& ids
);

}  // namespace wicket
