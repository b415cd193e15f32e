// check_host() of RFC 7208: libspf2 evaluates, but only behind a gate, for bare it is neither safe nor right.
// The gate checks every record against the grammar, decides ip4 and ip6, expands the macros, counts over the
// whole evaluation, and hands libspf2 a short record of place holders in which nothing is left that a sender
// wrote. DNS by replay: answers come from a table, what is missing is noted, and the evaluation is run again.
// One thread per evaluator.
#pragma once

#include "base/ip.hpp"
#include "filters/scan_filter.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace wicket {

enum class SpfResult : std::uint8_t { none, neutral, pass, fail, softfail, temperror, permerror };

/// "none", "neutral", "pass", "fail", "softfail", "temperror", "permerror".
std::string_view to_string(SpfResult result);

// RFC 7208 section 4.6.4, each over the whole evaluation.
inline constexpr int spf_term_limit = 10;
inline constexpr int spf_void_limit = 2;
inline constexpr std::size_t spf_name_limit = 10;
// All questions of one job together: nobody can make us ask a victim's servers more than this for one
// message. RFC 7208 lets a record need more; nothing is known of such a one (temperror).
inline constexpr std::size_t spf_question_limit = 40;

/// The answers at hand, and what was asked of them.
class SpfLedger {
public:
    explicit SpfLedger(const DnsAnswers& answers) : answers_(answers) {}

    const DnsQuestions& missing() const { return missing_; }

    enum class Standing : std::uint8_t { answered, missing, over_limit };
    struct Reply {
        Standing standing;
        const DnsAnswer* answer;  // only if answered
    };
    Reply ask(DnsQuestion question);

private:
    const DnsAnswers& answers_;
    std::set<DnsQuestion> used_;
    DnsQuestions missing_;
};

/// One identity to check.
struct SpfQuery {
    IpAddress client_ip;
    std::string sender;  // local@domain, for macros
    std::string domain;  // where evaluation begins
    std::string helo;
    std::string receiver;
    std::int64_t unix_time = 0;
};

struct SpfVerdict {
    SpfResult result = SpfResult::none;
    bool permits_all = false;      // of a pass: every address would have passed, by +all or a network of /0
    std::string explanation = {};  // of a fail, if the domain publishes one: printable ASCII
};

class SpfEvaluator {
public:
    /// Takes what libspf2 needs from the system, so construct it before the sandbox closes.
    SpfEvaluator();
    ~SpfEvaluator();

    /// nullopt if questions are missing in the ledger. Never more than spf_question_limit of them in all.
    std::optional<SpfVerdict> evaluate(const SpfQuery& query, SpfLedger& ledger);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace wicket
