// Both classes of records and what waits in memory, as one sequence by id: what a reader of the log sees. One
// thread.
#pragma once

#include "store/decision_log.hpp"
#include "store/record_cursor.hpp"

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

namespace wicket {

using RecordVisit = std::function<bool(const RecordId&, Result<std::string_view>)>;

/// Visits all of them up to `last`, by id: of one id the latest, which is the decision at the end of data,
/// else what memory holds; beside it what cannot be read. False if `visit` wants no more.
bool show_merged(
    const std::vector<ReadRecord>& decided,
    const std::vector<ReadRecord>& from_memory,
    const std::vector<ReadRecord>& refused,
    const std::optional<RecordId>& last,
    const RecordVisit& visit
);

class RecordMerge {
public:
    RecordMerge(Database& mail, Database& refusals, const RecordSpan& span)
        : mail_(mail), refusals_(refusals), span_(span) {}

    /// Visits one piece; `waiting` gives what memory holds of a span, and is asked before the disk, since
    /// rows go from memory to disk. False if there is no more, or `visit` wants no more.
    Result<bool> step(
        const std::function<std::vector<ReadRecord>(const RecordSpan&)>& waiting, const RecordVisit& visit
    );

private:
    Database& mail_;
    Database& refusals_;
    RecordSpan span_;
};

}  // namespace wicket
