// Octets of record.proto to the decision record, by the generated parser; every value is checked on its way
// in.
#include "base/sha256.hpp"
#include "policy/record.hpp"
#include "policy/record.pb.h"
#include "policy/record_names.hpp"
#include "policy/record_version.hpp"

#include <algorithm>
#include <google/protobuf/arena.h>
#include <limits>
#include <memory>
#include <stdexcept>
#include <utility>

namespace wicket {
namespace {

namespace pb = record_pb;

// A dictionary of a record holds no more: thousands of block lists are no installation of ours.
constexpr std::size_t facts_limit = 4096;

/// Caught in decode_record, the only one who calls these functions.
struct CorruptRecord {
    std::string what;
};

[[noreturn]] void corrupt(std::string what) {
    throw CorruptRecord{std::move(what)};
}

Stage to_stage(std::uint32_t number) {
    if (number >= stage_count) corrupt("a stage");
    return static_cast<Stage>(number);
}

Action to_action(std::uint32_t number) {
    if (number > static_cast<std::uint32_t>(Action::disconnect)) corrupt("an action");
    return static_cast<Action>(number);
}

RuleMode to_mode(std::uint32_t number) {
    if (number > static_cast<std::uint32_t>(RuleMode::off)) corrupt("a mode");
    return static_cast<RuleMode>(number);
}

IpAddress to_address(const std::string& octets) {
    const auto address = IpAddress::from_octets(octets);
    if (!address) corrupt("an address");
    return *address;
}

WallTime to_time(std::int64_t micros) {
    // Year 9999: beyond it a time has no RFC 3339 text.
    if (micros < 0 || micros > 253'402'300'799'999'999) corrupt("a time");
    return WallTime{std::chrono::microseconds{micros}};
}

double to_points(std::int64_t millipoints) {
    return static_cast<double>(millipoints) / 1000.0;
}

SmtpReply to_reply(const pb::Reply& stored) {
    if (stored.code() > 999) corrupt("a reply code");
    return {static_cast<int>(stored.code()), stored.enhanced(), stored.text()};
}

Verdict to_verdict(const pb::Verdict& stored) {
    Verdict verdict;
    verdict.action = to_action(stored.action());
    verdict.stage = to_stage(stored.stage());
    verdict.rule = stored.rule();
    verdict.reply = to_reply(stored.reply());
    verdict.points = to_points(stored.millipoints());
    for (const pb::Hit& hit : stored.hits()) {
        verdict.hits.push_back(
            {hit.rule(), to_points(hit.millipoints()), to_mode(hit.mode()), to_action(hit.action())}
        );
    }
    verdict.unknown_rules.assign(stored.unknown_rules().begin(), stored.unknown_rules().end());
    verdict.answer_now = stored.answer_now();
    for (const pb::Header& header : stored.added_headers()) {
        verdict.added_headers.emplace_back(header.name(), header.value());
    }
    return verdict;
}

ResultList to_results(const pb::Fact& stored) {
    ResultList list{.rows = {}, .missing = stored.missing()};
    for (const pb::Row& row : stored.rows()) {
        ResultRow& made = list.rows.emplace_back();
        for (const pb::Field& field : row.fields())
            made.emplace_back(field.name(), field.value());
    }
    return list;
}

FactValue to_value(const pb::Fact& stored, FactType type) {
    if (stored.is_unknown()) return Unknown{stored.unknown()};
    switch (type) {
        case FactType::boolean: return stored.integer() != 0;
        case FactType::integer: return stored.integer();
        case FactType::real: return stored.real();
        case FactType::text:
        case FactType::word: return stored.text();
        case FactType::address: return to_address(stored.text());
        case FactType::time: return to_time(stored.integer());
        case FactType::texts:
            return TextList{
                {stored.items().begin(), stored.items().end()},
                stored.missing()
            };
        case FactType::results: return to_results(stored);
    }
    corrupt("a fact's type");
}

/// The fact's id in the record's dictionary, which gets a row if it is new, and its type.
std::pair<FactId, FactType> read_name(const pb::Fact& stored, FactDictionary& dictionary) {
    std::string name = stored.name();
    FactType type = FactType::text;
    if (stored.known_name() != 0) {
        const RecordName* known = record_name(stored.known_name());
        if (known == nullptr) corrupt("a fact's number");
        name = known->name;
        type = known->type;
    } else {
        if (name.empty() || stored.type() == 0 ||
            stored.type() > static_cast<std::uint32_t>(FactType::results) + 1) {
            corrupt("a fact's name or type");
        }
        type = static_cast<FactType>(stored.type() - 1);
    }
    auto id = dictionary.find(name);
    if (!id) {
        if (dictionary.rows().size() >= facts_limit) corrupt("too many facts");
        id = dictionary.declare(
            {.name = name,
             .type = type,
             .stage = Stage::end,
             .filter = name.substr(0, name.find('.')),
             .meaning = {},
             .unknown_word = stored.is_unknown_word() ? stored.text() : std::string()}
        );
    }
    return {*id, type};
}

void read_fact(const pb::Fact& stored, FactDictionary& dictionary, Facts& facts) {
    const auto [id, type] = read_name(stored, dictionary);
    facts.set(id, to_value(stored, type));
}

DnsStatus to_status(std::uint32_t number) {
    if (number > static_cast<std::uint32_t>(DnsStatus::try_again)) corrupt("a DNS status");
    return static_cast<DnsStatus>(number);
}

/// What was kept apart, or why it is not there.
void take_answer(const std::string& name, const AnswerSource& answers, DnsAnswer& out) {
    const auto octets = answers ? answers(name) : failure(ErrorCode::not_found, "it was not looked up");
    pb::Answer stored;
    if (!octets || !stored.ParseFromString(*octets)) {
        out.status = DnsStatus::try_again;
        out.reason = octets ? "the answer that was kept is damaged" : "the answer is not kept any more";
        return;
    }
    out.status = to_status(stored.status());
    out.records.assign(stored.records().begin(), stored.records().end());
}

DnsLookup to_lookup(const pb::Lookup& stored, const AnswerSource& answers) {
    if (stored.type() > std::numeric_limits<std::uint16_t>::max()) corrupt("a DNS type");
    DnsLookup made{
        {stored.name(), static_cast<DnsType>(stored.type())},
        {to_status(stored.status()),
         {stored.records().begin(), stored.records().end()},
         stored.ttl_seconds(),
         stored.is_authentic(),
         stored.micros(),
         stored.reason()}
    };
    if (!stored.answer().empty()) take_answer(stored.answer(), answers, made.answer);
    return made;
}

/// What a recipient has of its own: a fact that says what the record's says is not told twice.
void read_own_facts(const pb::Recipient& stored, StoredRecord& made, RecordRecipient& recipient) {
    if (stored.facts().empty()) return;
    auto facts = std::make_shared<Facts>();
    bool has_own = false;
    for (const pb::Fact& fact : stored.facts()) {
        if (fact.is_absent()) {
            recipient.absent.push_back(read_name(fact, made.dictionary).first);
            continue;
        }
        read_fact(fact, made.dictionary, *facts);
    }
    for (FactId id = 0; id < facts->size(); ++id) {
        const FactValue& value = facts->get(id);
        if (std::holds_alternative<Absent>(value)) continue;
        if (value == made.record.facts.get(id))
            facts->set(id, Absent{});
        else
            has_own = true;
    }
    if (has_own || !recipient.absent.empty()) recipient.facts = std::move(facts);
}

void read_recipients(const pb::Record& stored, StoredRecord& made) {
    for (const pb::Recipient& recipient : stored.recipients()) {
        RecordRecipient& one = made.record.recipients.emplace_back();
        one.address = recipient.address();
        one.verdict = recipient.same_verdict() ? made.record.verdict : to_verdict(recipient.verdict());
        one.mailbox = recipient.mailbox();
        if (!recipient.facts_at_rcpt().empty()) {
            auto facts = std::make_shared<Facts>();
            for (const pb::Fact& fact : recipient.facts_at_rcpt())
                read_fact(fact, made.dictionary, *facts);
            one.facts_at_rcpt = std::move(facts);
        }
        read_own_facts(recipient, made, one);
    }
}

void read_head(const pb::Record& stored, DecisionRecord& record) {
    const auto id = RecordId::from_octets(stored.id());
    if (!id) corrupt("the id");
    record.id = *id;
    record.time = to_time(stored.time());
    record.client_ip = to_address(stored.client_ip());
    if (stored.client_port() > std::numeric_limits<std::uint16_t>::max()) corrupt("the client's port");
    record.client_port = static_cast<std::uint16_t>(stored.client_port());
    record.client_name = stored.client_name();
    record.helo = stored.helo();
    record.tls_version = stored.tls_version();
    record.tls_cipher = stored.tls_cipher();
    record.listener = stored.listener();
    record.from = stored.from();
    record.has_from = stored.has_from();
    record.size = stored.size();
    record.message_sha256 = stored.message_sha256();
    record.verdict = to_verdict(stored.verdict());
    record.reply = to_reply(stored.reply());
    if (stored.reply_extends_verdict()) {
        record.reply.code = record.verdict.reply.code;
        record.reply.enhanced = record.verdict.reply.enhanced;
        record.reply.text.insert(0, record.verdict.reply.text);
    }
    record.rules_hash = stored.rules_hash_is_text() ? stored.rules_hash() : to_hex(stored.rules_hash());
    record.policy_shadow = stored.policy_shadow();
    record.scan_passes = stored.scan_passes();
    record.folded_count = stored.folded_count();
    record.folded_last = to_time(stored.folded_last());
    record.is_open = stored.is_open();
    if (stored.quarantine() > static_cast<std::uint32_t>(RecordQuarantine::State::not_kept))
        corrupt("the state of the quarantine");
    record.quarantine.state = static_cast<RecordQuarantine::State>(stored.quarantine());
    record.quarantine.why_not = stored.quarantine_why_not();
    record.transcript = stored.transcript();
    record.transcript_left_out = stored.transcript_left_out();
    record.is_redacted = stored.is_redacted();
    record.is_late = stored.is_late();
    record.rules_in_shadow.assign(stored.rules_in_shadow().begin(), stored.rules_in_shadow().end());
}

}  // namespace

Facts facts_of(const DecisionRecord& record, const RecordRecipient& recipient) {
    Facts facts = record.facts;
    for (const FactId id : recipient.absent)
        facts.set(id, Absent{});
    if (recipient.facts == nullptr) return facts;
    for (std::size_t at = 0; at < recipient.facts->size(); ++at) {
        const FactValue& value = recipient.facts->get(static_cast<FactId>(at));
        if (!std::holds_alternative<Absent>(value)) facts.set(static_cast<FactId>(at), value);
    }
    return facts;
}

Result<StoredRecord> decode_record(std::string_view octets, const AnswerSource& answers) {
    if (octets.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
        return failure(ErrorCode::corrupt, "a decision record is too long");
    }
    google::protobuf::Arena arena;
    auto* stored = google::protobuf::Arena::CreateMessage<pb::Record>(&arena);
    if (!stored->ParseFromArray(octets.data(), static_cast<int>(octets.size()))) {
        return failure(ErrorCode::corrupt, "a decision record cannot be parsed");
    }
    if (stored->version() == 0 || stored->version() > record_version) {
        return failure(
            ErrorCode::corrupt,
            "a decision record of version " + std::to_string(stored->version()) +
                "; this program reads up to " + std::to_string(record_version)
        );
    }
    try {
        // Copied: making it anew takes longer than reading the record.
        static const FactDictionary core;
        StoredRecord made{.record = {}, .dictionary = core};
        read_head(*stored, made.record);
        for (const pb::Fact& fact : stored->facts())
            read_fact(fact, made.dictionary, made.record.facts);
        read_recipients(*stored, made);
        for (const pb::Lookup& lookup : stored->lookups())
            made.record.lookups.push_back(to_lookup(lookup, answers));
        for (const pb::Event& event : stored->events()) {
            made.record.events.push_back({event.micros(), to_stage(event.stage()), event.what()});
        }
        return made;
    } catch (const CorruptRecord& reason) {
        return failure(ErrorCode::corrupt, "a decision record makes no sense: " + reason.what);
    }
}

Result<StoredRecord> decode_record(const RecordOctets& octets) {
    return decode_record(
        octets.decision + octets.evidence,
        [&](std::string_view name) -> Result<std::string> {
            const auto found = std::ranges::find(octets.answers, name, &RecordAnswer::name);
            if (found == octets.answers.end()) return failure(ErrorCode::not_found, "no such answer");
            return found->octets;
        }
    );
}

}  // namespace wicket
