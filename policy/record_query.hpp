// The query language of `log` and of whatever else reads records: terms that must all hold. A term is
// FIELD:PATTERN, such as verdict:reject from:*@x ip:192.0.2.0/24, or a comparison, such as score>5 or
// fact:message.size>1M; a `-` before it turns it round. Values; any thread.
#pragma once

#include "base/ip.hpp"
#include "policy/record.hpp"

#include <optional>
#include <string>
#include <vector>

namespace wicket {

class RecordQuery {
public:
    /// invalid, with a message and suggestion, for what is no term. `now` is what durations count back from.
    static Result<RecordQuery> parse(const std::vector<std::string>& terms, WallTime now);
    bool matches(const StoredRecord& stored) const;
    /// Nothing that began before matches.
    WallTime since() const;

private:
    enum class Field : std::uint8_t {
        verdict,
        from,
        to,
        ip,
        rule,
        helo,
        id,
        stage,
        fact,
        score,
        since,
        until
    };
    enum class Relation : std::uint8_t { like, equal, less, less_or_equal, greater, greater_or_equal };
    struct Term {
        Field field = Field::verdict;
        Relation relation = Relation::like;
        bool negated = false;
        std::string fact;                  // a glob over names of facts
        std::string pattern;               // a glob, or what a comparison is with
        std::optional<IpNetwork> network;  // of ip, unless that is a glob
        double number = 0;                 // of a comparison
        WallTime time{};                   // of since, until, and comparisons with times
    };
    static Result<Term> parse_term(std::string_view written, WallTime now);
    static Result<> complete(Term& term, WallTime now);
    static Result<> complete_fact(Term& term, WallTime now);
    static bool holds(const Term& term, const StoredRecord& stored);
    static bool any_fact_holds(const Term& term, const Facts& facts, const FactDictionary& dictionary);
    static bool compares(Relation relation, double value, double with);

    std::vector<Term> terms_;
};

}  // namespace wicket
