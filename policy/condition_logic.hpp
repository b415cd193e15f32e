// What follows from a condition whatever the facts are, for the linter: its parts, whether one of them can
// hold, and whether another condition holds wherever it does. Sound, not complete: what is said here is so,
// also of facts that are absent or unknown; much that is so is not seen. Only policy/ includes this; any
// thread.
#pragma once

#include "policy/condition_values.hpp"
#include "policy/expression_program.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace wicket {

/// A test of a condition, or that it is false: unknown is neither.
struct ConditionLiteral {
    const ExpressionProgram* program;
    std::uint32_t node;
    bool is_negated;
};

/// Literals that must all hold; none of them: it always does.
using ConditionPart = std::vector<ConditionLiteral>;

/// A condition is true where one of these parts is, and nowhere else. They borrow the program.
std::vector<ConditionPart> parts_of(const ExpressionProgram& condition);

/// What a test is about: a fact, or a value that is computed.
struct ConditionSubject {
    const ExpressionProgram* program;
    FactId fact;          // of a value, the first that it is computed from
    std::uint32_t value;  // the node that computes it, or none

    bool is_same_as(const ConditionSubject& other) const;
};

/// What one test says of its subject.
struct ConditionMeaning {
    ConditionSubject subject;
    ConditionValues values;  // for which it is true
    bool is_exact;           // else for these and perhaps others it is not
};

/// A part, and what is known of facts where it holds: made once, and asked often. Borrows the program.
class KnownPart {
public:
    explicit KnownPart(ConditionPart part);

    const ConditionPart& part() const { return part_; }
    /// False only if no facts can make it true.
    bool can_hold() const;
    /// Whether the condition is true wherever the part is.
    bool implies(const ExpressionProgram& condition) const;
    /// False only if it does not imply the test that has this meaning: quick, for a first look.
    bool may_imply(const ConditionMeaning& meaning) const;

private:
    struct Known {
        ConditionSubject subject;
        ConditionValues values;
    };
    const ConditionValues* values_of(const ConditionSubject& subject) const;
    bool has(const ConditionLiteral& literal) const;
    bool implies_node(const ConditionLiteral& wanted) const;
    bool implies_test(const ConditionLiteral& wanted) const;

    ConditionPart part_;
    std::vector<Known> known_;
};

/// Whether it asks for a fact to be unknown, which a rule with then = "skip" can bring about.
bool asks_for_unknown(const ConditionPart& part);

/// By what conditions are found that a part may imply: if it implies one, then one of its keys is among those
/// of each part of that one that it implies.
struct ConditionKey {
    FactId fact;
    std::string text;  // of a fact that must have one of a few texts; else empty

    auto operator<=>(const ConditionKey&) const = default;
};
/// How a part is found that may be implied. Without keys it must be looked at always.
struct ConditionClue {
    std::vector<ConditionKey> keys;
    std::optional<ConditionMeaning> meaning;  // of the test that has these keys
};
ConditionClue clue_of(const ConditionPart& part);
/// Of a part as the one that implies.
std::vector<ConditionKey> keys_to_look_for(const ConditionPart& part);

}  // namespace wicket
