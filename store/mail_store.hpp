// Mailboxes and message blobs. A message's octets are kept once, as received; beside each mailbox row stand a
// prefix (our trace fields) and cut ranges, so that the served view is prefix + octets without the cuts.
// Sizes and reads speak of the served view, which is fixed at delivery.
#pragma once

#include "base/clock.hpp"
#include "base/message_bytes.hpp"
#include "base/record_id.hpp"
#include "base/result.hpp"
#include "store/decision_log.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

using Uid = std::uint32_t;

struct CutRange {
    std::uint64_t offset;  // in the octets as received
    std::uint64_t length;
    bool operator==(const CutRange&) const = default;
};

/// Whether mail may be kept under a name without an account.
enum class MailboxOwner : std::uint8_t {
    account,  // no: whoever gets that name later must not get this mail
    nobody,   // yes: the quarantine, and postmaster's until that account is added
};

// Where messages are kept that some or all recipients did not get: no address, so nobody can log in to it.
inline constexpr std::string_view quarantine_account = "quarantine";
inline constexpr std::string_view quarantine_mailbox = "Quarantine";

/// One row to be made: who gets it, and what stands before it. Cuts sorted, not overlapping.
struct MailboxDelivery {
    std::string account;  // canonical address, as AccountStore has it
    std::string mailbox;  // "INBOX" or "Junk"
    std::string prefix;   // whole header lines with CRLF
    std::vector<CutRange> cuts;
    MailboxOwner owner = MailboxOwner::account;
    std::vector<std::string> kept_from = {};  // of the quarantine's row: the recipients who do not get it
};

/// One transaction that took DATA. All or none of it is stored, and synced before the callback.
struct Delivery {
    RecordId id;
    WallTime time;
    SharedMessage body;                 // nullptr: nothing is kept of the message
    std::vector<MailboxDelivery> rows;  // empty for a refused message: the record alone
    RecordOctets record;                // with an empty decision: none
    RecordKeys record_keys;
};

/// The UIDs in the order of the rows.
using DeliverCallback = std::function<void(Result<std::vector<Uid>>)>;

struct MailboxRow {
    Uid uid;
    std::uint64_t size_octets;  // of the served view
    WallTime received;
    RecordId id;
};

/// A mailbox as somebody has listed it: not one that an account of the same name got after it was removed and
/// made anew.
struct ListedMailbox {
    std::string account;
    std::string mailbox;
    std::uint32_t uid_validity;
};

struct MailboxListing {
    std::uint32_t uid_validity;
    Uid next_uid;
    std::vector<MailboxRow> rows;  // by UID
};

/// Reads the served view of one message, in pieces. Verifies the message's checksum over the whole as it
/// goes: the last read fails with `corrupt` if it is wrong. One thread at a time.
class MessageReader {
public:
    virtual ~MessageReader() = default;
    virtual std::uint64_t size_octets() const = 0;
    /// The next at most `limit_octets`; empty at the end. May block.
    virtual Result<std::string> next(std::size_t limit_octets) = 0;
};

/// Held while a POP3 session owns the maildrop; released when destroyed.
class MaildropLock {
public:
    virtual ~MaildropLock() = default;
};

class MailStore {
public:
    virtual ~MailStore() = default;

    /// Hands the transaction to the committer, which merges what waits into one synced batch. Does not block,
    /// except for nothing: large bodies are written by the store's own threads. The callback comes once, on a
    /// thread of the store; it must not block. busy if too much waits; no_space or io if the disk refused;
    /// not_found if an account of a row has been removed: nothing is stored then.
    virtual void deliver(Delivery delivery, DeliverCallback callback) = 0;

    /// May block. An account without that mailbox has an empty one.
    virtual Result<MailboxListing> list(std::string_view account, std::string_view mailbox) = 0;
    /// not_found also if the mailbox is not the one that was listed.
    virtual Result<std::unique_ptr<MessageReader>> open_message(const ListedMailbox& mailbox, Uid uid) = 0;
    /// The octets as received, without prefix and cuts.
    virtual Result<std::unique_ptr<MessageReader>> open_raw(const RecordId& id) = 0;
    /// Removes rows for good, in one synced batch; blobs that nothing refers to any more go too. Unknown UIDs
    /// are ignored. not_found, and nothing removed, if the mailbox is not the one that was listed.
    virtual Result<> expunge(const ListedMailbox& mailbox, const std::vector<Uid>& uids) = 0;
    /// busy if somebody has it.
    virtual Result<std::unique_ptr<MaildropLock>> lock_maildrop(
        std::string_view account, std::string_view mailbox
    ) = 0;
    /// Whether the last write was refused by the disk and no later one has succeeded: MAIL answers 452 then,
    /// and the store tries by itself, at least every 5 s, whether it can write again. Never blocks.
    virtual Result<> writable() const = 0;
    /// Reads every blob and every row of the store, also of accounts and records, and verifies them; calls
    /// `report` for each fault. How many messages there are. May take long.
    virtual Result<std::uint64_t> verify(const std::function<void(const std::string&)>& report) = 0;
};

}  // namespace wicket
