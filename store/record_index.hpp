// How far back the index of records reaches in a database. One thread.
#pragma once

#include "store/database.hpp"
#include "store/decision_log.hpp"
#include "store/record_rows.hpp"

namespace wicket {

/// DecisionLog::indexed_from() of one database.
Result<RecordId> indexed_from(
    const Database& database, const RecordTables& tables, const RecordSpan& span, const NetworkOf& network_of
);

}  // namespace wicket
