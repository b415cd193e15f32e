// What the store's tests share: a folder that goes away, a clock that may be set from any thread, messages,
// and deliver() that waits.
#pragma once

#include "base/clock.hpp"
#include "base/message_bytes.hpp"
#include "store/store.hpp"
#include "store/tables.hpp"
#include "tests/support/temporary_folder.hpp"

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace wicket::test {

/// Like ManualClock, for stores, whose threads read the clock.
class SharedClock : public Clock {
public:
    WallTime wall() const override { return WallTime(std::chrono::microseconds(wall_micros_.load())); }
    SteadyTime steady() const override { return {}; }
    void set(WallTime time) { wall_micros_ = time.time_since_epoch().count(); }
    void advance(std::chrono::microseconds by) { wall_micros_ += by.count(); }

private:
    std::atomic<std::int64_t> wall_micros_{1'760'000'000'000'000};
};

/// A new one at each call; `time` is what it sorts by.
RecordId new_id(WallTime time = WallTime(std::chrono::seconds(1'760'000'000)));
/// Octets of a message that differ with the seed.
std::string message_text(std::size_t octets, std::uint64_t seed = 1);
SharedMessage message_of(const std::string& text);
/// To INBOX of one account, with a record.
Delivery delivery_to(const std::string& account, SharedMessage body, RecordId id = new_id());
/// Waits for the callback.
Result<std::vector<Uid>> deliver(MailStore& store, Delivery delivery);
/// To its end in pieces of `piece` octets; the error of any.
Result<std::string> read_all(MessageReader& reader, std::size_t piece = 4096);
/// As it is now.
ListedMailbox listed(MailStore& store, std::string_view account, std::string_view mailbox = "INBOX");
Result<std::string> read_message(MailStore& store, std::string_view account, Uid uid);
/// The store of `folder`; the test fails if it does not open.
std::unique_ptr<Store> open_store(StoreOptions options);
/// The files of one table of a store that is closed, as paths; what its logs held is in them then.
std::vector<std::string> files_of(const std::string& folder, MailTable table);
std::vector<std::string> files_of(const std::string& folder, RefusalTable table);
/// Flips a bit.
void damage(const std::string& file, std::uint64_t offset);
/// Calls `is_so` until it is true or 20 s are over, for what other threads of the store do in their time.
bool comes_true(const std::function<bool()>& is_so);

/// What of a record was decided.
inline Result<std::string> decision_of(DecisionLog& log, const RecordId& id) {
    auto record = log.find(id);
    if (!record) return std::unexpected(record.error());
    return std::move(record->decision);
}

}  // namespace wicket::test
