#include "store/record_merge.hpp"

#include "store/row_codec.hpp"
#include "store/tables.hpp"

#include <algorithm>
#include <utility>

namespace wicket {
namespace {

constexpr int rank_of_damage = 3;  // told beside what can be read

bool show(const ReadRecord& record, const RecordVisit& visit) {
    if (!record.value) return visit(record.id, std::unexpected(record.value.error()));
    const auto decoded = rows::decode_decision(*record.value);
    if (!decoded) return visit(record.id, failure(ErrorCode::corrupt, "its row is damaged"));
    return visit(record.id, *decoded);
}

}  // namespace

bool show_merged(
    const std::vector<ReadRecord>& decided,
    const std::vector<ReadRecord>& from_memory,
    const std::vector<ReadRecord>& refused,
    const std::optional<RecordId>& last,
    const RecordVisit& visit
) {
    struct Candidate {
        const ReadRecord* record;
        int rank;
    };
    std::vector<Candidate> all;
    const auto take = [&](const std::vector<ReadRecord>& records, int rank) {
        for (const ReadRecord& record : records) {
            if (!last || record.id <= *last) all.push_back({&record, record.value ? rank : rank_of_damage});
        }
    };
    take(decided, 0);
    take(from_memory, 1);
    take(refused, 2);
    std::ranges::sort(all, {}, [](const Candidate& one) { return std::pair(one.record->id, one.rank); });
    const ReadRecord* before = nullptr;
    for (const auto& [record, rank] : all) {
        const bool is_repeated = before != nullptr && before->id == record->id && rank != rank_of_damage;
        before = record;
        if (!is_repeated && !show(*record, visit)) return false;
    }
    return true;
}

Result<bool> RecordMerge::step(
    const std::function<std::vector<ReadRecord>(const RecordSpan&)>& waiting, const RecordVisit& visit
) {
    const std::vector<ReadRecord> from_memory = waiting(span_);
    auto refused = read_piece(refusals_, static_cast<std::size_t>(RefusalTable::refusals), span_);
    if (!refused) return std::unexpected(refused.error());
    auto decided = read_piece(mail_, static_cast<std::size_t>(MailTable::decisions), span_);
    if (!decided) return std::unexpected(decided.error());
    // Beyond the end of a piece that is not the last, the others would come too early.
    std::optional<RecordId> end;
    for (const RecordPiece* piece : {&*refused, &*decided}) {
        if (!piece->is_last && (!end || piece->records.back().id < *end)) end = piece->records.back().id;
    }
    if (!show_merged(decided->records, from_memory, refused->records, end, visit)) return false;
    const auto next = end ? successor(*end) : std::nullopt;
    if (next) span_.from = *next;
    return next.has_value();
}

}  // namespace wicket
