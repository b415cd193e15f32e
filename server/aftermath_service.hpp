// What people do about decisions, as the holder of the store performs it: release, labels, forgetting. The
// requests of the control socket; the commands use the same functions when no server runs. May block; any
// thread.
#pragma once

#include "policy/record.hpp"
#include "server/config.hpp"
#include "store/store.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace wicket {

/// The answer, one line of JSON; nullopt if the request is none of {"do": "release" | "feedback" | "forget"}.
/// `on_ham`, which may be empty, is told of a record that was labelled ham.
std::optional<std::string> answer_aftermath_request(
    Store& store,
    const Config& config,
    const std::string& request,
    WallTime now,
    const std::function<void(const DecisionRecord&)>& on_ham = {}
);

struct Forgotten {
    std::uint64_t records = 0;
    std::uint64_t messages = 0;
};
/// Removes records, labels, and kept messages. With no ids: has what was removed leave the disk.
Result<Forgotten> forget_decisions(Store& store, const std::vector<RecordId>& ids);

/// Puts what the ledger says of a record into it; nothing if that cannot be read.
Result<> add_aftermath(Store& store, DecisionRecord& record);

}  // namespace wicket
