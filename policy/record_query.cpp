#include "policy/record_query.hpp"

#include "base/config_reader.hpp"
#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "base/unicode_names.hpp"
#include "policy/named_list.hpp"
#include "policy/planned_facts.hpp"
#include "policy/time_text.hpp"

#include <algorithm>
#include <charconv>
#include <span>

namespace wicket {
namespace {

/// In the order of RecordQuery::Field.
const std::vector<std::string>& query_fields() {
    static const std::vector<std::string> names = {
        "verdict",
        "from",
        "to",
        "ip",
        "rule",
        "helo",
        "id",
        "stage",
        "fact",
        "score",
        "since",
        "until",
        "label",
        "released"
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

// Of label: and released:, beside patterns.
constexpr std::string_view without_label = "none";
constexpr std::string_view was_released = "yes";
constexpr std::string_view was_not_released = "no";

const std::vector<std::string>& labels() {
    static const std::vector<std::string> words = {"ham", "spam", std::string(without_label)};
    return words;
}

/// Whether somebody released it, who, or to whom.
bool is_released_so(const std::optional<RecordMark>& released, std::string_view pattern) {
    if (pattern == was_not_released) return !released;
    if (!released) return false;
    return pattern == was_released || matches_glob(pattern, released->by) ||
           std::ranges::any_of(
               released->again, [&](const RecordMark& one) { return matches_glob(pattern, one.by); }
           ) ||
           std::ranges::any_of(released->to, [&](const std::string& account) {
               return matches_glob(pattern, account);
           });
}

std::unexpected<Error> mistake(std::string message, std::string_view suggestion = {}) {
    if (!suggestion.empty()) message += "; did you mean \"" + std::string(suggestion) + "\"?";
    return failure(ErrorCode::invalid, std::move(message));
}

/// Words of a closed set are checked, so that a misspelt one does not silently find nothing.
Result<> check_word(std::string_view what, const std::string& word, const std::vector<std::string>& words) {
    const bool fits =
        std::ranges::any_of(words, [&](const std::string& one) { return matches_glob(word, one); });
    if (fits) return {};
    return mistake("unknown " + std::string(what) + " \"" + word + '"', nearest_word(word, words));
}

/// 5, -0.5, 64K, 2G, 1h (in seconds); nullopt for anything else.
std::optional<double> parse_number(std::string_view text) {
    double number = 0;
    const char* end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, number);
    if (read.ec == std::errc() && read.ptr == end) return number;
    if (const auto size = parse_size(text)) return static_cast<double>(*size);
    if (const auto duration = parse_duration(text)) return static_cast<double>(duration->count()) / 1000.0;
    return std::nullopt;
}

bool verdict_names_rule(const Verdict& verdict, std::string_view pattern) {
    if (matches_glob(pattern, verdict.rule)) return true;
    return std::ranges::any_of(verdict.hits, [&](const RuleHit& hit) {
        return matches_glob(pattern, hit.rule);
    });
}

double seconds_of(WallTime time) {
    return static_cast<double>(time.time_since_epoch().count()) / 1e6;
}

/// Label by label, since a glob is no name; a label that is none stays as it is.
std::string with_ascii_domain(std::string_view pattern) {
    const std::size_t at = pattern.rfind('@');
    std::size_t begin = at == std::string_view::npos ? 0 : at + 1;
    std::string ascii(pattern.substr(0, begin));
    while (true) {
        const std::size_t end = std::min(pattern.find('.', begin), pattern.size());
        const std::string_view label = pattern.substr(begin, end - begin);
        ascii += is_glob(label) ? std::string(label) : ascii_domain(label);
        if (end == pattern.size()) return ascii;
        ascii += '.';
        begin = end + 1;
    }
}

/// The names of block lists and pattern sets are those of their time, so any may have been.
bool may_have_been_a_fact(std::string_view name) {
    return name.starts_with("dnsbl.") || name.starts_with("pattern.");
}

}  // namespace

Result<> check_fact_name(const std::string& glob) {
    static const std::vector<std::string> names = [] {
        std::vector<std::string> known = FactDictionary().names();
        for (const PlannedFact& fact : planned_facts())
            known.emplace_back(fact.name);
        return known;
    }();
    return may_have_been_a_fact(glob) ? Result<>() : check_word("fact", glob, names);
}

Result<RecordQuery> RecordQuery::parse(const std::vector<std::string>& terms, WallTime now) {
    RecordQuery query;
    for (const std::string& written : terms) {
        auto term = parse_term(written, now);
        if (!term) return std::unexpected(term.error());
        query.terms_.push_back(std::move(*term));
    }
    return query;
}

Result<RecordQuery::Term> RecordQuery::parse_term(std::string_view written, WallTime now) {
    Term term;
    std::string_view rest = written;
    if (rest.starts_with('-')) {
        term.negated = true;
        rest.remove_prefix(1);
    }
    const std::size_t end = rest.find_first_of(":<>=");
    const std::string name = wicket::lower_case(rest.substr(0, end));
    const auto found = std::ranges::find(query_fields(), name);
    if (found == query_fields().end()) {
        const std::string near = nearest_word(name, query_fields());
        return mistake(
            "unknown term \"" + std::string(written) + "\"; terms are FIELD:PATTERN",
            near.empty() ? near : near + ":"
        );
    }
    term.field = static_cast<Field>(found - query_fields().begin());
    if (end == std::string_view::npos)
        return mistake("\"" + std::string(written) + "\" has no pattern", name + ":*");
    if (rest[end] != ':' && term.field != Field::score)
        return mistake("\"" + std::string(written) + "\": only score compares so", name + ":");
    term.pattern = rest.substr(rest[end] == ':' ? end + 1 : end);
    if (auto completed = complete(term, now); !completed) return std::unexpected(completed.error());
    return term;
}

Result<> RecordQuery::complete(Term& term, WallTime now) {
    switch (term.field) {
        case Field::verdict: return check_word("verdict", term.pattern, verdicts());
        case Field::stage: return check_word("stage", term.pattern, stages());
        case Field::fact: return complete_fact(term, now);
        case Field::from:
        case Field::to: term.ascii_pattern = with_ascii_domain(term.pattern); return {};
        case Field::label: return complete_label(term);
        case Field::released:
            if (const std::string lower = wicket::lower_case(term.pattern);
                lower == was_released || lower == was_not_released)
                term.pattern = lower;
            if (term.pattern.empty())
                return mistake("released: wants yes, no, or who released it or has got it", "released:yes");
            return {};
        case Field::ip:
            if (is_glob(term.pattern)) return {};
            term.network = IpNetwork::parse(term.pattern);
            if (term.network || term.pattern == "unknown") return {};
            return mistake(
                "\"" + term.pattern + "\" is no address and no network such as 192.0.2.0/24 (host bits zero)"
            );
        case Field::since:
        case Field::until: {
            const auto moment = parse_moment(term.pattern, now);
            if (!moment)
                return mistake(
                    "\"" + term.pattern + "\" is neither a duration such as 2h nor a date such as 2026-01-31"
                );
            term.time = *moment;
            return {};
        }
        case Field::score: {
            // Also score:5 and score:>5.
            if (term.pattern.find_first_of("<>=") != 0) term.pattern.insert(0, 1, '=');
            term.fact = "score";
            term.pattern = term.fact + term.pattern;
            return complete_fact(term, now);
        }
        default: return {};
    }
}

/// A pattern is about what labels there are; that there is none has a word of its own.
Result<> RecordQuery::complete_label(Term& term) {
    term.pattern = wicket::lower_case(term.pattern);
    if (auto checked = check_word("label", term.pattern, labels()); !checked) return checked;
    const bool is_word = term.pattern == without_label;
    if (is_word || matches_glob(term.pattern, "ham") || matches_glob(term.pattern, "spam")) return {};
    return mistake("label: has no pattern for those without one", "label:" + std::string(without_label));
}

/// NAME=PATTERN, NAME>NUMBER and the like.
Result<> RecordQuery::complete_fact(Term& term, WallTime now) {
    const std::size_t at = term.pattern.find_first_of("<>=");
    if (at == std::string::npos)
        return mistake(
            "fact: wants NAME=PATTERN or a comparison, such as fact:spf.result=fail or fact:message.size>1M"
        );
    const char sign = term.pattern[at];
    const bool is_or_equal = sign != '=' && term.pattern.substr(at + 1).starts_with('=');
    term.fact = term.pattern.substr(0, at);
    term.pattern.erase(0, at + (is_or_equal ? 2 : 1));
    if (sign == '<') term.relation = is_or_equal ? Relation::less_or_equal : Relation::less;
    if (sign == '>') term.relation = is_or_equal ? Relation::greater_or_equal : Relation::greater;
    if (term.field == Field::score && sign == '=') term.relation = Relation::equal;

    if (term.field == Field::fact)
        if (auto checked = check_fact_name(term.fact); !checked) return checked;
    static const FactDictionary core;
    if (term.relation == Relation::like) return {};
    const auto known = core.find(term.fact);
    const FactType type = known ? core.row(*known).type : FactType::real;
    if (type == FactType::time) {
        const auto moment = parse_moment(term.pattern, now);
        if (!moment) return mistake("\"" + term.pattern + "\" is neither a duration nor a date");
        term.number = seconds_of(*moment);
        return {};
    }
    if (type != FactType::real && type != FactType::integer)
        return mistake(term.fact + " is no number", "fact:" + term.fact + "=");
    const auto number = parse_number(term.pattern);
    if (!number) return mistake("\"" + term.pattern + "\" is no number");
    term.number = *number;
    return {};
}

bool RecordQuery::compares(Relation relation, double value, double with) {
    switch (relation) {
        case Relation::like:
        case Relation::equal: return value == with;
        case Relation::less: return value < with;
        case Relation::less_or_equal: return value <= with;
        case Relation::greater: return value > with;
        case Relation::greater_or_equal: return value >= with;
    }
    std::unreachable();
}

bool RecordQuery::any_fact_holds(const Term& term, const Facts& facts, const FactDictionary& dictionary) {
    for (std::size_t at = 0; at < facts.size() && at < dictionary.rows().size(); ++at) {
        const FactValue& value = facts.get(static_cast<FactId>(at));
        if (std::holds_alternative<Absent>(value) || !matches_glob(term.fact, dictionary.rows()[at].name))
            continue;
        if (term.relation != Relation::like) {
            const auto* integer = std::get_if<std::int64_t>(&value);
            const auto* real = std::get_if<double>(&value);
            const auto* time = std::get_if<WallTime>(&value);
            if ((integer != nullptr && compares(term.relation, static_cast<double>(*integer), term.number)) ||
                (real != nullptr && compares(term.relation, *real, term.number)) ||
                (time != nullptr && compares(term.relation, seconds_of(*time), term.number)))
                return true;
            continue;
        }
        const auto* list = std::get_if<TextList>(&value);
        if (list == nullptr ? matches_glob(term.pattern, fact_to_text(value))
                            : std::ranges::any_of(list->items, [&](const std::string& item) {
                                  return matches_glob(term.pattern, item);
                              })) {
            return true;
        }
    }
    return false;
}

bool RecordQuery::matches_address(const Term& term, const std::string& address) {
    if (matches_glob(term.pattern, address)) return true;
    // Nearly all of nearly every log: of what is ASCII there is but one spelling.
    if (std::ranges::all_of(address, is_ascii) && std::ranges::all_of(term.pattern, is_ascii)) return false;
    return matches_glob(term.ascii_pattern, ascii_domain_address(address));
}

bool RecordQuery::holds(const Term& term, const StoredRecord& stored) {
    const DecisionRecord& record = stored.record;
    const auto any_verdict = [&](auto test) {
        return test(record.verdict) ||
               std::ranges::any_of(record.recipients, test, &RecordRecipient::verdict);
    };
    switch (term.field) {
        case Field::verdict:
            return any_verdict([&](const Verdict& one) {
                return matches_glob(term.pattern, to_string(one.action));
            });
        case Field::from:
            return record.has_from &&
                   (matches_address(term, record.from) || (term.pattern == "<>" && record.from.empty()));
        case Field::to:
            return std::ranges::any_of(record.recipients, [&](const RecordRecipient& one) {
                return matches_address(term, one.address);
            });
        case Field::ip:
            if (!is_client_known(record)) return matches_glob(term.pattern, "unknown");
            return term.network ? term.network->contains(record.client_ip)
                                : matches_glob(term.pattern, record.client_ip.to_string());
        case Field::rule:
            return any_verdict([&](const Verdict& one) { return verdict_names_rule(one, term.pattern); });
        case Field::helo: return matches_glob(term.pattern, record.helo);
        case Field::id: {
            const std::string id = record.id.to_string();
            return is_glob(term.pattern) ? matches_glob(term.pattern, id)
                                         : starts_with_ignoring_case(id, term.pattern);
        }
        case Field::stage:
            return any_verdict([&](const Verdict& one) {
                return matches_glob(term.pattern, to_string(one.stage));
            });
        case Field::score:
            return any_verdict([&](const Verdict& one) {
                return compares(term.relation, one.points, term.number);
            });
        case Field::since: return record.time >= term.time;
        case Field::until: return record.time < term.time;
        case Field::label:
            if (term.pattern == without_label) return !record.label;
            return record.label && matches_glob(term.pattern, record.label->what);
        case Field::released: return is_released_so(record.released, term.pattern);
        case Field::fact:
            return any_fact_holds(term, record.facts, stored.dictionary) ||
                   std::ranges::any_of(record.recipients, [&](const RecordRecipient& one) {
                       return one.facts != nullptr && any_fact_holds(term, *one.facts, stored.dictionary);
                   });
    }
    std::unreachable();
}

bool RecordQuery::matches(const StoredRecord& stored) const {
    return std::ranges::all_of(terms_, [&](const Term& term) { return holds(term, stored) != term.negated; });
}

bool RecordQuery::is_about_marks(const Term& term) {
    return term.field == Field::label || term.field == Field::released;
}

bool RecordQuery::asks_for_marks() const {
    return std::ranges::any_of(terms_, is_about_marks);
}

bool RecordQuery::matches_but_for_marks(const StoredRecord& stored) const {
    return std::ranges::all_of(terms_, [&](const Term& term) {
        return is_about_marks(term) || holds(term, stored) != term.negated;
    });
}

WallTime RecordQuery::since() const {
    WallTime since{};
    for (const Term& term : terms_)
        if (term.field == Field::since && !term.negated) since = std::max(since, term.time);
    return since;
}

}  // namespace wicket
