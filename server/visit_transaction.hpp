// One mail transaction as the Visit keeps it, and the record that it becomes. Values; the Visit's loop.
#pragma once

#include "filters/chain.hpp"
#include "mail/address.hpp"
#include "net/peer.hpp"
#include "policy/record.hpp"
#include "policy/rules.hpp"
#include "server/policy_state.hpp"
#include "store/decision_log.hpp"

#include <optional>
#include <string>
#include <vector>

namespace wicket {

// A record names no more refused recipients than this; a dictionary attack would make it as large as it
// likes.
inline constexpr std::size_t recorded_refusals_limit = 100;

struct VisitRecipient {
    std::string address;
    std::vector<std::string> accounts;
    FactValue local_part, domain;
    std::string policy_key;
    Verdict verdict;                        // at the last stage that was decided; none before
    std::optional<std::int64_t> deferrals;  // deferred.envelope, once it was asked for
    std::optional<std::int64_t> greylist_age;
    std::string mailbox;    // once it is delivered
    FactsSnapshot at_rcpt;  // what may change until the end, as it was at RCPT
};

/// Also stands for what was refused in a connection outside of transactions.
struct VisitTransaction {
    RecordId id;
    RecordId told_id;  // the last one told: its own, or that of the sample a refusal was folded into
    WallTime began;
    bool has_mail = true;         // MAIL was given
    Stage reached = Stage::mail;  // the last that was asked
    std::optional<Mailbox> from;
    bool took_data = false;
    std::uint64_t size = 0;
    std::string message_sha256;
    std::vector<VisitRecipient> accepted;
    std::vector<RecordRecipient> refused;
    std::uint64_t asked_count = 0;         // recipients, whatever came of them
    std::uint64_t unknown_recipients = 0;  // of the connection, when a recipient was last asked for
    Verdict last_verdict;                  // of the last final reply
    SmtpReply last_reply;
    std::optional<std::int64_t> deferrals;  // deferred.message, once it was asked for
    bool has_refusal = false;
    std::optional<RecordId> folded_into;  // the sample that counts it; a transaction is counted once
    bool has_own_record = false;          // a reply carried its own id, so there is a record to be found
    bool is_open = true;
    RecordQuarantine quarantine;
};

/// One reply for all: what each accepted recipient was told, whatever was decided for it alone.
void tell_recipients(VisitTransaction& transaction, const Verdict& verdict);
std::vector<const Verdict*> verdicts_of(const std::vector<VisitRecipient>& recipients);
std::string recipients_text(const VisitTransaction& transaction);

/// What of a record does not change during a connection.
struct RecordContext {
    const Peer& peer;
    const TlsDetails& tls;
    const std::string& listener;
    const std::string& helo;
    const PolicyState& policy;
    SteadyTime connected;
    bool is_late;  // the listener answers at the end what it knows before
};

/// `facts`: what it was decided by; a record keeps what of it differs from the record's own.
RecordRecipient record_of(const VisitRecipient& recipient, Facts facts);
DecisionRecord make_record(
    const VisitTransaction& transaction, const RecordContext& context, const ChainRun& run
);
RecordKeys keys_of(const DecisionRecord& record);
/// As an earlier version made them, with domains as they were written: what is to be removed may stand so.
RecordKeys keys_as_written(const DecisionRecord& record);

/// The same reply with ` id=ID` as its last token.
SmtpReply with_id(SmtpReply reply, const RecordId& id);

}  // namespace wicket
