// Steps through one table of records in pieces, so that the database is not held while somebody looks at
// them, and goes on behind what cannot be read. One thread.
#pragma once

#include "base/record_id.hpp"
#include "base/result.hpp"
#include "store/database.hpp"
#include "store/decision_log.hpp"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace wicket {

struct ReadRecord {
    RecordId id;
    Result<std::string> value;  // as on disk
};

/// The least id that is greater; nullopt behind the last.
std::optional<RecordId> successor(const RecordId& id);

struct RecordPiece {
    std::vector<ReadRecord> records;  // by id
    bool is_last = true;
};

/// Records of the span, some hundred of them.
Result<RecordPiece> read_piece(Database& database, std::size_t table, const RecordSpan& span);

/// Those of these ids that the table has, in their order.
Result<std::vector<ReadRecord>> read_records(
    const Database& database, std::size_t table, std::span<const RecordId> ids
);

/// How many keys a table has.
Result<std::uint64_t> count_keys(Database& database, std::size_t table);

}  // namespace wicket
