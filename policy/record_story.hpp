// The story of `explain`: what a person needs to see why this was decided. Pure; any thread.
#pragma once

#include "policy/fact_evidence.hpp"
#include "policy/record.hpp"
#include "policy/verdict_basis.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

/// What the story tells beside the record, as far as it is known.
struct StoryContext {
    /// FILE:LINE of a rule, or empty.
    std::function<std::string(std::string_view)> origin_of = {};
    VerdictBasis basis = {};                       // of the record's verdict
    std::vector<VerdictBasis> of_recipients = {};  // in the record's order; none where they are not known
    std::string rules_note = {};                   // where the rules are not those of then: what is shown
    ListZones zones = {};
    std::vector<std::string> flips = {};  // a line each, the nearest first
    std::string flips_note = {};          // why there are none
    std::string letter = {};
};

/// Many lines; no control characters whatever peers said.
std::string record_to_story(const StoredRecord& stored, const StoryContext& context);

}  // namespace wicket
