#include "server/visit_transaction.hpp"

#include <algorithm>
#include <utility>

namespace wicket {
namespace {

std::string text_fact(const Facts& facts, CoreFact fact) {
    const auto* text = std::get_if<std::string>(&facts.get(id_of(fact)));
    return text != nullptr ? *text : std::string();
}

}  // namespace

RecordRecipient record_of(const VisitRecipient& recipient) {
    RecordRecipient made{recipient.address, recipient.verdict, recipient.mailbox, nullptr};
    if (!recipient.deferrals && !recipient.greylist_age) return made;
    auto facts = std::make_shared<Facts>();
    if (recipient.deferrals) facts->set(id_of(CoreFact::deferred_envelope), *recipient.deferrals);
    if (recipient.greylist_age) facts->set(id_of(CoreFact::greylist_age), *recipient.greylist_age);
    made.facts = std::move(facts);
    return made;
}

void tell_recipients(VisitTransaction& transaction, const Verdict& verdict) {
    for (VisitRecipient& recipient : transaction.accepted) {
        if (recipient.verdict.action == Action::none) {
            recipient.verdict = verdict;
        } else if (recipient.verdict.action != verdict.action) {
            recipient.verdict.action = verdict.action;
            recipient.verdict.stage = verdict.stage;
            recipient.verdict.rule = verdict.rule;
        }
        recipient.verdict.reply = verdict.reply;
    }
}

std::string recipients_text(const VisitTransaction& transaction) {
    std::string text;
    for (const VisitRecipient& recipient : transaction.accepted)
        text += (text.empty() ? "" : ",") + recipient.address;
    return text;
}

DecisionRecord make_record(
    const VisitTransaction& transaction, const RecordContext& context, const ChainRun& run
) {
    DecisionRecord record;
    record.id = transaction.id;
    record.time = transaction.began;
    record.client_ip = context.peer.ip;
    record.client_port = context.peer.port;
    record.facts = run.recorded_facts();
    record.client_name = text_fact(record.facts, CoreFact::client_name);
    record.helo = context.helo;
    record.tls_version = context.tls.version;
    record.tls_cipher = context.tls.cipher;
    record.listener = context.listener;
    record.has_from = transaction.has_mail;
    record.from = transaction.from ? transaction.from->to_string() : std::string();
    record.size = transaction.size;
    record.message_sha256 = transaction.message_sha256;
    record.verdict = transaction.last_verdict;
    if (record.verdict.action == Action::none) record.verdict.stage = transaction.reached;
    record.reply = transaction.last_reply;
    record.is_open = transaction.is_open;
    record.quarantine = transaction.quarantine;
    for (const VisitRecipient& recipient : transaction.accepted)
        record.recipients.push_back(record_of(recipient));
    record.recipients.insert(record.recipients.end(), transaction.refused.begin(), transaction.refused.end());
    if (record.recipients.size() == 1) {
        const std::string& address = record.recipients.front().address;
        const std::size_t at = address.rfind('@');
        record.facts.set(id_of(CoreFact::rcpt_address), address);
        if (at != std::string::npos) record.facts.set(id_of(CoreFact::rcpt_domain), address.substr(at + 1));
    }
    record.lookups = run.lookups();
    record.scan_passes = run.scan_passes();
    for (const FilterEvent& event : run.events()) {
        const auto micros =
            std::chrono::duration_cast<std::chrono::microseconds>(event.time - context.connected).count();
        record.events.push_back(
            {static_cast<std::uint32_t>(std::clamp<std::int64_t>(micros, 0, UINT32_MAX)),
             event.stage,
             event.what}
        );
    }
    record.rules_hash = context.policy.rules->hash();
    record.policy_shadow = context.policy.config->is_policy_shadow;
    return record;
}

RecordKeys keys_of(const DecisionRecord& record) {
    RecordKeys keys;
    keys.client_ip = record.client_ip;
    keys.sender_domain = record.from.substr(std::min(record.from.size(), record.from.rfind('@') + 1));
    for (const RecordRecipient& recipient : record.recipients)
        keys.recipients.push_back(recipient.address);
    keys.rule = record.verdict.rule;
    keys.verdict = to_string(record.verdict.action);
    return keys;
}

SmtpReply with_id(SmtpReply reply, const RecordId& id) {
    reply.text += " id=" + id.to_string();
    return reply;
}

}  // namespace wicket
