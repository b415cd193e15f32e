// Keys and values of the store, octet by octet as format.md has them. Pure functions; any thread. Decoders
// take whatever the disk gives: nullopt for a wrong version, length or order, and never more work than the
// input is long.
#pragma once

#include "base/sha256.hpp"
#include "store/accounts.hpp"
#include "store/decision_log.hpp"
#include "store/mail_store.hpp"
#include "store/quarantine.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wicket::rows {

inline constexpr std::uint8_t row_version = 1;
inline constexpr std::uint8_t decision_version = 2;
inline constexpr std::uint32_t format_number = 2;

inline constexpr std::string_view format_key = "format";
inline constexpr std::string_view counters_key = "counters";
inline constexpr std::string_view probe_key = "probe";
inline constexpr std::string_view redaction_key = "redaction";
inline constexpr std::string_view kept_key = "kept";  // all of the quarantine has rows of its own in meta

struct Counters {
    std::uint64_t next_mailbox = 1;
    std::uint32_t last_uid_validity = 0;
    bool operator==(const Counters&) const = default;
};

struct MailboxName {
    std::uint64_t number = 0;
    std::uint32_t uid_validity = 0;
    Uid next_uid = 1;
    bool operator==(const MailboxName&) const = default;
};

struct MailboxEntry {
    RecordId id;
    std::uint64_t size_octets = 0;
    WallTime received{};
    bool operator==(const MailboxEntry&) const = default;
};

struct View {
    std::string prefix;
    std::vector<CutRange> cuts;
    bool operator==(const View&) const = default;
};

enum class BodyPlace : std::uint8_t { row = 1, file = 2 };

struct Message {
    std::uint32_t references = 0;
    BodyPlace place = BodyPlace::row;
    std::uint64_t size_octets = 0;
    Sha256 sha256{};
    bool operator==(const Message&) const = default;
};

inline constexpr std::size_t redaction_key_octets = 32;

/// Of a message in the quarantine, by its id.
struct Kept {
    Uid uid = 0;
    std::vector<std::string> recipients;
    bool operator==(const Kept&) const = default;
};

struct Remembered {
    WallTime until{};
    std::string_view value;  // of the octets decoded
};

std::string_view id_key(const RecordId& id);
std::string mailbox_name_key(std::string_view account, std::string_view mailbox);
/// What the names of all mailboxes of an account begin with.
std::string mailbox_name_prefix(std::string_view account);
/// Account and mailbox of a name's key.
std::optional<std::pair<std::string, std::string>> parse_mailbox_name_key(std::string_view key);
std::string mailbox_entry_key(std::uint64_t mailbox, Uid uid);
/// What the entries of all mailboxes begin with.
inline constexpr std::string_view entry_key_prefix = "r";
std::optional<std::pair<std::uint64_t, Uid>> parse_mailbox_entry_key(std::string_view key);
std::string view_key(std::uint64_t mailbox, Uid uid);

/// Rows of meta that stand for a decision each: a letter and the id.
enum class LedgerRow : char { kept = 'k', labels = 'l', releases = 'x' };
std::string ledger_key(LedgerRow row, const RecordId& id);
std::optional<std::pair<LedgerRow, RecordId>> parse_ledger_key(std::string_view key);

std::string encode_format(std::uint32_t number);
std::optional<std::uint32_t> decode_format(std::string_view value);
std::string encode_probe(WallTime time);
std::string encode(const Counters& counters);
std::optional<Counters> decode_counters(std::string_view value);
std::string encode(const MailboxName& name);
std::optional<MailboxName> decode_mailbox_name(std::string_view value);
std::string encode(const MailboxEntry& entry);
std::optional<MailboxEntry> decode_mailbox_entry(std::string_view value);
std::string encode_view(std::string_view prefix, const std::vector<CutRange>& cuts);
std::optional<View> decode_view(std::string_view value);
std::string encode(const Message& message);
std::optional<Message> decode_message(std::string_view value);
std::string encode(const Account& account);
/// The address is the key.
std::optional<Account> decode_account(std::string_view address, std::string_view value);
std::string encode(const Kept& kept);
std::optional<Kept> decode_kept(std::string_view value);
std::string encode_marks(const std::vector<LedgerMark>& marks);
std::optional<std::vector<LedgerMark>> decode_marks(std::string_view value);
std::string encode_redaction_key(std::string_view octets);
std::optional<std::string> decode_redaction_key(std::string_view value);
std::string encode_kept_mark();
std::string encode(const DecisionLog::Folded& folded);
std::optional<DecisionLog::Folded> decode_folded(std::string_view value);
std::string encode_remembered(WallTime until, std::string_view value);
std::optional<Remembered> decode_remembered(std::string_view value);

/// Version 2 of a decision's row: the octets alone.
std::string encode_decision(std::string_view octets);
/// Of version 1 too, where the octets stood behind keys, with the evidence in them.
std::optional<std::string_view> decode_decision(std::string_view value);
/// The day of an id, since 1970: evidence that is not kept by id goes with its day.
std::uint16_t day_of(const RecordId& id);
std::string day_key(std::uint16_t day);
std::string answer_key(std::uint16_t day, std::string_view name);
/// What the keys of all records begin with that have `value` there, of one day; the id follows.
std::string index_prefix(std::uint16_t day, RecordIndex index, std::string_view value);

/// Of rows of `bodies`, `evidence` and `answers`: the octets behind the version.
std::optional<std::string_view> decode_body(std::string_view value);

/// Octets of the served view; nullopt if the cuts are unsorted, overlap or reach beyond the body.
std::optional<std::uint64_t> served_size(
    std::uint64_t body_octets, std::uint64_t prefix_octets, const std::vector<CutRange>& cuts
);

}  // namespace wicket::rows
