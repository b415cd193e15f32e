#include "policy/recorded_decision.hpp"

#include "policy/record.pb.h"
#include "policy/record_names.hpp"
#include "policy/record_version.hpp"
#include "policy/wire_reader.hpp"

#include <algorithm>
#include <utility>

namespace wicket {
namespace {

namespace pb = record_pb;

// More than any transaction can have: 1,000 at most are accepted, and 100 refused ones are recorded.
constexpr std::size_t recipients_limit = 4096;

constexpr std::size_t fact_types = static_cast<std::size_t>(FactType::results) + 1;

bool is_textual_type(FactType type) {
    return type == FactType::text || type == FactType::word;
}

/// A rule compiled for text is not shown a number.
bool fits(FactType declared, FactType stored) {
    return declared == stored || (is_textual_type(declared) && is_textual_type(stored));
}

ResultRow read_row(std::string_view octets, bool& is_good) {
    ResultRow row;
    WireReader fields(octets);
    while (fields.next()) {
        if (fields.field() != pb::Row::kFieldsFieldNumber) continue;
        auto& [name, value] = row.emplace_back();
        WireReader field(fields.octets());
        while (field.next()) {
            if (field.field() == pb::Field::kNameFieldNumber) name = field.octets();
            if (field.field() == pb::Field::kValueFieldNumber) value = field.octets();
        }
        is_good &= field.is_good();
    }
    is_good &= fields.is_good();
    return row;
}

/// One fact as it stands in the octets; views into them.
struct RawFact {
    std::uint64_t number = 0;
    std::string_view name;
    std::uint64_t type = 0;
    std::string_view unknown;
    bool is_unknown = false;
    bool is_absent = false;
    std::int64_t integer = 0;
    double real = 0;
    std::string_view text;
    std::string_view missing;
};

bool read_raw(std::string_view octets, RawFact& out) {
    WireReader fields(octets);
    while (fields.next()) {
        switch (fields.field()) {
            case pb::Fact::kKnownNameFieldNumber: out.number = fields.number(); break;
            case pb::Fact::kNameFieldNumber: out.name = fields.octets(); break;
            case pb::Fact::kTypeFieldNumber: out.type = fields.number(); break;
            case pb::Fact::kUnknownFieldNumber: out.unknown = fields.octets(); break;
            case pb::Fact::kIsUnknownFieldNumber: out.is_unknown = fields.number() != 0; break;
            case pb::Fact::kIsAbsentFieldNumber: out.is_absent = fields.number() != 0; break;
            case pb::Fact::kIntegerFieldNumber: out.integer = fields.signed_number(); break;
            case pb::Fact::kRealFieldNumber: out.real = fields.real(); break;
            case pb::Fact::kTextFieldNumber: out.text = fields.octets(); break;
            case pb::Fact::kMissingFieldNumber: out.missing = fields.octets(); break;
            default: break;
        }
    }
    return fields.is_good();
}

bool read_value(const RawFact& raw, FactType type, std::string_view octets, FactValue& out) {
    bool is_good = true;
    switch (type) {
        case FactType::boolean: out = raw.integer != 0; break;
        case FactType::integer: out = raw.integer; break;
        case FactType::real: out = raw.real; break;
        case FactType::text:
        case FactType::word: out.emplace<std::string>(raw.text); break;
        case FactType::address: {
            const auto address = IpAddress::from_octets(raw.text);
            if (!address) return false;
            out = *address;
            break;
        }
        case FactType::time: out = WallTime{std::chrono::microseconds{raw.integer}}; break;
        case FactType::texts: {
            auto& list = out.emplace<TextList>();
            list.missing = raw.missing;
            WireReader fields(octets);
            while (fields.next())
                if (fields.field() == pb::Fact::kItemsFieldNumber) list.items.emplace_back(fields.octets());
            break;
        }
        case FactType::results: {
            auto& list = out.emplace<ResultList>();
            list.missing = raw.missing;
            WireReader fields(octets);
            while (fields.next())
                if (fields.field() == pb::Fact::kRowsFieldNumber)
                    list.rows.push_back(read_row(fields.octets(), is_good));
            break;
        }
    }
    return is_good;
}

struct RawVerdict {
    std::uint64_t action = 0;
    std::uint64_t stage = 0;
    std::string_view rule;
};

bool read_raw(std::string_view octets, RawVerdict& out) {
    WireReader fields(octets);
    while (fields.next()) {
        switch (fields.field()) {
            case pb::Verdict::kActionFieldNumber: out.action = fields.number(); break;
            case pb::Verdict::kStageFieldNumber: out.stage = fields.number(); break;
            case pb::Verdict::kRuleFieldNumber: out.rule = fields.octets(); break;
            default: break;
        }
    }
    return fields.is_good() && out.action <= static_cast<std::uint64_t>(Action::disconnect) &&
           out.stage < stage_count;
}

template <class Judged>
void set_verdict(Judged& out, const RawVerdict& raw) {
    out.action = static_cast<Action>(raw.action);
    out.stage = static_cast<Stage>(raw.stage);
    out.rule = raw.rule;
}

std::unexpected<Error> newer_record(std::uint64_t version) {
    return failure(
        ErrorCode::corrupt,
        "a decision record of version " + std::to_string(version) + "; this program reads up to " +
            std::to_string(record_version)
    );
}

std::unexpected<Error> corrupt_record(std::string_view what) {
    return failure(ErrorCode::corrupt, "a decision record makes no sense: " + std::string(what));
}

}  // namespace

bool RecordedDecision::took_message() const {
    return !std::holds_alternative<Absent>(facts.get(id_of(CoreFact::message_size)));
}

DecisionReader::DecisionReader(const FactDictionary& dictionary) : DecisionReader(dictionary, nullptr) {}

DecisionReader::DecisionReader(const FactDictionary& dictionary, const std::vector<FactId>& wanted)
    : DecisionReader(dictionary, &wanted) {}

DecisionReader::DecisionReader(const FactDictionary& dictionary, const std::vector<FactId>* wanted) {
    const auto is_wanted = [wanted](FactId id) {
        return wanted == nullptr || std::ranges::find(*wanted, id) != wanted->end();
    };
    for (std::uint32_t number = 1; const RecordName* known = record_name(number); ++number) {
        const auto id = dictionary.find(known->name);
        const bool is_read = id && is_wanted(*id) && fits(dictionary.row(*id).type, known->type);
        by_number_.push_back({is_read ? *id : no_fact, known->type});
    }
    for (std::size_t at = 0; at < dictionary.rows().size(); ++at) {
        const FactDeclaration& row = dictionary.rows()[at];
        const auto id = static_cast<FactId>(at);
        if (is_wanted(id)) by_name_.emplace(row.name, Target{id, row.type});
    }
}

std::optional<DecisionReader::Target> DecisionReader::target_of(
    std::uint64_t number, std::string_view name, std::uint64_t type
) const {
    if (number != 0) {
        const Target& known = by_number_[static_cast<std::size_t>(number - 1)];
        if (known.id == no_fact) return std::nullopt;
        return known;
    }
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) return std::nullopt;
    const auto stored = static_cast<FactType>(type - 1);
    if (!fits(found->second.type, stored)) return std::nullopt;
    return Target{found->second.id, stored};
}

bool DecisionReader::is_unwanted(std::string_view octets) const {
    WireReader fields(octets);
    if (!fields.next() || fields.field() != pb::Fact::kKnownNameFieldNumber) return false;
    const std::uint64_t number = fields.number();
    return number != 0 && number <= by_number_.size() && by_number_[number - 1].id == no_fact;
}

bool DecisionReader::read_fact(std::string_view octets, Facts& facts) const {
    if (is_unwanted(octets)) return true;
    RawFact raw;
    if (!read_raw(octets, raw)) return false;
    const bool is_named = raw.number != 0 ? raw.number <= by_number_.size()
                                          : !raw.name.empty() && raw.type != 0 && raw.type <= fact_types;
    if (!is_named) return false;
    const auto target = target_of(raw.number, raw.name, raw.type);
    if (!target) return true;  // nobody asks for it
    FactValue value;
    if (raw.is_unknown)
        value = Unknown{std::string(raw.unknown)};
    else if (!raw.is_absent && !read_value(raw, target->type, octets, value))
        return false;
    facts.set(target->id, std::move(value));
    return true;
}

bool DecisionReader::read_recipient(
    std::string_view octets, RecordedRecipient& out, const RecordedDecision& record
) const {
    out.has_own_facts = false;
    out.address.clear();
    set_verdict(out, {});
    bool has_same_verdict = false;
    bool is_good = true;
    std::vector<std::string_view> at_rcpt;
    WireReader fields(octets);
    while (fields.next()) {
        switch (fields.field()) {
            case pb::Recipient::kAddressFieldNumber: out.address = fields.octets(); break;
            case pb::Recipient::kSameVerdictFieldNumber: has_same_verdict = fields.number() != 0; break;
            case pb::Recipient::kVerdictFieldNumber: {
                RawVerdict raw;
                is_good &= read_raw(fields.octets(), raw);
                if (is_good) set_verdict(out, raw);
                break;
            }
            case pb::Recipient::kFactsFieldNumber:
                if (!std::exchange(out.has_own_facts, true)) out.own_facts = record.facts;
                is_good &= read_fact(fields.octets(), out.own_facts);
                break;
            case pb::Recipient::kFactsAtRcptFieldNumber: at_rcpt.push_back(fields.octets()); break;
            default: break;
        }
    }
    // What else it was decided by at RCPT is what it has of its own: its address, and all that is absent.
    out.differs_at_rcpt = !at_rcpt.empty();
    if (out.differs_at_rcpt) out.facts_at_rcpt = out.facts(record.facts);
    for (const std::string_view fact : at_rcpt)
        is_good &= read_fact(fact, out.facts_at_rcpt);
    if (has_same_verdict) {
        out.action = record.action;
        out.stage = record.stage;
        out.rule = record.rule;
    }
    return is_good && fields.is_good();
}

Result<> DecisionReader::read(std::string_view octets, RecordedDecision& out) const {
    out.facts.clear();
    out.rules_in_shadow.clear();
    out.has_from = out.policy_shadow = out.is_open = out.is_late = false;
    out.rules_hash.clear();
    set_verdict(out, {});
    std::vector<std::string_view> recipients;
    std::uint64_t version = 0;
    bool is_good = true;
    bool has_text_hash = false;
    WireReader fields(octets);
    while (is_good && fields.next()) {
        switch (fields.field()) {
            case pb::Record::kVersionFieldNumber:
                version = fields.number();
                if (version > record_version) return newer_record(version);
                break;
            case pb::Record::kIdFieldNumber: {
                const auto id = RecordId::from_octets(fields.octets());
                is_good = id.has_value();
                if (id) out.id = *id;
                break;
            }
            case pb::Record::kTimeFieldNumber:
                out.time = WallTime{std::chrono::microseconds{fields.signed_number()}};
                break;
            case pb::Record::kHasFromFieldNumber: out.has_from = fields.number() != 0; break;
            case pb::Record::kVerdictFieldNumber: {
                RawVerdict raw;
                is_good = read_raw(fields.octets(), raw);
                if (is_good) set_verdict(out, raw);
                break;
            }
            case pb::Record::kRecipientsFieldNumber: recipients.push_back(fields.octets()); break;
            case pb::Record::kFactsFieldNumber: is_good = read_fact(fields.octets(), out.facts); break;
            case pb::Record::kRulesHashFieldNumber: out.rules_hash = fields.octets(); break;
            case pb::Record::kRulesHashIsTextFieldNumber: has_text_hash = fields.number() != 0; break;
            case pb::Record::kPolicyShadowFieldNumber: out.policy_shadow = fields.number() != 0; break;
            case pb::Record::kIsOpenFieldNumber: out.is_open = fields.number() != 0; break;
            case pb::Record::kRulesInShadowFieldNumber:
                out.rules_in_shadow.emplace_back(fields.octets());
                break;
            case pb::Record::kIsLateFieldNumber: out.is_late = fields.number() != 0; break;
            default: break;
        }
    }
    if (!is_good || !fields.is_good() || version == 0) return corrupt_record("its fields");
    if (has_text_hash) out.rules_hash.clear();
    if (recipients.size() > recipients_limit) return corrupt_record("too many recipients");
    // They stand before the facts that theirs are added to.
    out.recipients.resize(recipients.size());
    for (std::size_t at = 0; at < recipients.size(); ++at)
        if (!read_recipient(recipients[at], out.recipients[at], out)) return corrupt_record("a recipient");
    return {};
}

}  // namespace wicket
