#include "server/record_scan.hpp"

#include "policy/time_text.hpp"
#include "server/record_candidates.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <poll.h>

namespace wicket {
namespace {

// Refusals are written in batches after the reply, some 50 ms later: `explain` waits a second for a young id.
constexpr int fresh_record_tries = 20;
// The refusal itself may be young although its transaction began long ago.
constexpr int slow_record_tries = 4;
constexpr int fresh_record_wait_milliseconds = 50;
constexpr std::chrono::minutes fresh_record_age{1};

bool is_missing(const Result<StoredRecord>& stored) {
    return !stored && stored.error().code == ErrorCode::not_found;
}

}  // namespace

void add_folds(DecisionLog& log, StoredRecord& stored) {
    const auto folded = log.folded(stored.record.id);
    if (!folded || folded->count == 0) return;
    stored.record.folded_count = folded->count + 1;
    stored.record.folded_last = folded->last;
}

Result<StoredRecord> read_record(DecisionLog& log, const RecordId& id) {
    const auto octets = log.find(id);
    if (!octets) return std::unexpected(octets.error());
    const AnswerSource answers = [&](std::string_view name) { return log.answer(id, name); };
    auto stored = decode_record(octets->decision + octets->evidence, answers);
    if (stored) {
        stored->evidence_fault = octets->evidence_fault;
        return stored;
    }
    auto decision = decode_record(octets->decision, answers);
    if (!decision) return std::unexpected(unreadable_record(id, decision.error()));
    decision->evidence_fault = stored.error().message;
    return decision;
}

Result<> add_evidence(DecisionLog& log, std::string_view decision, StoredRecord& stored) {
    const auto evidence = log.evidence(stored.record.id);
    if (!evidence) return std::unexpected(evidence.error());
    if (evidence->empty()) return {};
    auto whole = decode_record(std::string(decision) + *evidence);
    if (!whole) return std::unexpected(whole.error());
    stored = std::move(*whole);
    return {};
}

Error unreadable_record(const RecordId& id, const Error& error) {
    return {
        ErrorCode::corrupt, fmt::format("the record {} cannot be read: {}", id.to_string(), error.message)
    };
}

Error unreadable_evidence(const RecordId& id, std::string_view why) {
    return {
        ErrorCode::corrupt,
        fmt::format("the evidence of the record {} cannot be read: {}", id.to_string(), why)
    };
}

Result<> RecordScan::run(
    const RecordQuery& query, WallTime since, const std::function<bool(const StoredRecord&)>& visit
) {
    const QueryIds wanted = query.ids();
    RecordSpan span{std::max(RecordId::first_at(since), wanted.first), wanted.end};
    if (span.until && *span.until <= span.from) return {};
    RecordMarks marks(store_);
    bool goes_on = true;
    const auto look = [&](const RecordId& id, const Result<std::string_view>& octets) {
        if (progress_ != nullptr) progress_->count();
        goes_on = look_at(id, octets, query, marks, visit);
        return goes_on;
    };
    DecisionLog& log = store_.decisions();
    const auto candidates = find_candidates(store_, query, span);
    if (!candidates) return log.scan(span, look);
    if (candidates->from > span.from) {
        span.until = candidates->from;
        if (const auto scanned = log.scan(span, look); !scanned || !goes_on) return scanned;
    }
    return log.look_up(candidates->ids, look);
}

bool RecordScan::look_at(
    const RecordId& id,
    const Result<std::string_view>& octets,
    const RecordQuery& query,
    RecordMarks& marks,
    const std::function<bool(const StoredRecord&)>& visit
) {
    auto stored = octets ? decode_record(*octets) : Result<StoredRecord>(std::unexpected(octets.error()));
    if (!stored) {
        note_unreadable(id, stored.error());
        return true;
    }
    if (!query.matches_but_for_marks(*stored)) return true;
    if (depth_ == Depth::with_evidence) complete(*octets, *stored);
    if (const auto added = marks.add_to(stored->record); !added) note_unreadable(id, added.error());
    if (query.asks_for_marks() && !query.matches(*stored)) return true;
    add_folds(store_.decisions(), *stored);
    return visit(*stored);
}

void RecordScan::note_unreadable(const RecordId& id, const Error& error) {
    ++unreadable_;
    if (progress_ != nullptr) progress_->hide();
    print_error(unreadable_record(id, error), form_);
}

void RecordScan::complete(std::string_view decision, StoredRecord& stored) {
    const auto added = add_evidence(store_.decisions(), decision, stored);
    if (added) return;
    ++without_evidence_;
    if (progress_ != nullptr) progress_->hide();
    print_error(unreadable_evidence(stored.record.id, added.error().message), form_);
}

void RecordScan::tell_unreadable() const {
    if (unreadable_ != 0)
        print_error({ErrorCode::corrupt, fmt::format("{} records could not be read", unreadable_)}, form_);
    if (without_evidence_ != 0)
        print_error(
            {ErrorCode::corrupt, fmt::format("of {} the evidence could not be read", without_evidence_)},
            form_
        );
}

Result<RecordId> parse_id(const std::string& text) {
    if (const auto id = RecordId::parse(text)) return *id;
    return failure(
        ErrorCode::invalid,
        fmt::format(
            "\"{}\" is no id: an id has {} letters and digits, the last word of a reply",
            text,
            RecordId::text_length
        )
    );
}

Result<StoredRecord> find_record(Store& store, const std::string& id_text) {
    const auto id = parse_id(id_text);
    if (!id) return std::unexpected(id.error());
    auto stored = read_record(store.decisions(), *id);
    // Somebody may ask for an id that was told a moment ago, while its record is on its way.
    const bool is_fresh = id->time() + fresh_record_age > system_clock().wall();
    const int tries_limit = is_fresh ? fresh_record_tries : slow_record_tries;
    for (int tries = 0; tries < tries_limit && is_missing(stored); ++tries) {
        ::poll(nullptr, 0, fresh_record_wait_milliseconds);
        if (auto fresh = store.refresh(); !fresh) return std::unexpected(fresh.error());
        stored = read_record(store.decisions(), *id);
    }
    if (stored) add_folds(store.decisions(), *stored);
    return stored;
}

Result<WallTime> parse_since(const std::string& text) {
    if (text.empty()) return WallTime{};
    if (const auto moment = parse_moment(text, system_clock().wall())) return *moment;
    return failure(
        ErrorCode::invalid,
        fmt::format(
            "--since {}: a duration such as 90m, 2h, 7d, or a date such as 2026-01-31 is wanted", text
        )
    );
}

}  // namespace wicket
