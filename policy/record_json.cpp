// The contract of `explain --json` and `log --json` (design section 8): these names and shapes are for ever.
#include "base/sha256.hpp"
#include "base/text.hpp"
#include "policy/json_line.hpp"
#include "policy/record.hpp"
#include "policy/transcript.hpp"

#include <boost/json/array.hpp>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <array>

namespace wicket {
namespace {

namespace json = boost::json;

/// JSON is UTF-8 (RFC 8259 section 8.1), what peers say need not be: other octets are shown as \xHH.
json::string utf8_json(std::string_view text) {
    json::string made;
    made.reserve(text.size());
    while (!text.empty()) {
        const std::size_t length = is_ascii(text.front()) ? 1 : utf8_length(text);
        if (length == 0) {
            made.append("\\x");
            made.append(to_hex(text.substr(0, 1)));
            text.remove_prefix(1);
        } else {
            made.append(text.substr(0, length));
            text.remove_prefix(length);
        }
    }
    return made;
}

json::array json_texts(const std::vector<std::string>& texts) {
    json::array made;
    for (const std::string& text : texts)
        made.push_back(utf8_json(text));
    return made;
}

json::value json_reply(const Verdict& verdict, const SmtpReply& reply) {
    if (verdict.action == Action::none && reply.text.empty()) return nullptr;
    return json::object{
        {"code",     reply.code               },
        {"enhanced", utf8_json(reply.enhanced)},
        {"text",     utf8_json(reply.text)    }
    };
}

json::array json_hits(const Verdict& verdict) {
    json::array made;
    for (const RuleHit& hit : verdict.hits) {
        json::object one{
            {"rule",   utf8_json(hit.rule)    },
            {"points", json_number(hit.points)},
            {"mode",   to_string(hit.mode)    }
        };
        if (hit.action != Action::none) one["action"] = to_string(hit.action);
        made.push_back(std::move(one));
    }
    return made;
}

struct ToJson {
    json::value operator()(const Absent&) const { return nullptr; }
    json::value operator()(const Unknown& value) const {
        return json::object{
            {"unknown", utf8_json(value.reason)}
        };
    }
    json::value operator()(bool value) const { return value; }
    json::value operator()(std::int64_t value) const { return value; }
    json::value operator()(double value) const { return value; }
    json::value operator()(const std::string& value) const { return utf8_json(value); }
    json::value operator()(const IpAddress& value) const { return json::string(value.to_string()); }
    json::value operator()(WallTime value) const { return json::string(to_rfc3339(value)); }
    json::value operator()(const TextList& list) const { return json_texts(list.items); }
    json::value operator()(const ResultList& list) const {
        json::array made;
        for (const ResultRow& row : list.rows) {
            json::object one;
            for (const auto& [name, value] : row)
                one[utf8_json(name)] = utf8_json(value);
            made.push_back(std::move(one));
        }
        return made;
    }
};

struct Incomplete {
    const std::string& why;
    bool is_empty;
};

std::optional<Incomplete> incomplete_list(const FactValue& value) {
    const auto* texts = std::get_if<TextList>(&value);
    if (texts != nullptr && !texts->missing.empty()) return Incomplete{texts->missing, texts->items.empty()};
    const auto* results = std::get_if<ResultList>(&value);
    if (results != nullptr && !results->missing.empty())
        return Incomplete{results->missing, results->rows.empty()};
    return std::nullopt;
}

/// Facts with their values; lists that are not complete are also noted in `incomplete`. Of one that is empty
/// as well nothing is known: [] is a list that was asked and had no hit.
json::object json_facts(const Facts& facts, const FactDictionary& dictionary, json::object& incomplete) {
    json::object made;
    for (std::size_t at = 0; at < facts.size() && at < dictionary.rows().size(); ++at) {
        const FactValue& value = facts.get(static_cast<FactId>(at));
        if (std::holds_alternative<Absent>(value)) continue;
        const json::string name = utf8_json(dictionary.rows()[at].name);
        made[name] = std::visit(ToJson{}, value);
        const auto list = incomplete_list(value);
        if (!list) continue;
        incomplete[name] = utf8_json(list->why);
        if (list->is_empty) made[name] = ToJson{}(Unknown{list->why});
    }
    return made;
}

/// As it was sent: with the id that every reply of the transaction ends with.
json::value json_told(const RecordRecipient& recipient, const SmtpReply& last) {
    SmtpReply told = recipient.verdict.reply;
    const std::size_t id = last.text.rfind(" id=");
    if (id != std::string::npos) told.text.append(last.text, id);
    return json_reply(recipient.verdict, told);
}

json::array json_recipients(const StoredRecord& stored, json::object& incomplete) {
    json::array made;
    for (const RecordRecipient& recipient : stored.record.recipients) {
        json::object one{
            {"address", utf8_json(recipient.address)},
            {"verdict", to_string(recipient.verdict.action)},
            {"rule", utf8_json(recipient.verdict.rule)},
            {"points", json_number(recipient.verdict.points)},
            {"hits", json_hits(recipient.verdict)},
            {"reply", json_told(recipient, stored.record.reply)},
            {"mailbox",
             recipient.mailbox.empty() ? json::value(nullptr) : json::value(utf8_json(recipient.mailbox))},
        };
        if (!recipient.verdict.unknown_rules.empty())
            one["unknown_rules"] = json_texts(recipient.verdict.unknown_rules);
        if (recipient.facts != nullptr)
            one["facts"] = json_facts(*recipient.facts, stored.dictionary, incomplete);
        made.push_back(std::move(one));
    }
    return made;
}

json::array json_dns(const std::vector<DnsLookup>& lookups) {
    json::array made;
    for (const DnsLookup& lookup : lookups) {
        json::array records;
        for (const std::string& record : lookup.answer.records) {
            records.push_back(utf8_json(record_to_text(lookup.question.type, record)));
        }
        json::object one{
            {"name",    utf8_json(lookup.question.name)},
            {"type",    to_string(lookup.question.type)},
            {"status",  to_string(lookup.answer.status)},
            {"records", std::move(records)             },
            {"ttl",     lookup.answer.ttl_seconds      },
            {"micros",  lookup.answer.micros           },
        };
        if (lookup.answer.is_authentic) one["authentic"] = true;
        if (!lookup.answer.reason.empty()) one["reason"] = utf8_json(lookup.answer.reason);
        made.push_back(std::move(one));
    }
    return made;
}

json::object json_client(const DecisionRecord& record) {
    json::value tls = nullptr;
    if (!record.tls_version.empty()) {
        tls = json::object{
            {"version", utf8_json(record.tls_version)},
            {"cipher",  utf8_json(record.tls_cipher) }
        };
    }
    const auto text_or_null = [](const std::string& text) {
        return text.empty() ? json::value(nullptr) : json::value(utf8_json(text));
    };
    return {
        {"ip",   is_client_known(record) ? json::value(record.client_ip.to_string()) : json::value(nullptr)},
        {"port", record.client_port                                                                        },
        {"name", text_or_null(record.client_name)                                                          },
        {"helo", text_or_null(record.helo)                                                                 },
        {"tls",  std::move(tls)                                                                            },
    };
}

json::array json_events(const DecisionRecord& record) {
    json::array made;
    for (const RecordEvent& event : record.events) {
        made.push_back(json::object{
            {"micros", event.micros          },
            {"stage",  to_string(event.stage)},
            {"what",   utf8_json(event.what) }
        });
    }
    return made;
}

/// A reply without text is the one that the record has.
json::array json_transcript(const DecisionRecord& record) {
    json::array made;
    for (TranscriptLine& line : parse_transcript(record.transcript)) {
        if (line.text.empty()) {
            const std::string whole = record.reply.to_wire();
            line.text = whole.substr(0, std::min(whole.find('\r'), transcript_line_octets));
        }
        made.push_back(json::object{
            {"ms", line.milliseconds},
            {"dir", std::string(1, static_cast<char>(line.speaker))},
            {"line", json_text(line.text)}
        });
    }
    return made;
}

json::value json_quarantine(const DecisionRecord& record) {
    switch (record.quarantine.state) {
        case RecordQuarantine::State::none: return nullptr;
        case RecordQuarantine::State::kept:
            return json::object{
                {"id", record.id.to_string()}
            };
        case RecordQuarantine::State::not_kept: break;
    }
    return json::object{
        {"id",     nullptr                             },
        {"reason", json_text(record.quarantine.why_not)}
    };
}

}  // namespace

json::value json_mark(const RecordMark& mark) {
    json::object made{
        {"by",   json_text(mark.by)   },
        {"time", to_rfc3339(mark.time)}
    };
    if (mark.what == "released")
        made["to"] = json_texts(mark.to);
    else
        made["label"] = mark.what;
    if (mark.again.empty()) return made;
    json::array again;
    for (const RecordMark& one : mark.again)
        again.push_back(json::object{
            {"by",   json_text(one.by)   },
            {"time", to_rfc3339(one.time)},
            {"to",   json_texts(one.to)  }
        });
    made["again"] = std::move(again);
    return made;
}

std::string json_text(std::string_view text) {
    const json::string made = utf8_json(text);
    return {made.data(), made.size()};
}

std::string record_to_json(const StoredRecord& stored, RecordJson form) {
    const DecisionRecord& record = stored.record;
    std::array<unsigned char, 16384> buffer;  // NOLINT: filled by the parser of objects, not read before
    json::monotonic_resource memory(buffer.data(), buffer.size());
    json::object incomplete(&memory);
    json::array to(&memory);
    for (const RecordRecipient& recipient : record.recipients)
        to.push_back(utf8_json(recipient.address));
    json::object made(&memory);
    made["id"] = record.id.to_string();
    made["time"] = to_rfc3339(record.time);
    made["verdict"] = to_string(record.verdict.action);
    made["stage"] = to_string(record.verdict.stage);
    made["rule"] = utf8_json(record.verdict.rule);
    made["reply"] = json_reply(record.verdict, record.reply);
    made["points"] = json_number(record.verdict.points);
    made["hits"] = json_hits(record.verdict);
    made["unknown_rules"] = json_texts(record.verdict.unknown_rules);
    made["client"] = json_client(record);
    made["listener"] = utf8_json(record.listener);
    made["from"] = record.has_from ? json::value(utf8_json(record.from)) : json::value(nullptr);
    made["to"] = std::move(to);
    made["size"] = record.size;
    made["recipients"] = json_recipients(stored, incomplete);
    made["facts"] = json_facts(record.facts, stored.dictionary, incomplete);
    if (!incomplete.empty()) made["incomplete"] = std::move(incomplete);
    if (form == RecordJson::full) made["dns"] = json_dns(record.lookups);
    made["events"] = json_events(record);
    made["transcript"] = json_transcript(record);
    if (record.transcript_left_out != 0) made["transcript_left_out"] = record.transcript_left_out;
    made["quarantine"] = json_quarantine(record);
    if (record.released) made["released"] = json_mark(*record.released);
    if (record.label) made["label"] = json_mark(*record.label);
    if (record.is_redacted) made["redacted"] = true;
    if (!record.message_sha256.empty()) made["message_sha256"] = to_hex(record.message_sha256);
    made["rules_hash"] = utf8_json(record.rules_hash);
    if (!record.rules_in_shadow.empty()) made["rules_in_shadow"] = json_texts(record.rules_in_shadow);
    made["policy_mode"] = record.policy_shadow ? "shadow" : "enforce";
    if (record.scan_passes != 0) made["scan_passes"] = record.scan_passes;
    if (record.is_open) made["open"] = true;
    if (record.folded_count > 1) {
        made["folded"] = json::object{
            {"count", record.folded_count           },
            {"last",  to_rfc3339(record.folded_last)}
        };
    }
    return json_line(made);
}

}  // namespace wicket
