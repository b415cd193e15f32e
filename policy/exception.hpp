// Exceptions for mail that was refused: a rule that accepts it, or an override that puts the deciding rule
// into shadow for the client, as narrow as what is known of it allows. `allow` tries the candidates in this
// order and proposes the first that would have let the message in. Pure; any thread.
#pragma once

#include "policy/record.hpp"
#include "policy/record_subject.hpp"
#include "policy/rules.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace wicket {

/// What an exception knows its mail by, the surest first.
enum class ExceptionKind : std::uint8_t {
    dkim,     // a DKIM signature of a domain
    spf,      // SPF passed for the envelope sender's domain
    address,  // the envelope sender from the client's network
    domain,   // the envelope sender's domain from there, where the record has no more of the address
    network,  // the client's address (of IPv6 its /64)
    client,   // as network, where the rule decides before an exception could: that one rule is off for it
};
std::string_view to_string(ExceptionKind kind);

struct ExceptionCandidate {
    ExceptionKind kind = ExceptionKind::dkim;
    std::string rule_id;
    std::string condition;      // of `when`; of ExceptionKind::client the address or network
    std::string about;          // "mail that example.org has signed"
    std::string rule_off = {};  // of ExceptionKind::client: the rule that decided
    std::string in_vain = {};   // why it matches no mail; else empty
};

/// Those that the record has the facts for, in order; none for a recipient without domain. Values that a
/// condition cannot hold (quotes, control characters) make no candidate.
std::vector<ExceptionCandidate> exception_candidates(
    const StoredRecord& stored, const RecordSubject& subject
);

struct ExceptionText {
    std::string rule;  // [[rule]] or [[override]] as TOML, with a comment that says whence it comes
    std::string test;  // [[test]] that fails without it
};
/// `rules` says which facts the test must give.
ExceptionText exception_to_toml(
    const ExceptionCandidate& candidate,
    const StoredRecord& stored,
    const RecordSubject& subject,
    const RuleSet& rules,
    std::chrono::year_month_day expires
);

/// Whether the subject passes under `with` (it is accepted, or goes on to the next stage), and under
/// `without` does not.
bool is_let_in(const RuleSet& with, const RuleSet& without, const RecordSubject& subject);

}  // namespace wicket
