// What happens to a decision afterwards: messages that were kept back for people to look at, who released
// them to whom, and the labels ham and spam. Rows of the mail database: what changes is synced before the
// call returns, and goes through the committer, so that all calls may block. Any thread.
#pragma once

#include "base/clock.hpp"
#include "base/record_id.hpp"
#include "base/result.hpp"
#include "store/mail_store.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

// A refused message is kept only while the disk has so much more room than good mail needs: as much as the
// buffer of bodies, so that one more flush of mail fits where the quarantine has stopped.
inline constexpr std::uint64_t quarantine_reserve_octets = 64ULL << 20U;

// Releases and labels of one decision that are remembered; the oldest go. Nobody changes his mind more often.
inline constexpr std::size_t ledger_marks_limit = 100;

struct KeptMessage {
    Uid uid = 0;                    // in the quarantine's mailbox
    std::uint64_t size_octets = 0;  // of the served view
    WallTime received{};
    std::vector<std::string>
        recipients;  // who did not get it; empty: kept by an older version, see the record
};

/// What a person did about a decision.
struct LedgerMark {
    enum class Kind : std::uint8_t { released = 1, ham = 2, spam = 3, undone = 4 };
    Kind kind = Kind::released;
    WallTime time{};
    std::string by;               // a login name, or "uid 1000"
    std::vector<std::string> to;  // of a release: the accounts
    bool operator==(const LedgerMark&) const = default;
};

/// What is known of a decision beside its record.
enum class LedgerNote : std::uint8_t { kept, labelled, released };

/// An account that a kept message goes to.
struct ReleaseTarget {
    std::string account;
    std::string first_lines;  // before the prefix that the quarantine has: whole header lines with CRLF
    MailboxOwner owner = MailboxOwner::account;
};

class Quarantine {
public:
    virtual ~Quarantine() = default;

    /// Whether a message that nobody takes may be kept: no_space while room gets scarce, long before mail is
    /// refused for it. Never blocks.
    virtual Result<> has_room() const = 0;
    /// not_found: never kept, or not any more.
    virtual Result<KeptMessage> find(const RecordId& id) = 0;
    /// The decisions of which that is noted, from `from` on, by id, at most `limit`: fewer are the last. Of
    /// those labelled some may have their label no more.
    virtual Result<std::vector<RecordId>> noted(LedgerNote note, const RecordId& from, std::size_t limit) = 0;
    /// Releases, then labels, each in the order in which they were made.
    virtual Result<std::vector<LedgerMark>> marks(const RecordId& id) = 0;
    /// Into the INBOX of each account that it was not released to before, with the time at which it was
    /// received, and `mark` beside it: all or nothing, in one synced batch. The accounts that have got it
    /// now; none if all had it. It stays in the quarantine until that forgets it. not_found if it is not
    /// there, or an account is gone.
    virtual Result<std::vector<std::string>> release(
        const RecordId& id, const std::vector<ReleaseTarget>& targets, LedgerMark mark
    ) = 0;
    /// `mark`: ham, spam, or undone, which takes the last label back (not_found if there is none).
    virtual Result<> label(const RecordId& id, LedgerMark mark) = 0;
    /// Removes kept messages and marks of these decisions; how many messages there were.
    virtual Result<std::uint64_t> forget(const std::vector<RecordId>& ids) = 0;
    /// 32 random octets, the same for as long as the store lives; made when first asked for.
    virtual Result<std::string> redaction_key() = 0;
};

/// The label that counts after all that was said: Kind::undone if there is none.
LedgerMark label_of(const std::vector<LedgerMark>& marks);

}  // namespace wicket
