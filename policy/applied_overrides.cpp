#include "policy/applied_overrides.hpp"

#include "base/text.hpp"

namespace wicket {
namespace {

bool is_to_postmaster(const Facts& facts) {
    const auto* address = std::get_if<std::string>(&facts.get(id_of(CoreFact::rcpt_address)));
    if (address == nullptr) return false;
    return equal_ignoring_case(std::string_view(*address).substr(0, address->find('@')), "postmaster");
}

}  // namespace

AppliedOverrides applied_overrides(const CompiledRules& rules, const Facts& facts) {
    AppliedOverrides made{.junk = rules.junk_threshold(), .reject = rules.reject_threshold()};
    for (const Override& one : rules.overrides()) {
        if (!one.applies_to(facts)) continue;
        if (one.junk && made.junk_by == nullptr) {
            made.junk = *one.junk;
            made.junk_by = &one;
        }
        if (one.reject && made.reject_by == nullptr) {
            made.reject = *one.reject;
            made.reject_by = &one;
        }
        if (one.worst && !made.worst) {
            made.worst = one.worst;
            made.worst_by = &one;
        }
        if (!one.modes.empty()) made.modes.push_back(&one);
    }
    // RFC 5321 section 4.5.1: an invariant, whatever rules and overrides say.
    if (is_to_postmaster(facts) && made.worst.value_or(Action::disconnect) > Action::junk) {
        made.worst = Action::junk;
        made.worst_by = nullptr;
    }
    return made;
}

}  // namespace wicket
