#include "policy/expression_values.hpp"

#include "base/public_suffix.hpp"
#include "base/text.hpp"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

namespace wicket {
namespace {

FactValue finite(double number) {
    return std::isfinite(number) ? FactValue(number) : FactValue(Unknown{});
}

FactValue calculate_integers(ExpressionOp op, std::int64_t left, std::int64_t right) {
    std::int64_t result = 0;
    bool overflows = false;
    switch (op) {
        case ExpressionOp::add: overflows = __builtin_add_overflow(left, right, &result); break;
        case ExpressionOp::subtract: overflows = __builtin_sub_overflow(left, right, &result); break;
        default: overflows = __builtin_mul_overflow(left, right, &result); break;
    }
    return overflows ? FactValue(Unknown{}) : FactValue(result);
}

FactValue calculate_reals(ExpressionOp op, double left, double right) {
    switch (op) {
        case ExpressionOp::add: return finite(left + right);
        case ExpressionOp::subtract: return finite(left - right);
        case ExpressionOp::multiply: return finite(left * right);
        default: return right == 0 ? FactValue(Unknown{}) : finite(left / right);
    }
}

/// WallTime counts microseconds.
FactValue moved_by(WallTime time, double seconds) {
    const double micros = seconds * 1e6;
    // Half of what a WallTime holds on either side: thousands of years, and no sum of two such overflows.
    constexpr double most = 4e18;
    const auto since_epoch = time.time_since_epoch().count();
    if (!(std::abs(micros) < most) || std::abs(static_cast<double>(since_epoch)) >= most) return Unknown{};
    return time + std::chrono::microseconds{static_cast<std::int64_t>(micros)};
}

FactValue calculate_times(ExpressionOp op, const FactValue& left, const FactValue& right) {
    const auto* from = std::get_if<WallTime>(&left);
    const auto* other = std::get_if<WallTime>(&right);
    if (from != nullptr && other != nullptr && op == ExpressionOp::subtract) {
        std::int64_t micros = 0;
        const bool overflows = __builtin_sub_overflow(
            from->time_since_epoch().count(), other->time_since_epoch().count(), &micros
        );
        return overflows ? FactValue(Unknown{}) : FactValue(micros / 1'000'000);
    }
    const auto seconds = number_of(from != nullptr ? right : left);
    if (!seconds || (from == nullptr) == (other == nullptr)) return Unknown{};
    if (op == ExpressionOp::add) return moved_by(from != nullptr ? *from : *other, *seconds);
    return op == ExpressionOp::subtract && from != nullptr ? moved_by(*from, -*seconds)
                                                           : FactValue(Unknown{});
}

}  // namespace

std::optional<double> number_of(const FactValue& value) {
    if (const auto* integer = std::get_if<std::int64_t>(&value)) return static_cast<double>(*integer);
    if (const auto* real = std::get_if<double>(&value)) return *real;
    return std::nullopt;
}

FactValue calculate(ExpressionOp op, const FactValue& left, const FactValue& right) {
    if (std::holds_alternative<Absent>(left) || std::holds_alternative<Absent>(right)) return Absent{};
    if (std::holds_alternative<WallTime>(left) || std::holds_alternative<WallTime>(right))
        return calculate_times(op, left, right);
    const auto* left_integer = std::get_if<std::int64_t>(&left);
    const auto* right_integer = std::get_if<std::int64_t>(&right);
    if (op != ExpressionOp::divide && left_integer != nullptr && right_integer != nullptr)
        return calculate_integers(op, *left_integer, *right_integer);
    const auto left_number = number_of(left);
    const auto right_number = number_of(right);
    if (!left_number || !right_number) return Unknown{};
    return calculate_reals(op, *left_number, *right_number);
}

FactValue apply_to_text(ExpressionOp op, const FactValue& value) {
    if (std::holds_alternative<Absent>(value)) return Absent{};
    const auto* text = std::get_if<std::string>(&value);
    if (text == nullptr) return Unknown{};
    if (op == ExpressionOp::lower) return lower_case(*text);
    if (op == ExpressionOp::number_of_text) {
        std::int64_t number = 0;
        const char* const text_end = text->data() + text->size();
        const auto [end, error] = std::from_chars(text->data(), text_end, number);
        return error == std::errc() && end == text_end ? FactValue(number) : FactValue();
    }
    if (op == ExpressionOp::domain_of) {
        const auto at = text->rfind('@');
        return at == std::string::npos ? FactValue() : FactValue(text->substr(at + 1));
    }
    const std::string_view domain = registrable_domain(*text);
    return domain.empty() ? FactValue() : FactValue(std::string(domain));
}

}  // namespace wicket
