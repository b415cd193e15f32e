#include "policy/record_facts.hpp"

#include "base/text.hpp"
#include "policy/time_text.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <optional>
#include <utility>

namespace wicket {
namespace {

namespace json = boost::json;

std::string_view octets_of(const json::string& text) {
    return {text.data(), text.size()};
}

std::optional<std::string> text_of(const json::value& value) {
    if (!value.is_string()) return std::nullopt;
    return std::string(octets_of(value.get_string()));
}

std::optional<FactValue> read_texts(const json::value& value) {
    if (!value.is_array()) return std::nullopt;
    TextList list;
    for (const json::value& item : value.get_array()) {
        auto text = text_of(item);
        if (!text) return std::nullopt;
        list.items.push_back(std::move(*text));
    }
    return list;
}

std::optional<FactValue> read_results(const json::value& value) {
    if (!value.is_array()) return std::nullopt;
    ResultList list;
    for (const json::value& row : value.get_array()) {
        if (!row.is_object()) return std::nullopt;
        ResultRow& made = list.rows.emplace_back();
        for (const auto& [key, field] : row.get_object()) {
            auto text = text_of(field);
            if (!text) return std::nullopt;
            made.emplace_back(std::string(key), std::move(*text));
        }
    }
    return list;
}

std::optional<FactValue> read_scalar(FactType type, const json::value& value) {
    switch (type) {
        case FactType::boolean:
            return value.is_bool() ? std::optional<FactValue>(value.get_bool()) : std::nullopt;
        case FactType::integer:
            return value.is_int64() ? std::optional<FactValue>(value.get_int64()) : std::nullopt;
        case FactType::real:
            return value.is_number() ? std::optional<FactValue>(value.to_number<double>()) : std::nullopt;
        default: break;
    }
    auto text = text_of(value);
    if (!text) return std::nullopt;
    if (type == FactType::address) {
        const auto address = IpAddress::parse(*text);
        return address ? std::optional<FactValue>(*address) : std::nullopt;
    }
    if (type == FactType::time) {
        const auto time = parse_time(*text);
        return time ? std::optional<FactValue>(*time) : std::nullopt;
    }
    return FactValue(std::move(*text));
}

std::optional<FactValue> read_value(FactType type, const json::value& value) {
    if (value.is_object()) {
        const auto* reason = value.get_object().if_contains("unknown");
        if (reason == nullptr || !reason->is_string()) return std::nullopt;
        return Unknown{std::string(octets_of(reason->get_string()))};
    }
    if (type == FactType::texts) return read_texts(value);
    if (type == FactType::results) return read_results(value);
    return read_scalar(type, value);
}

/// A list of which nothing is known is shown as unknown.
void mark_incomplete(FactValue& value, FactType type, const json::object* incomplete, std::string_view name) {
    const auto* missing = incomplete != nullptr ? incomplete->if_contains(name) : nullptr;
    if (missing == nullptr || !missing->is_string()) return;
    if (std::holds_alternative<Unknown>(value)) {
        if (type == FactType::texts) value = TextList{};
        if (type == FactType::results) value = ResultList{};
    }
    if (auto* texts = std::get_if<TextList>(&value)) texts->missing = octets_of(missing->get_string());
    if (auto* results = std::get_if<ResultList>(&value)) results->missing = octets_of(missing->get_string());
}

void read_facts(
    const json::object& facts,
    const json::object* incomplete,
    const FactDictionary& dictionary,
    RecordedFacts& out
) {
    for (const auto& [key, value] : facts) {
        const std::string_view name(key.data(), key.size());
        const auto fact = dictionary.find(name);
        auto made = fact ? read_value(dictionary.row(*fact).type, value) : std::nullopt;
        if (!made) {
            out.left_out.emplace_back(name);
            continue;
        }
        mark_incomplete(*made, dictionary.row(*fact).type, incomplete, name);
        out.facts.set(*fact, std::move(*made));
    }
}

const json::object* object_at(const json::object& object, std::string_view key) {
    const auto* found = object.if_contains(key);
    return found != nullptr ? found->if_object() : nullptr;
}

/// The one of that address; nullptr with an empty `address` if there is none.
Result<const json::object*> recipient_of(const json::object& record, std::string_view address) {
    const auto* found = record.if_contains("recipients");
    const auto* all = found != nullptr ? found->if_array() : nullptr;
    std::vector<const json::object*> matching;
    std::string known;
    const json::array none;
    const json::array& candidates = all != nullptr ? *all : none;
    for (const json::value& one : candidates) {
        const auto* recipient = one.if_object();
        const auto* name = recipient != nullptr ? recipient->if_contains("address") : nullptr;
        if (name == nullptr || !name->is_string()) continue;
        known += (known.empty() ? "" : ", ") + std::string(octets_of(name->get_string()));
        if (address.empty() || equal_ignoring_case(octets_of(name->get_string()), address))
            matching.push_back(recipient);
    }
    if (matching.empty() && address.empty()) return nullptr;
    if (matching.empty())
        return failure(
            ErrorCode::invalid,
            "the record has no recipient " + std::string(address) + (known.empty() ? "" : ", but " + known)
        );
    if (address.empty() && matching.size() > 1)
        return failure(ErrorCode::invalid, "the record has several recipients: choose one of " + known);
    return matching.front();
}

/// A record of several recipients has the address of each beside its facts.
void add_address(const json::object& recipient, Facts& facts) {
    const std::string address(octets_of(recipient.at("address").get_string()));
    const auto at = address.rfind('@');
    const auto add = [&facts](CoreFact fact, std::string value) {
        if (std::holds_alternative<Absent>(facts.get(id_of(fact)))) facts.set(id_of(fact), std::move(value));
    };
    add(CoreFact::rcpt_address, address);
    if (at == std::string::npos) return;
    add(CoreFact::rcpt_domain, address.substr(at + 1));
    add(CoreFact::rcpt_local_part, address.substr(0, at));
}

}  // namespace

Result<RecordedFacts> facts_from_record(
    std::string_view json, std::string_view recipient, const FactDictionary& dictionary
) {
    if (json.size() > record_file_limit_octets) return failure(ErrorCode::invalid, "too long for a record");
    boost::system::error_code error;
    const json::value parsed = json::parse({json.data(), json.size()}, error);
    if (error) return failure(ErrorCode::invalid, "no JSON: " + error.message());
    const json::object* record = parsed.if_object();
    const json::object* facts = record != nullptr ? object_at(*record, "facts") : nullptr;
    if (facts == nullptr) return failure(ErrorCode::invalid, "no record: it has no \"facts\"");
    const json::object* incomplete = object_at(*record, "incomplete");
    auto chosen = recipient_of(*record, recipient);
    if (!chosen) return std::unexpected(std::move(chosen.error()));
    RecordedFacts made;
    read_facts(*facts, incomplete, dictionary, made);
    const json::object* own = *chosen != nullptr ? object_at(**chosen, "facts") : nullptr;
    if (own != nullptr) read_facts(*own, incomplete, dictionary, made);
    if (*chosen != nullptr) add_address(**chosen, made.facts);
    return made;
}

}  // namespace wicket
