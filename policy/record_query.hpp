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

/// What a term pins down: every record that matches has one of these values there.
struct QueryPin {
    enum class What : std::uint8_t { network, sender_domain, recipient, rule, label, release };
    What what;
    std::vector<std::string> values = {};  // of label and release none: whatever has one may match
};

/// Ids that may match: from `first` on, and before `end` if there is one.
struct QueryIds {
    RecordId first;
    std::optional<RecordId> end = {};
};

/// invalid, with a suggestion, for a glob that no name of a fact can match.
Result<> check_fact_name(const std::string& glob);

class RecordQuery {
public:
    /// invalid, with a message and suggestion, for what is no term. `now` is what durations count back from.
    static Result<RecordQuery> parse(const std::vector<std::string>& terms, WallTime now);
    bool matches(const StoredRecord& stored) const;
    /// No terms: everything matches.
    bool is_empty() const { return terms_.empty(); }
    /// Whether there are terms about what people did since (label, released), which a record has only once
    /// somebody has put it in.
    bool asks_for_marks() const;
    /// What all other terms say.
    bool matches_but_for_marks(const StoredRecord& stored) const;
    /// Nothing that began before matches.
    WallTime since() const;
    /// The same by since:, until: and the beginning of an id.
    QueryIds ids() const;
    /// What is pinned down by terms that are not turned round.
    std::vector<QueryPin> pins() const;

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
        until,
        label,
        released
    };
    enum class Relation : std::uint8_t { like, equal, less, less_or_equal, greater, greater_or_equal };
    struct Term {
        Field field = Field::verdict;
        Relation relation = Relation::like;
        bool negated = false;
        std::string fact;                  // a glob over names of facts
        std::string pattern;               // a glob, or what a comparison is with
        std::string ascii_pattern;         // of from and to: the same with its domain in A-labels
        std::optional<IpNetwork> network;  // of ip, unless that is a glob
        double number = 0;                 // of a comparison
        WallTime time{};                   // of since, until, and comparisons with times
    };
    static Result<Term> parse_term(std::string_view written, WallTime now);
    static Result<> complete(Term& term, WallTime now);
    static Result<> complete_label(Term& term);
    /// However the domains of the two are written.
    static bool matches_address(const Term& term, const std::string& address);
    static Result<> complete_fact(Term& term, WallTime now);
    static bool holds(const Term& term, const StoredRecord& stored);
    static bool is_about_marks(const Term& term);
    static std::vector<std::string> spellings_of(const Term& term);
    static std::optional<QueryPin> pin_of(const Term& term);
    static bool any_fact_holds(const Term& term, const Facts& facts, const FactDictionary& dictionary);
    static bool compares(Relation relation, double value, double with);

    std::vector<Term> terms_;
};

}  // namespace wicket
