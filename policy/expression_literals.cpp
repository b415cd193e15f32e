#include "policy/expression_literals.hpp"

#include "base/config_reader.hpp"

#include <charconv>
#include <chrono>
#include <utility>

namespace wicket {

std::optional<std::int64_t> parse_integer_literal(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size()) return value;
    if (const auto size = parse_size(text); size && std::in_range<std::int64_t>(*size)) {
        return static_cast<std::int64_t>(*size);
    }
    if (const auto duration = parse_duration(text)) {
        if (*duration % std::chrono::seconds{1} != std::chrono::milliseconds{0}) return std::nullopt;
        return duration->count() / 1000;
    }
    return std::nullopt;
}

std::optional<double> parse_real_literal(std::string_view text) {
    if (const auto integer = parse_integer_literal(text)) return static_cast<double>(*integer);
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

}  // namespace wicket
