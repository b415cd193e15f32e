// Rule files, compiled: thresholds, block lists, rules, overrides, tests. Loading reads every *.toml of the
// folders in order, checks everything against the fact dictionary and reports every mistake; a RuleSet exists
// only if there was none. It never changes afterwards: sessions share it, a reload makes another.
#pragma once

#include "base/diagnostic.hpp"
#include "mail/dns_list.hpp"
#include "mail/fact_dictionary.hpp"
#include "mail/pattern.hpp"
#include "policy/verdict.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace wicket {

// So often an unknown fact defers the same message, and the third try passes: what stays unknown for long
// must not keep mail out for good.
inline constexpr std::int64_t deferrals_limit = 2;

/// A text that a rule set was read from: a rule file, or a list or record that one names.
struct RuleSource {
    std::string name;  // as it is hashed: beside the first folder of rules; those of the second begin with 2/
    std::string content;

    bool operator==(const RuleSource&) const = default;
};

class RuleSet {
public:
    virtual ~RuleSet() = default;
    virtual const FactDictionary& dictionary() const = 0;
    virtual const std::vector<DnsList>& dns_lists() const = 0;
    /// The paths of the files beside the rules that were read: of [[list]]s, and the records of tests.
    virtual const std::vector<std::string>& list_files() const = 0;
    /// What [[pattern]]s make facts of; nullptr if there are none.
    virtual std::shared_ptr<const PatternSet> patterns() const = 0;
    /// SHA-256 of all files and lists read, in hexadecimal: stamped into every decision.
    virtual const std::string& hash() const = 0;
    /// What the hash is taken over, in that order. recompile_rules() of these is the same rule set again,
    /// with the same hash.
    virtual const std::vector<RuleSource>& sources() const = 0;
    /// Where they were read from, as places name it: what stands before the names of the files of each
    /// folder.
    virtual const std::vector<std::string>& folders() const = 0;
    /// Labels of DNS lists' zones, in lower case, that nobody may read: of lists that are off or replaced,
    /// too.
    virtual const std::vector<std::string>& customer_keys() const = 0;
    /// FILE:LINE of a rule, or empty.
    virtual std::string origin_of(std::string_view rule_id) const = 0;
    virtual std::size_t rule_count() const = 0;
    /// Whether any enforced or shadow `then` rule answers at this stage: if not, decide() need not be asked.
    virtual bool answers_at(Stage stage) const = 0;
    /// Whether any of them has answer = "now", so that it is not postponed to RCPT.
    virtual bool has_immediate_answers(Stage stage) const = 0;
};

/// What is read for use says what keeps it from being used. What is read to be checked gets advice, too: and
/// an expired rule, which must not keep a server from starting, is a mistake there.
/// A set that was in force once is taken as it was, without the linter of today.
enum class RuleReading : std::uint8_t { for_use, for_check, as_it_was };

/// The domains of the configuration, as A-labels in lower case, and how a scope that names none of them is
/// reported.
struct ServedDomains {
    std::vector<std::string> names;
    Severity severity = Severity::error;
};

/// nullptr if there was any error, but in the names of scopes. `folders` in order; a folder that does not
/// exist is an error. `domains`, if not null, is what scopes are held against.
std::shared_ptr<const RuleSet> load_rules(
    const std::vector<std::string>& folders,
    Diagnostics& diagnostics,
    RuleReading reading = RuleReading::for_use,
    const ServedDomains* domains = nullptr
);
/// The same from texts {file name, content}: a folder is what stands before the last `/` of a name.
std::shared_ptr<const RuleSet> compile_rules(
    const std::vector<std::pair<std::string, std::string>>& files,
    Diagnostics& diagnostics,
    RuleReading reading = RuleReading::for_use,
    const ServedDomains* domains = nullptr
);
/// The same rule set from its sources. Places name their files as in those `folders`, in order; without them
/// as the sources are named.
std::shared_ptr<const RuleSet> recompile_rules(
    const std::vector<RuleSource>& sources,
    Diagnostics& diagnostics,
    const std::vector<std::string>& folders = {}
);

struct RuleTestResult {
    std::string name;
    SourcePlace place;
    bool passed;
    std::string difference;  // what came instead
};
/// Runs the [[test]] blocks of the rule set. Those of a folder hold of the rules of that folder and of those
/// before it: who replaces a shipped rule need not change the shipped tests.
std::vector<RuleTestResult> run_rule_tests(const RuleSet& rules);

/// Pure: same rules, facts and stage, same verdict. Before Stage::end only `then` rules of that stage answer
/// (or a total that stays over the reject threshold whatever credits may still come); at Stage::end points
/// are summed. `action` none: nothing decided at this stage, go on; at the end it is never none. Facts of
/// rcpt are those of one recipient; without one (rcpt.address absent) rules about recipients do not hit and
/// overrides do not apply.
Verdict decide(const RuleSet& rules, const Facts& facts, Stage stage);

/// The checks that rules with then = "skip" left out of a verdict, each with the rule that did.
std::vector<std::pair<std::string, std::string>> skipped_checks(const RuleSet& rules, const Verdict& verdict);

/// Whether a rule with on_unknown = "defer" deferred for what it did not know. If so, the verdict depends on
/// deferred.envelope and deferred.message, which count such deferrals of earlier tries: ask again with them.
bool defers_for_unknown(const Verdict& verdict);

// What a rule with then = "greylist" asks a stranger to wait: most software that sends spam never comes
// again, and mail servers do within minutes (RFC 6647 section 5.1).
inline constexpr std::chrono::seconds greylist_delay{300};

/// Two recipients whose keys differ are judged by different overrides or scopes: such a second one gets
/// 452 4.5.3.
std::string policy_key(const RuleSet& rules, const Facts& facts);

/// Verdicts of the invariants, which no rule can change, in the same shape.
/// `which`: "relay", "unknown-user", "protocol", "limit", "store", "worker".
Verdict builtin_verdict(std::string_view which, Stage stage, SmtpReply reply);

}  // namespace wicket
