// The least that would have had to be otherwise for another verdict: one threshold, one rule, or one fact;
// or that no override had allowed less than what decided.
// Found by asking decide() again for every single change nearby. Pure; any thread.
#pragma once

#include "policy/record_subject.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace wicket {

struct Flip {
    enum class Kind : std::uint8_t { threshold, worst, rule, fact };
    Kind kind = Kind::rule;
    std::string what;               // "junk" or "reject", FILE:LINE of the override, the rule's id, the fact
    std::string from;               // "12", "junk", "enforce", "fail"
    std::string to;                 // "above 12.5", "off", "pass"
    Action verdict = Action::none;  // that would be; none: it would have passed `passes` and gone on
    Stage passes = Stage::end;
    std::string rule = {};  // that would decide
    // How near it is: rules that hit then and not now, or the other way round, and the points of them.
    std::size_t hits_changed = 0;
    double points_moved = 0;
};

/// `threshold`, `worst`, `rule`, `fact`.
std::string_view to_string(Flip::Kind kind);
/// "if rule spf were off (now: enforce): accept by default"
std::string flip_to_text(const Flip& flip);

/// The nearest first, at most `limit`. Facts that say who somebody is (addresses, names) are left as they
/// are. None if these rules do not say what was said then, or no rule decided.
std::vector<Flip> nearest_flips(const RuleSet& rules, const RecordSubject& subject, std::size_t limit);

}  // namespace wicket
