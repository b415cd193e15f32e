#include "server/visit_transaction.hpp"

#include "base/unicode_names.hpp"
#include "policy/transaction_outcome.hpp"

#include <algorithm>
#include <utility>

namespace wicket {
namespace {

/// What an accepted recipient's decision knew beside the facts of the message.
Facts own_facts(const VisitTransaction& transaction, const VisitRecipient& recipient) {
    Facts facts;
    facts.set(id_of(CoreFact::rcpt_address), recipient.address);
    facts.set(id_of(CoreFact::rcpt_domain), recipient.domain);
    facts.set(id_of(CoreFact::rcpt_local_part), recipient.local_part);
    facts.set(id_of(CoreFact::rcpt_count), static_cast<std::int64_t>(transaction.asked_count));
    facts.set(id_of(CoreFact::rcpt_unknown_count), static_cast<std::int64_t>(transaction.unknown_recipients));
    if (recipient.deferrals) facts.set(id_of(CoreFact::deferred_envelope), *recipient.deferrals);
    if (recipient.greylist_age) facts.set(id_of(CoreFact::greylist_age), *recipient.greylist_age);
    return facts;
}

/// Of the facts of a recipient that was refused earlier: which of the record's did not apply then. What is
/// known only later is of no interest.
void note_absent(RecordRecipient& recipient, const Facts& recorded, const FactDictionary& dictionary) {
    for (FactId id = 0; id < recorded.size(); ++id) {
        const bool is_absent = std::holds_alternative<Absent>(recipient.facts->get(id));
        const bool is_recorded = !std::holds_alternative<Absent>(recorded.get(id));
        if (is_absent && is_recorded && dictionary.row(id).stage <= recipient.verdict.stage)
            recipient.absent.push_back(id);
    }
}

/// Of the only recipient there is, the facts are the record's.
void take_over_facts(DecisionRecord& record) {
    const RecordRecipient& recipient = record.recipients.front();
    if (recipient.facts == nullptr) {
        const std::size_t at = recipient.address.rfind('@');
        record.facts.set(id_of(CoreFact::rcpt_address), recipient.address);
        if (at != std::string::npos)
            record.facts.set(id_of(CoreFact::rcpt_domain), recipient.address.substr(at + 1));
        return;
    }
    for (const CoreFact fact :
         {CoreFact::rcpt_address,
          CoreFact::rcpt_domain,
          CoreFact::rcpt_local_part,
          CoreFact::rcpt_count,
          CoreFact::rcpt_unknown_count,
          CoreFact::deferred_envelope,
          CoreFact::greylist_age})
        record.facts.set(id_of(fact), recipient.facts->get(id_of(fact)));
}

std::string text_fact(const Facts& facts, CoreFact fact) {
    const auto* text = std::get_if<std::string>(&facts.get(id_of(fact)));
    return text != nullptr ? *text : std::string();
}

/// A skipped check is told in the timeline; its facts stay, so that a replay without the rule has them.
void note_skipped(const RuleSet& rules, DecisionRecord& record) {
    const std::uint32_t micros = record.events.empty() ? 0 : record.events.back().micros;
    std::vector<std::string> told;
    const auto note = [&](const Verdict& verdict) {
        for (const auto& [check, rule] : skipped_checks(rules, verdict)) {
            std::string what = check + ": skipped by rule " + rule;
            if (std::ranges::find(told, what) != told.end()) continue;
            told.push_back(what);
            record.events.push_back({micros, verdict.stage, std::move(what)});
        }
    };
    note(record.verdict);
    for (const RecordRecipient& recipient : record.recipients)
        note(recipient.verdict);
}

}  // namespace

RecordRecipient record_of(const VisitRecipient& recipient, Facts facts) {
    return {
        recipient.address, recipient.verdict, recipient.mailbox, std::make_shared<Facts>(std::move(facts))
    };
}

void tell_recipients(VisitTransaction& transaction, const Verdict& verdict) {
    for (VisitRecipient& recipient : transaction.accepted)
        tell(recipient.verdict, verdict);
}

std::vector<const Verdict*> verdicts_of(const std::vector<VisitRecipient>& recipients) {
    std::vector<const Verdict*> verdicts;
    for (const VisitRecipient& recipient : recipients)
        verdicts.push_back(&recipient.verdict);
    return verdicts;
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
    for (const VisitRecipient& recipient : transaction.accepted) {
        record.recipients.push_back(record_of(recipient, own_facts(transaction, recipient)));
        record.recipients.back().facts_at_rcpt = recipient.at_rcpt;
    }
    record.recipients.insert(record.recipients.end(), transaction.refused.begin(), transaction.refused.end());
    if (record.recipients.size() == 1) take_over_facts(record);
    for (std::size_t at = transaction.accepted.size(); at < record.recipients.size(); ++at)
        if (record.recipients[at].facts)
            note_absent(record.recipients[at], record.facts, *context.policy.dictionary);
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
    note_skipped(*context.policy.rules, record);
    record.rules_hash = context.policy.rules->hash();
    record.policy_shadow = context.policy.config->is_policy_shadow;
    record.is_late = context.is_late;
    record.rules_in_shadow = context.policy.rules_in_shadow;
    return record;
}

RecordKeys keys_as_written(const DecisionRecord& record) {
    RecordKeys keys;
    keys.client_ip = record.client_ip;
    keys.sender_domain = record.from.substr(std::min(record.from.size(), record.from.rfind('@') + 1));
    for (const RecordRecipient& recipient : record.recipients)
        keys.recipients.push_back(recipient.address);
    return keys;
}

RecordKeys keys_of(const DecisionRecord& record) {
    RecordKeys keys = keys_as_written(record);
    keys.sender_domain = ascii_domain(keys.sender_domain);
    for (std::string& recipient : keys.recipients)
        recipient = ascii_domain_address(recipient);
    keys.rule = record.verdict.rule;
    const auto add_hits = [&keys](const Verdict& verdict) {
        if (verdict.rule != keys.rule && !verdict.rule.empty()) keys.hits.push_back(verdict.rule);
        for (const RuleHit& hit : verdict.hits)
            keys.hits.push_back(hit.rule);
    };
    add_hits(record.verdict);
    for (const RecordRecipient& recipient : record.recipients)
        add_hits(recipient.verdict);
    std::ranges::sort(keys.hits);
    const auto repeated = std::ranges::unique(keys.hits);
    keys.hits.erase(repeated.begin(), repeated.end());
    keys.verdict = to_string(record.verdict.action);
    return keys;
}

SmtpReply with_id(SmtpReply reply, const RecordId& id) {
    reply.text += " id=" + id.to_string();
    return reply;
}

}  // namespace wicket
