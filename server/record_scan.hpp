// Records as the commands read them: decoded, with the counts of folded rows put in; what cannot be read is
// named on standard error, counted, and passed over. One thread.
#pragma once

#include "policy/record_query.hpp"
#include "server/command_output.hpp"
#include "server/long_command.hpp"
#include "server/record_marks.hpp"
#include "store/decision_log.hpp"
#include "store/store.hpp"

#include <cstdint>
#include <functional>

namespace wicket {

/// What a row stands for beyond itself, put into its record.
void add_folds(DecisionLog& log, StoredRecord& stored);

/// One record with its evidence and the answers that it names; without them, and with evidence_fault, where
/// only they are damaged.
Result<StoredRecord> read_record(DecisionLog& log, const RecordId& id);
/// Adds the evidence, without its answers, to what was decoded from `decision` alone; what is not kept any
/// more is left out. After an error, `stored` is as it was.
Result<> add_evidence(DecisionLog& log, std::string_view decision, StoredRecord& stored);

/// How commands name what they cannot read.
Error unreadable_record(const RecordId& id, const Error& error);
Error unreadable_evidence(const RecordId& id, std::string_view why);

class RecordScan {
public:
    /// How much is read of the records that match.
    enum class Depth : std::uint8_t { decision, with_evidence };

    /// All must outlive it; `progress` may be nullptr.
    RecordScan(Store& store, OutputForm form, Progress* progress, Depth depth = Depth::decision)
        : store_(store), form_(form), progress_(progress), depth_(depth) {}

    /// Those from `since` on that match, by id, with what people did about them, until `visit` returns false.
    /// Looks at no more records than the store's indexes leave. An error is the store's.
    Result<> run(
        const RecordQuery& query, WallTime since, const std::function<bool(const StoredRecord&)>& visit
    );
    /// Names one that cannot be read.
    void note_unreadable(const RecordId& id, const Error& error);
    /// add_evidence(); names the record whose evidence cannot be read.
    void complete(std::string_view decision, StoredRecord& stored);
    std::uint64_t unreadable() const { return unreadable_; }
    /// The last word on standard error, if there were any.
    void tell_unreadable() const;

private:
    /// False if `visit` wants no more.
    bool look_at(
        const RecordId& id,
        const Result<std::string_view>& octets,
        const RecordQuery& query,
        RecordMarks& marks,
        const std::function<bool(const StoredRecord&)>& visit
    );

    Store& store_;
    OutputForm form_;
    Progress* progress_;
    Depth depth_;
    std::uint64_t unreadable_ = 0;
    std::uint64_t without_evidence_ = 0;
};

/// The id of a reply as a person gives it; invalid, with what one looks like, for anything else.
Result<RecordId> parse_id(const std::string& text);
/// The record of an id as people type it, with what it stands for; waits a moment for one that was told just
/// now. invalid for what is no id, not_found if there is none.
Result<StoredRecord> find_record(Store& store, const std::string& id_text);

/// --since of a command, or an error that says what is wanted; nothing given is the beginning of time.
Result<WallTime> parse_since(const std::string& text);

}  // namespace wicket
