// Arithmetic and text functions of conditions, over values. Absent gives absent, unknown gives unknown, and
// so do a division by zero and a result that no value can hold. Pure; any thread.
#pragma once

#include "mail/facts.hpp"
#include "policy/expression_program.hpp"

#include <optional>

namespace wicket {

/// Of an integer or real.
std::optional<double> number_of(const FactValue& value);

/// `op`: add, subtract, multiply, divide. Integers stay integers, but for a division, which is a real one; a
/// time and seconds give a time, two times the seconds between them.
FactValue calculate(ExpressionOp op, const FactValue& left, const FactValue& right);

/// `op`: number_of_text, lower, domain_of, registrable_domain.
FactValue apply_to_text(ExpressionOp op, const FactValue& value);

}  // namespace wicket
