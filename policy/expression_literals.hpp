// Numbers as conditions write them. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace wicket {

/// An integer, a size (10M), or a duration (5m) in seconds.
std::optional<std::int64_t> parse_integer_literal(std::string_view text);
/// The same, or a number with a fraction.
std::optional<double> parse_real_literal(std::string_view text);

}  // namespace wicket
