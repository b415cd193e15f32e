// Records as the commands read them: decoded, with the counts of folded rows put in; what cannot be read is
// named on standard error, counted, and passed over. One thread.
#pragma once

#include "policy/record_query.hpp"
#include "server/command_output.hpp"
#include "server/long_command.hpp"
#include "store/decision_log.hpp"

#include <cstdint>
#include <functional>

namespace wicket {

/// What a row stands for beyond itself, put into its record.
void add_folds(DecisionLog& log, StoredRecord& stored);

class RecordScan {
public:
    /// All must outlive it; `progress` may be nullptr.
    RecordScan(DecisionLog& log, OutputForm form, Progress* progress)
        : log_(log), form_(form), progress_(progress) {}

    /// Those from `since` on that match, until `visit` returns false. An error is the store's.
    Result<> run(
        const RecordQuery& query, WallTime since, const std::function<bool(const StoredRecord&)>& visit
    );
    /// Names one that cannot be read.
    void note_unreadable(const RecordId& id, const Error& error);
    std::uint64_t unreadable() const { return unreadable_; }
    /// The last word on standard error, if there were any.
    void tell_unreadable() const;

private:
    DecisionLog& log_;
    OutputForm form_;
    Progress* progress_;
    std::uint64_t unreadable_ = 0;
};

/// --since of a command, or an error that says what is wanted; nothing given is the beginning of time.
Result<WallTime> parse_since(const std::string& text);

}  // namespace wicket
