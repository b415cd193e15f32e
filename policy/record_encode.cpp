// The decision record to octets: record.proto, written by hand. record_decode.cpp reads it.
#include "base/sha256.hpp"
#include "policy/record.hpp"
#include "policy/record.pb.h"
#include "policy/record_names.hpp"
#include "policy/record_version.hpp"
#include "policy/wire_writer.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace wicket {
namespace {

namespace pb = record_pb;

// A shorter answer takes no more room than its name would.
constexpr std::size_t answer_apart_octets = 48;

std::int64_t to_millipoints(double points) {
    return std::llround(points * 1000);
}

void write_reply(WireWriter& out, int field, const SmtpReply& reply) {
    const std::size_t begun = out.begin(field);
    out.number(pb::Reply::kCodeFieldNumber, static_cast<std::uint64_t>(reply.code));
    out.octets(pb::Reply::kEnhancedFieldNumber, reply.enhanced);
    out.octets(pb::Reply::kTextFieldNumber, reply.text);
    out.end(begun);
}

void write_verdict(WireWriter& out, int field, const Verdict& verdict) {
    const std::size_t begun = out.begin(field);
    out.number(pb::Verdict::kActionFieldNumber, static_cast<std::uint64_t>(verdict.action));
    out.number(pb::Verdict::kStageFieldNumber, static_cast<std::uint64_t>(verdict.stage));
    out.octets(pb::Verdict::kRuleFieldNumber, verdict.rule);
    write_reply(out, pb::Verdict::kReplyFieldNumber, verdict.reply);
    out.signed_number(pb::Verdict::kMillipointsFieldNumber, to_millipoints(verdict.points));
    for (const RuleHit& hit : verdict.hits) {
        const std::size_t hit_begun = out.begin(pb::Verdict::kHitsFieldNumber);
        out.octets(pb::Hit::kRuleFieldNumber, hit.rule);
        out.signed_number(pb::Hit::kMillipointsFieldNumber, to_millipoints(hit.points));
        out.number(pb::Hit::kModeFieldNumber, static_cast<std::uint64_t>(hit.mode));
        out.number(pb::Hit::kActionFieldNumber, static_cast<std::uint64_t>(hit.action));
        out.end(hit_begun);
    }
    for (const std::string& rule : verdict.unknown_rules)
        out.element(pb::Verdict::kUnknownRulesFieldNumber, rule);
    out.number(pb::Verdict::kAnswerNowFieldNumber, verdict.answer_now ? 1 : 0);
    for (const auto& [name, value] : verdict.added_headers) {
        const std::size_t header_begun = out.begin(pb::Verdict::kAddedHeadersFieldNumber);
        out.octets(pb::Header::kNameFieldNumber, name);
        out.octets(pb::Header::kValueFieldNumber, value);
        out.end(header_begun);
    }
    out.end(begun);
}

/// The type under which a value is stored: the declared one, unless a filter set something else.
FactType stored_type(FactType declared, const FactValue& value) {
    using enum FactType;
    switch (value.index()) {
        case 2: return boolean;
        case 3: return integer;
        case 4: return real;
        case 5: return declared == word ? word : text;
        case 6: return address;
        case 7: return time;
        case 8: return texts;
        case 9: return results;
        default: return declared;
    }
}

struct FactValueWriter {
    WireWriter& out;

    void operator()(const Absent&) const {}
    void operator()(const Unknown& value) const {
        out.number(pb::Fact::kIsUnknownFieldNumber, 1);
        out.octets(pb::Fact::kUnknownFieldNumber, value.reason);
    }
    void operator()(bool value) const { out.signed_number(pb::Fact::kIntegerFieldNumber, value ? 1 : 0); }
    void operator()(std::int64_t value) const { out.signed_number(pb::Fact::kIntegerFieldNumber, value); }
    void operator()(double value) const { out.real(pb::Fact::kRealFieldNumber, value); }
    void operator()(const std::string& value) const { out.octets(pb::Fact::kTextFieldNumber, value); }
    void operator()(const IpAddress& value) const { out.octets(pb::Fact::kTextFieldNumber, value.octets()); }
    void operator()(WallTime value) const {
        out.signed_number(pb::Fact::kIntegerFieldNumber, value.time_since_epoch().count());
    }
    void operator()(const TextList& list) const {
        for (const std::string& item : list.items)
            out.element(pb::Fact::kItemsFieldNumber, item);
        out.octets(pb::Fact::kMissingFieldNumber, list.missing);
    }
    void operator()(const ResultList& list) const {
        for (const ResultRow& row : list.rows) {
            const std::size_t row_begun = out.begin(pb::Fact::kRowsFieldNumber);
            for (const auto& [name, value] : row) {
                const std::size_t field_begun = out.begin(pb::Row::kFieldsFieldNumber);
                out.octets(pb::Field::kNameFieldNumber, name);
                out.octets(pb::Field::kValueFieldNumber, value);
                out.end(field_begun);
            }
            out.end(row_begun);
        }
        out.octets(pb::Fact::kMissingFieldNumber, list.missing);
    }
};

void write_name(WireWriter& out, FactId id, const FactDeclaration& row, FactType type) {
    if (const std::uint32_t number = record_name_number(id, row, type)) {
        out.number(pb::Fact::kKnownNameFieldNumber, number);
    } else {
        out.octets(pb::Fact::kNameFieldNumber, row.name);
        out.number(pb::Fact::kTypeFieldNumber, static_cast<std::uint64_t>(type) + 1);
    }
}

void write_fact(WireWriter& out, int field, FactId id, const FactDeclaration& row, const FactValue& value) {
    const std::size_t begun = out.begin(field);
    const FactType type = stored_type(row.type, value);
    write_name(out, id, row, type);
    std::visit(FactValueWriter{out}, value);
    const bool is_unknown_word = std::holds_alternative<std::string>(value) && is_unknown(row, value);
    out.number(pb::Fact::kIsUnknownWordFieldNumber, is_unknown_word ? 1 : 0);
    out.end(begun);
}

void write_facts(
    WireWriter& out, int field, const Facts& facts, const FactDictionary& dictionary, const Facts* without
) {
    const std::size_t count = std::min(facts.size(), dictionary.rows().size());
    for (std::size_t at = 0; at < count; ++at) {
        const auto id = static_cast<FactId>(at);
        const FactValue& value = facts.get(id);
        if (std::holds_alternative<Absent>(value)) continue;
        if (without != nullptr && without->get(id) == value) continue;
        write_fact(out, field, id, dictionary.row(id), value);
    }
}

void write_answer(WireWriter& out, int status_field, int records_field, const DnsAnswer& answer) {
    out.number(status_field, static_cast<std::uint64_t>(answer.status));
    for (const std::string& record : answer.records)
        out.element(records_field, record);
}

void write_lookup(WireWriter& out, const DnsLookup& lookup, std::vector<RecordAnswer>& answers) {
    const std::size_t begun = out.begin(pb::Record::kLookupsFieldNumber);
    out.octets(pb::Lookup::kNameFieldNumber, lookup.question.name);
    out.number(pb::Lookup::kTypeFieldNumber, static_cast<std::uint64_t>(lookup.question.type));
    std::size_t octets = 0;
    for (const std::string& record : lookup.answer.records)
        octets += record.size();
    if (octets >= answer_apart_octets) {
        RecordAnswer apart;
        WireWriter writer(apart.octets);
        write_answer(writer, pb::Answer::kStatusFieldNumber, pb::Answer::kRecordsFieldNumber, lookup.answer);
        writer.finish();
        const Sha256 hash = sha256_of(apart.octets);
        apart.name.assign(reinterpret_cast<const char*>(hash.data()), answer_name_octets);
        out.octets(pb::Lookup::kAnswerFieldNumber, apart.name);
        answers.push_back(std::move(apart));
    } else {
        write_answer(out, pb::Lookup::kStatusFieldNumber, pb::Lookup::kRecordsFieldNumber, lookup.answer);
    }
    out.number(pb::Lookup::kTtlSecondsFieldNumber, lookup.answer.ttl_seconds);
    out.number(pb::Lookup::kIsAuthenticFieldNumber, lookup.answer.is_authentic ? 1 : 0);
    out.number(pb::Lookup::kMicrosFieldNumber, lookup.answer.micros);
    out.octets(pb::Lookup::kReasonFieldNumber, lookup.answer.reason);
    out.end(begun);
}

void write_facts_at_rcpt(
    WireWriter& out,
    const RecordRecipient& recipient,
    const DecisionRecord& record,
    const FactDictionary& dictionary
) {
    const Facts& then = *recipient.facts_at_rcpt;
    for (FactId id = 0; id < then.size(); ++id) {
        const FactValue& value = then.get(id);
        const bool is_own =
            recipient.facts != nullptr && !std::holds_alternative<Absent>(recipient.facts->get(id));
        const FactValue& later = is_own ? recipient.facts->get(id) : record.facts.get(id);
        if (!std::holds_alternative<Absent>(value) && value != later)
            write_fact(out, pb::Recipient::kFactsAtRcptFieldNumber, id, dictionary.row(id), value);
    }
}

void write_recipient(
    WireWriter& out,
    const RecordRecipient& recipient,
    const DecisionRecord& record,
    const FactDictionary& dictionary
) {
    const std::size_t begun = out.begin(pb::Record::kRecipientsFieldNumber);
    out.octets(pb::Recipient::kAddressFieldNumber, recipient.address);
    if (recipient.verdict == record.verdict)
        out.number(pb::Recipient::kSameVerdictFieldNumber, 1);
    else
        write_verdict(out, pb::Recipient::kVerdictFieldNumber, recipient.verdict);
    out.octets(pb::Recipient::kMailboxFieldNumber, recipient.mailbox);
    if (recipient.facts != nullptr) {
        write_facts(out, pb::Recipient::kFactsFieldNumber, *recipient.facts, dictionary, &record.facts);
    }
    if (recipient.facts_at_rcpt != nullptr) write_facts_at_rcpt(out, recipient, record, dictionary);
    for (const FactId id : recipient.absent) {
        const std::size_t absent_begun = out.begin(pb::Recipient::kFactsFieldNumber);
        const FactDeclaration& row = dictionary.row(id);
        write_name(out, id, row, row.type);
        out.number(pb::Fact::kIsAbsentFieldNumber, 1);
        out.end(absent_begun);
    }
    out.end(begun);
}

/// The reply as sent is usually that of the verdict with the id behind it.
void write_sent_reply(WireWriter& out, const DecisionRecord& record) {
    const SmtpReply& verdict = record.verdict.reply;
    const bool extends = record.reply.code == verdict.code && record.reply.enhanced == verdict.enhanced &&
                         record.reply.text.starts_with(verdict.text);
    if (!extends) {
        write_reply(out, pb::Record::kReplyFieldNumber, record.reply);
        return;
    }
    const std::size_t begun = out.begin(pb::Record::kReplyFieldNumber);
    out.octets(pb::Reply::kTextFieldNumber, std::string_view(record.reply.text).substr(verdict.text.size()));
    out.end(begun);
    out.number(pb::Record::kReplyExtendsVerdictFieldNumber, 1);
}

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void write_rules_hash(WireWriter& out, const std::string& hash) {
    std::array<char, 32> octets{};
    bool is_hexadecimal = hash.size() == 2 * octets.size();
    for (std::size_t at = 0; is_hexadecimal && at < octets.size(); ++at) {
        const int high = hex_value(hash[2 * at]);
        const int low = hex_value(hash[2 * at + 1]);
        is_hexadecimal = high >= 0 && low >= 0;
        octets[at] = static_cast<char>(high * 16 + low);
    }
    if (is_hexadecimal) {
        out.octets(pb::Record::kRulesHashFieldNumber, {octets.data(), octets.size()});
        return;
    }
    out.octets(pb::Record::kRulesHashFieldNumber, hash);
    out.number(pb::Record::kRulesHashIsTextFieldNumber, 1);
}

void encode_decision(std::string& octets, const DecisionRecord& record, const FactDictionary& dictionary) {
    WireWriter out(octets);
    out.number(pb::Record::kVersionFieldNumber, record_version);
    const auto& id = record.id.octets();
    out.octets(pb::Record::kIdFieldNumber, {reinterpret_cast<const char*>(id.data()), id.size()});
    out.signed_number(pb::Record::kTimeFieldNumber, record.time.time_since_epoch().count());
    out.octets(pb::Record::kClientIpFieldNumber, record.client_ip.octets());
    out.number(pb::Record::kClientPortFieldNumber, record.client_port);
    out.octets(pb::Record::kClientNameFieldNumber, record.client_name);
    out.octets(pb::Record::kHeloFieldNumber, record.helo);
    out.octets(pb::Record::kTlsVersionFieldNumber, record.tls_version);
    out.octets(pb::Record::kTlsCipherFieldNumber, record.tls_cipher);
    out.octets(pb::Record::kListenerFieldNumber, record.listener);
    out.octets(pb::Record::kFromFieldNumber, record.from);
    out.number(pb::Record::kHasFromFieldNumber, record.has_from ? 1 : 0);
    out.number(pb::Record::kSizeFieldNumber, record.size);
    write_verdict(out, pb::Record::kVerdictFieldNumber, record.verdict);
    write_sent_reply(out, record);
    for (const RecordRecipient& recipient : record.recipients)
        write_recipient(out, recipient, record, dictionary);
    write_facts(out, pb::Record::kFactsFieldNumber, record.facts, dictionary, nullptr);
    write_rules_hash(out, record.rules_hash);
    out.number(pb::Record::kPolicyShadowFieldNumber, record.policy_shadow ? 1 : 0);
    out.number(pb::Record::kFoldedCountFieldNumber, record.folded_count);
    out.signed_number(pb::Record::kFoldedLastFieldNumber, record.folded_last.time_since_epoch().count());
    out.number(pb::Record::kIsOpenFieldNumber, record.is_open ? 1 : 0);
    for (const std::string& rule : record.rules_in_shadow)
        out.element(pb::Record::kRulesInShadowFieldNumber, rule);
    out.number(pb::Record::kIsLateFieldNumber, record.is_late ? 1 : 0);
    out.number(pb::Record::kQuarantineFieldNumber, static_cast<std::uint64_t>(record.quarantine.state));
    out.octets(pb::Record::kQuarantineWhyNotFieldNumber, record.quarantine.why_not);
    out.number(pb::Record::kIsRedactedFieldNumber, record.is_redacted ? 1 : 0);
    out.finish();
}

void encode_evidence(RecordOctets& octets, const DecisionRecord& record) {
    WireWriter out(octets.evidence);
    out.octets(pb::Record::kMessageSha256FieldNumber, record.message_sha256);
    for (const DnsLookup& lookup : record.lookups)
        write_lookup(out, lookup, octets.answers);
    for (const RecordEvent& event : record.events) {
        const std::size_t begun = out.begin(pb::Record::kEventsFieldNumber);
        out.number(pb::Event::kMicrosFieldNumber, event.micros);
        out.number(pb::Event::kStageFieldNumber, static_cast<std::uint64_t>(event.stage));
        out.octets(pb::Event::kWhatFieldNumber, event.what);
        out.end(begun);
    }
    out.number(pb::Record::kScanPassesFieldNumber, record.scan_passes);
    out.octets(pb::Record::kTranscriptFieldNumber, record.transcript);
    out.number(pb::Record::kTranscriptLeftOutFieldNumber, record.transcript_left_out);
    out.finish();
}

}  // namespace

RecordOctets encode_record(const DecisionRecord& record, const FactDictionary& dictionary) {
    RecordOctets octets;
    encode_decision(octets.decision, record, dictionary);
    encode_evidence(octets, record);
    return octets;
}

}  // namespace wicket
