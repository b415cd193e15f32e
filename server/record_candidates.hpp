// Which records a query must look at: by the indexes of the store, where its terms pin something down. One
// thread.
#pragma once

#include "policy/record_query.hpp"
#include "store/store.hpp"

#include <vector>

namespace wicket {

/// Before `from` all records of the span, and then these.
struct RecordCandidates {
    RecordId from;
    std::vector<RecordId> ids;
};

/// nullopt: all records of the span. A superset of what matches in any case; what cannot be read of an index
/// is done without.
std::optional<RecordCandidates> find_candidates(
    Store& store, const RecordQuery& query, const RecordSpan& span
);

}  // namespace wicket
