// The query language of `log`: FIELD:PATTERN terms that must all hold; a `-` before a term turns it round.
#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "policy/named_list.hpp"
#include "policy/record.hpp"

#include <algorithm>

namespace wicket {
namespace {

const std::vector<std::string>& fields() {
    static const std::vector<std::string> names = {
        "verdict", "from", "to", "ip", "rule", "helo", "id", "stage", "fact"
    };
    return names;
}

const std::vector<std::string>& verdicts() {
    static const std::vector<std::string> words = {
        "none", "accept", "junk", "quarantine", "greylist", "defer", "discard", "reject", "disconnect"
    };
    return words;
}

const std::vector<std::string>& stages() {
    static const std::vector<std::string> words = {"connect", "helo", "mail", "rcpt", "data", "end"};
    return words;
}

std::unexpected<Error> mistake(std::string message, std::string_view suggestion) {
    if (!suggestion.empty()) message += "; did you mean \"" + std::string(suggestion) + "\"?";
    return failure(ErrorCode::invalid, std::move(message));
}

bool is_glob(std::string_view text) {
    return text.find_first_of("*?") != std::string_view::npos;
}

/// Words of a closed set are checked, so that a misspelt one does not silently find nothing.
Result<> check_word(std::string_view what, const std::string& word, const std::vector<std::string>& words) {
    const bool fits =
        std::ranges::any_of(words, [&](const std::string& one) { return matches_glob(word, one); });
    if (fits) return {};
    return mistake("unknown " + std::string(what) + " \"" + word + '"', nearest_word(word, words));
}

/// The names of block lists are those of their time, so any may have been.
Result<> check_fact_name(const std::string& name) {
    static const std::vector<std::string> names = [] {
        std::vector<std::string> known = FactDictionary().names();
        known.insert(known.end(), {"dmarc.result", "dmarc.policy", "arc.result", "arc.trusted"});
        return known;
    }();
    if (name.starts_with("dnsbl.")) return {};
    return check_word("fact", name, names);
}

Result<> check_pattern(const std::string& field, const std::string& pattern) {
    if (field == "verdict") return check_word("verdict", pattern, verdicts());
    if (field == "stage") return check_word("stage", pattern, stages());
    if (field == "ip" && !is_glob(pattern) && !IpNetwork::parse(pattern)) {
        return mistake(
            "\"" + pattern + "\" is no address and no network such as 192.0.2.0/24 (host bits zero)", {}
        );
    }
    if (field != "fact") return {};
    if (!pattern.contains('=')) return mistake("fact: wants NAME=PATTERN, such as fact:spf.result=fail", {});
    return check_fact_name(pattern.substr(0, pattern.find('=')));
}

bool verdict_names_rule(const Verdict& verdict, std::string_view pattern) {
    if (matches_glob(pattern, verdict.rule)) return true;
    return std::ranges::any_of(verdict.hits, [&](const RuleHit& hit) {
        return matches_glob(pattern, hit.rule);
    });
}

bool any_fact_matches(
    const Facts& facts, const FactDictionary& dictionary, std::string_view name, std::string_view pattern
) {
    for (std::size_t at = 0; at < facts.size() && at < dictionary.rows().size(); ++at) {
        const FactValue& value = facts.get(static_cast<FactId>(at));
        if (std::holds_alternative<Absent>(value) || !matches_glob(name, dictionary.rows()[at].name))
            continue;
        const auto* list = std::get_if<TextList>(&value);
        if (list == nullptr ? matches_glob(pattern, fact_to_text(value))
                            : std::ranges::any_of(list->items, [&](const std::string& item) {
                                  return matches_glob(pattern, item);
                              })) {
            return true;
        }
    }
    return false;
}

bool term_matches(const std::string& field, const std::string& pattern, const StoredRecord& stored) {
    const DecisionRecord& record = stored.record;
    const auto any_recipient = [&](auto test) { return std::ranges::any_of(record.recipients, test); };
    if (field == "verdict") {
        return matches_glob(pattern, to_string(record.verdict.action)) ||
               any_recipient([&](const RecordRecipient& one) {
                   return matches_glob(pattern, to_string(one.verdict.action));
               });
    }
    if (field == "from")
        return record.has_from &&
               (matches_glob(pattern, record.from) || (pattern == "<>" && record.from.empty()));
    if (field == "to") {
        return any_recipient([&](const RecordRecipient& one) { return matches_glob(pattern, one.address); });
    }
    if (field == "ip") {
        const auto network = IpNetwork::parse(pattern);
        if (!is_client_known(record)) return matches_glob(pattern, "unknown");
        return network ? network->contains(record.client_ip)
                       : matches_glob(pattern, record.client_ip.to_string());
    }
    if (field == "rule") {
        return verdict_names_rule(record.verdict, pattern) || any_recipient([&](const RecordRecipient& one) {
                   return verdict_names_rule(one.verdict, pattern);
               });
    }
    if (field == "helo") return matches_glob(pattern, record.helo);
    if (field == "id") {
        const std::string id = record.id.to_string();
        return is_glob(pattern) ? matches_glob(pattern, id) : starts_with_ignoring_case(id, pattern);
    }
    if (field == "stage") {
        return matches_glob(pattern, to_string(record.verdict.stage)) ||
               any_recipient([&](const RecordRecipient& one) {
                   return matches_glob(pattern, to_string(one.verdict.stage));
               });
    }
    const auto equals = pattern.find('=');
    const std::string_view name = std::string_view(pattern).substr(0, equals);
    const std::string_view value = std::string_view(pattern).substr(equals + 1);
    return any_fact_matches(record.facts, stored.dictionary, name, value) ||
           any_recipient([&](const RecordRecipient& one) {
               return one.facts != nullptr && any_fact_matches(*one.facts, stored.dictionary, name, value);
           });
}

}  // namespace

Result<RecordQuery> RecordQuery::parse(const std::vector<std::string>& terms) {
    RecordQuery query;
    for (const std::string& written : terms) {
        Term term;
        std::string_view rest = written;
        if (rest.starts_with('-')) {
            term.negated = true;
            rest.remove_prefix(1);
        }
        const auto colon = rest.find(':');
        term.field = wicket::lower_case(rest.substr(0, colon));
        if (std::ranges::find(fields(), term.field) == fields().end()) {
            const std::string near = nearest_word(term.field, fields());
            return mistake(
                "unknown term \"" + written + "\"; terms are FIELD:PATTERN", near.empty() ? near : near + ":"
            );
        }
        if (colon == std::string_view::npos)
            return mistake("\"" + written + "\" has no pattern", term.field + ":*");
        term.pattern = rest.substr(colon + 1);
        if (auto checked = check_pattern(term.field, term.pattern); !checked)
            return std::unexpected(checked.error());
        query.terms_.push_back(std::move(term));
    }
    return query;
}

bool RecordQuery::matches(const StoredRecord& stored) const {
    return std::ranges::all_of(terms_, [&](const Term& term) {
        return term_matches(term.field, term.pattern, stored) != term.negated;
    });
}

}  // namespace wicket
