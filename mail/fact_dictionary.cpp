#include "mail/fact_dictionary.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <utility>

namespace wicket {
namespace {

struct CoreRow {
    CoreFact fact;
    std::string_view name;
    FactType type;
    Stage stage;
    std::string_view filter;
    std::string_view meaning;
    std::string_view words = {
    };  // separated by spaces; of a field its own words behind `=`, or `#`: a number
    std::string_view unknown_word = {};
};

// RFC 8601 section 2.7.2 and RFC 7208 section 2.6; iprev: RFC 8601 section 2.7.3.
constexpr std::string_view spf_words = "pass fail softfail neutral none temperror permerror";
constexpr std::string_view iprev_words = "pass fail permerror temperror";
constexpr std::string_view helo_forms = "fqdn bare literal address malformed";
// RFC 5322 section 3.6: the fields that must stand once, and those that may stand once at most.
constexpr std::string_view required_fields = "date from";
constexpr std::string_view singular_fields =
    "date from sender reply-to to cc bcc message-id in-reply-to references subject";

// Those of FromFault (mail/from.hpp).
constexpr std::string_view from_faults =
    "missing several_fields empty several_authors ambiguous route malformed too_many";

// The results are those of RFC 8601 section 2.7.1 but for none, which is what a message without signatures
// has.
constexpr std::string_view dkim_fields =
    "domain selector result=pass|fail|policy|neutral|temperror|permerror reason algorithm key_bits=#";

using enum FactType;
using enum CoreFact;

// clang-format off
constexpr std::array core_rows = {
    CoreRow{time_now, "time.now", time, Stage::connect, "smtp", "when the connection was accepted"},
    CoreRow{client_ip, "client.ip", address, Stage::connect, "smtp",
        "the client's address, after PROXY or XCLIENT"},
    CoreRow{client_port, "client.port", integer, Stage::connect, "smtp", "the client's port"},
    CoreRow{client_name, "client.name", text, Stage::connect, "iprev",
        "the reverse name that leads back to the client's address, or the NAME of XCLIENT; absent if there is none"},
    CoreRow{client_tls, "client.tls", text, Stage::connect, "smtp",
        "the version of TLS, such as TLSv1.3; absent without TLS"},
    CoreRow{client_cipher, "client.cipher", text, Stage::connect, "smtp",
        "the cipher suite of TLS; absent without TLS"},
    CoreRow{listener_service, "listener.service", word, Stage::connect, "smtp",
        "the service of the listener", "smtp submission submissions lmtp"},
    CoreRow{listener_address, "listener.address", address, Stage::connect, "smtp",
        "our address that the client connected to"},
    CoreRow{iprev_result, "iprev.result", word, Stage::connect, "iprev",
        "whether a reverse name of the client leads back to it", iprev_words, "temperror"},
    CoreRow{iprev_names, "iprev.names", texts, Stage::connect, "iprev",
        "all reverse names of the client, confirmed or not"},
    CoreRow{helo_name, "helo.name", text, Stage::helo, "smtp", "the argument of EHLO or HELO"},
    CoreRow{helo_form, "helo.form", word, Stage::helo, "helo",
        "what the argument of EHLO or HELO looks like", helo_forms},
    CoreRow{helo_is_ours, "helo.is_ours", boolean, Stage::helo, "helo",
        "a client from outside gives our own name, or the address it connected to, as its own"},
    CoreRow{helo_resolves, "helo.resolves", boolean, Stage::helo, "helo",
        "the name given with EHLO or HELO has an address or MX record; absent for a literal"},
    CoreRow{helo_literal_matches, "helo.literal_matches", boolean, Stage::helo, "helo",
        "the address literal given with EHLO or HELO is the client's; absent for a name"},
    CoreRow{mail_from, "mail.from", text, Stage::mail, "smtp",
        "the envelope sender; empty for the null reverse-path"},
    CoreRow{mail_domain, "mail.domain", text, Stage::mail, "smtp",
        "the domain of the envelope sender; absent for the null reverse-path"},
    CoreRow{mail_is_null, "mail.is_null", boolean, Stage::mail, "smtp",
        "the envelope sender is the null reverse-path of a bounce"},
    CoreRow{mail_size, "mail.size", integer, Stage::mail, "smtp",
        "the size in octets that SIZE announced; absent without SIZE"},
    CoreRow{mail_smtputf8, "mail.smtputf8", boolean, Stage::mail, "smtp", "MAIL carried SMTPUTF8"},
    CoreRow{spf_result, "spf.result", word, Stage::mail, "spf",
        "SPF of the envelope sender's domain, or of postmaster@HELO for a bounce", spf_words, "temperror"},
    CoreRow{spf_explanation, "spf.explanation", text, Stage::mail, "spf",
        "the explanation that the domain publishes for SPF fail; absent without one"},
    CoreRow{spf_helo_result, "spf.helo.result", word, Stage::helo, "spf",
        "SPF of the name given with EHLO or HELO", spf_words, "temperror"},
    CoreRow{rcpt_address, "rcpt.address", text, Stage::rcpt, "smtp", "the envelope recipient"},
    CoreRow{rcpt_domain, "rcpt.domain", text, Stage::rcpt, "smtp", "the domain of the envelope recipient"},
    CoreRow{rcpt_local_part, "rcpt.local_part", text, Stage::rcpt, "smtp",
        "the local part of the envelope recipient, unquoted"},
    CoreRow{rcpt_count, "rcpt.count", integer, Stage::rcpt, "smtp",
        "how many recipients were asked for in this transaction, this one included"},
    CoreRow{rcpt_unknown_count, "rcpt.unknown_count", integer, Stage::rcpt, "smtp",
        "how many recipients of this connection did not exist"},
    CoreRow{message_size, "message.size", integer, Stage::end, "message",
        "the size of the message in octets"},
    CoreRow{message_received_count, "message.received_count", integer, Stage::end, "message",
        "how many Received fields the message has"},
    CoreRow{from_domain, "from.domain", text, Stage::end, "message",
        "the domain of the From field's address; absent unless there is exactly one"},
    CoreRow{from_count, "from.count", integer, Stage::end, "message",
        "how many addresses the From fields hold"},
    CoreRow{from_addresses, "from.addresses", texts, Stage::end, "message",
        "the addresses of the From field"},
    CoreRow{header_missing, "header.missing", texts, Stage::end, "message",
        "required header fields that are missing (RFC 5322 section 3.6)", required_fields},
    CoreRow{header_duplicate, "header.duplicate", texts, Stage::end, "message",
        "header fields that stand more than once and must not (RFC 5322 section 3.6)", singular_fields},
    CoreRow{header_too_long_line, "header.too_long_line", boolean, Stage::end, "message",
        "a line of the message is longer than 998 octets (RFC 5322 section 2.1.1)"},
    CoreRow{dkim_pass, "dkim.pass", texts, Stage::end, "dkim",
        "domains (d=) of which a DKIM signature verified"},
    CoreRow{dkim_results, "dkim.results", results, Stage::end, "dkim",
        "every DKIM signature and what came of it", dkim_fields},
    CoreRow{dkim_signatures, "dkim.signatures", integer, Stage::end, "dkim",
        "how many DKIM-Signature fields the message has"},
    CoreRow{dkim_weak, "dkim.weak", texts, Stage::end, "dkim",
        "domains not in dkim.pass whose signature verified but is weak: a key under 1024 bits, or l= before the end"},
    CoreRow{message_poisonous, "message.poisonous", boolean, Stage::end, "dkim",
        "the message has crashed three fresh scan workers"},
    CoreRow{client_behaviour, "client.behaviour", texts, Stage::connect, "smtp",
        "what the session noticed", "early_talker unauthorised_pipelining http"},
    CoreRow{deferred_envelope, "deferred.envelope", integer, Stage::rcpt, "smtp",
        "how often this network, sender and recipient were deferred for an unknown fact before; absent unless asked"},
    CoreRow{deferred_message, "deferred.message", integer, Stage::end, "smtp",
        "how often this network, envelope and message were deferred for an unknown fact before; absent unless asked"},
    CoreRow{spf_permits_all, "spf.permits_all", boolean, Stage::mail, "spf",
        "the record that lets the sender pass lets every address pass (+all); absent unless spf.result is pass"},
    CoreRow{from_fault, "from.fault", word, Stage::end, "message",
        "why the message has no single author; absent if it has one", from_faults},
    CoreRow{greylist_age, "greylist.age", integer, Stage::rcpt, "smtp",
        "seconds since this network, sender and recipient were greylisted first; absent if never, or unless asked"},
};
// clang-format on

constexpr bool stand_in_order() {
    for (std::size_t at = 0; at < core_rows.size(); ++at) {
        if (static_cast<std::size_t>(core_rows[at].fact) != at) return false;
    }
    return core_rows.size() == static_cast<std::size_t>(CoreFact::count);
}
static_assert(stand_in_order(), "every CoreFact has its row, in the order of the enum");

std::vector<std::string> split(std::string_view words, char separator = ' ') {
    std::vector<std::string> items;
    while (!words.empty()) {
        const std::size_t end = std::min(words.find(separator), words.size());
        items.emplace_back(words.substr(0, end));
        words.remove_prefix(std::min(end + 1, words.size()));
    }
    return items;
}

/// Takes what stands behind `=` out of the words.
std::vector<ResultField> fields_of(std::vector<std::string>& words) {
    std::vector<ResultField> fields;
    for (std::string& word : words) {
        const std::size_t equals = word.find('=');
        if (equals == std::string::npos) continue;
        const std::string known = word.substr(equals + 1);
        word.resize(equals);
        ResultField& field = fields.emplace_back(ResultField{.name = word});
        field.is_number = known == "#";
        if (!field.is_number) field.words = split(known, '|');
    }
    return fields;
}

void append_item(std::string& text, std::string_view separator, std::string_view item) {
    if (!text.empty()) text += separator;
    text += item;
}

std::string list_to_text(std::string text, std::string_view missing) {
    if (!missing.empty()) append_item(text, " ", fmt::format("(incomplete: {})", missing));
    return text;
}

struct ToText {
    std::string operator()(const Absent&) const { return {}; }
    std::string operator()(const Unknown& value) const { return fmt::format("unknown ({})", value.reason); }
    std::string operator()(bool value) const { return value ? "true" : "false"; }
    std::string operator()(std::int64_t value) const { return fmt::to_string(value); }
    std::string operator()(double value) const { return fmt::to_string(value); }
    std::string operator()(const std::string& value) const { return value; }
    std::string operator()(const IpAddress& value) const { return value.to_string(); }
    std::string operator()(WallTime value) const { return to_rfc3339(value); }
    std::string operator()(const TextList& list) const {
        std::string text;
        for (const std::string& item : list.items)
            append_item(text, ", ", item);
        return list_to_text(std::move(text), list.missing);
    }
    std::string operator()(const ResultList& list) const {
        std::string text;
        for (const ResultRow& row : list.rows) {
            std::string fields;
            for (const auto& [name, value] : row)
                append_item(fields, " ", fmt::format("{}={}", name, value));
            append_item(text, "; ", fields);
        }
        return list_to_text(std::move(text), list.missing);
    }
};

}  // namespace

std::string_view to_string(FactType type) {
    switch (type) {
        case boolean: return "boolean";
        case integer: return "integer";
        case real: return "real";
        case text: return "text";
        case word: return "word";
        case address: return "address";
        case time: return "time";
        case texts: return "list of text";
        case results: return "list of results";
    }
    std::unreachable();
}

FactDictionary::FactDictionary() {
    rows_.reserve(core_rows.size());
    for (const CoreRow& row : core_rows) {
        std::vector<std::string> words = split(row.words);
        std::vector<ResultField> fields = fields_of(words);
        declare(
            {.name = std::string(row.name),
             .type = row.type,
             .stage = row.stage,
             .filter = std::string(row.filter),
             .meaning = std::string(row.meaning),
             .words = std::move(words),
             .unknown_word = std::string(row.unknown_word),
             .fields = std::move(fields)}
        );
    }
}

std::optional<FactId> FactDictionary::declare(FactDeclaration declaration) {
    const auto id = static_cast<FactId>(rows_.size());
    if (!by_name_.emplace(declaration.name, id).second) return std::nullopt;
    rows_.push_back(std::move(declaration));
    return id;
}

std::optional<FactId> FactDictionary::find(std::string_view name) const {
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) return std::nullopt;
    return found->second;
}

std::vector<std::string> FactDictionary::names() const {
    std::vector<std::string> names;
    names.reserve(rows_.size());
    for (const FactDeclaration& row : rows_)
        names.push_back(row.name);
    return names;
}

bool is_unknown(const FactDeclaration& row, const FactValue& value) {
    if (std::holds_alternative<Unknown>(value)) return true;
    const auto* word_value = std::get_if<std::string>(&value);
    return word_value != nullptr && !row.unknown_word.empty() && *word_value == row.unknown_word;
}

FactValue unknown_value(const FactDeclaration& row, std::string reason) {
    if (row.unknown_word.empty()) return Unknown{std::move(reason)};
    return row.unknown_word;
}

std::string fact_to_text(const FactValue& value) {
    return std::visit(ToText{}, value);
}

}  // namespace wicket
