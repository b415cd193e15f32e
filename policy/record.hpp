// The decision record: everything that one decision was made from, and what came of it. One per transaction,
// and one per connection that ended without one. record.proto is its form on disk; this is its form in the
// program. Values; any thread.
#pragma once

#include "base/dns.hpp"
#include "base/record_id.hpp"
#include "base/record_octets.hpp"
#include "base/result.hpp"
#include "mail/fact_dictionary.hpp"
#include "policy/verdict.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

struct RecordRecipient {
    std::string address;
    Verdict verdict;
    std::string mailbox;  // INBOX or Junk; empty if nothing was delivered
    /// What the decision knew otherwise than the record's facts: its own (rcpt.*, greylist.age), and what was
    /// not yet known when it was refused. May be null.
    FactsSnapshot facts;
    std::vector<FactId> absent = {};  // of the record's facts, those that did not apply then
    /// Of one that was accepted at RCPT: what the session has counted or noticed since, as it was then. May
    /// be null.
    FactsSnapshot facts_at_rcpt = {};
};

struct RecordEvent {
    std::uint32_t micros;  // since the connection
    Stage stage;
    std::string what;  // "spf: pass", "late: dnsbl.zen", ...
};

/// Whether a message that some or all recipients did not get was kept for people to look at.
struct RecordQuarantine {
    enum class State : std::uint8_t { none, kept, not_kept };
    State state = State::none;
    std::string why_not;  // it was not kept
    bool operator==(const RecordQuarantine&) const = default;
};

/// What a person did about a decision.
struct RecordMark {
    std::string what;  // released, ham, spam
    std::string by;
    WallTime time{};
    std::vector<std::string> to;         // of all times
    std::vector<RecordMark> again = {};  // releases after the first, each with those that it was for
};

struct DecisionRecord {
    RecordId id;
    WallTime time;
    IpAddress client_ip;
    std::uint16_t client_port = 0;
    std::string client_name;
    std::string helo;
    std::string tls_version;
    std::string tls_cipher;
    std::string listener;   // "smtp 127.0.0.1:2525"
    std::string from;       // "" is the null path
    bool has_from = false;  // whether MAIL was given
    std::uint64_t size = 0;
    std::string message_sha256;  // 32 octets or empty
    Verdict verdict;             // the final one: see design of `explain --json`
    SmtpReply reply;             // as sent, with its id
    std::vector<RecordRecipient> recipients;
    Facts facts;
    std::vector<DnsLookup> lookups;
    std::vector<RecordEvent> events;
    std::string rules_hash;
    std::vector<std::string> rules_in_shadow;  // that the circuit breaker had put there: part of the input
    bool policy_shadow = false;                // [policy] mode = "shadow": what was done is accept
    std::uint32_t scan_passes = 0;
    bool is_open = false;  // the transaction or connection had not ended when this was written
    bool is_late = false;  // the listener answers what is known before DATA at the end (late = "data")
    // Of a folded row (many equal refusals): how many it stands for, and until when.
    std::uint64_t folded_count = 1;
    WallTime folded_last{};
    std::string transcript;  // policy/transcript.hpp
    std::uint32_t transcript_left_out = 0;
    RecordQuarantine quarantine;
    bool is_redacted = false;  // policy/redaction.hpp
    // What has been done about it since: not of the record, but of the store's ledger.
    std::optional<RecordMark> released;
    std::optional<RecordMark> label;
};

/// The facts that a recipient was decided by: the record's, and what differs for it.
Facts facts_of(const DecisionRecord& record, const RecordRecipient& recipient);

/// False if XCLIENT said that the address is not known: then client_ip is 0.0.0.0.
inline bool is_client_known(const DecisionRecord& record) {
    return record.client_ip != IpAddress();
}

/// Octets for the store. `dictionary` names the facts.
RecordOctets encode_record(const DecisionRecord& record, const FactDictionary& dictionary);

/// A record read back: facts under a dictionary of their own, made of the names and types in the record.
struct StoredRecord {
    DecisionRecord record;
    FactDictionary dictionary;
    /// Why its evidence could not be read, though the decision could; else empty.
    std::string evidence_fault = {};
};
/// Of the decision, or of decision and evidence one after the other; without the latter there are no lookups,
/// no events, and no hash of the message. corrupt if it cannot be read or its version is newer than ours. A
/// lookup whose answer `answers` does not have says so in its reason.
Result<StoredRecord> decode_record(std::string_view octets, const AnswerSource& answers = {});
/// The same with the answers beside it.
Result<StoredRecord> decode_record(const RecordOctets& octets);

enum class RecordJson : std::uint8_t { full, without_dns };
/// One JSON object on one line, without a line end: the contract of `explain --json` and `log --json`.
std::string record_to_json(const StoredRecord& stored, RecordJson form);
/// A text of peers for JSON, which is UTF-8 (RFC 8259 section 8.1): other octets are shown as \xHH.
std::string json_text(std::string_view text);
/// The line of `log`: time, verdict, client, from, to, rule, reply, id.
std::string record_to_line(const StoredRecord& stored);
/// The part of `explain` about the transcript and about what was done with the message since.
std::string record_aftermath_story(const DecisionRecord& record);

}  // namespace wicket
