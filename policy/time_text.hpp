// Dates and times as administrators write them in rules: 2027-01-31, 2027-01-31T12:00:00Z. Pure; any thread.
#pragma once

#include "base/clock.hpp"

#include <optional>
#include <string_view>

namespace wicket {

/// RFC 3339 section 5.6, or its date alone (midnight in UTC), or without an offset (UTC). nullopt for
/// anything else.
std::optional<WallTime> parse_time(std::string_view text);

/// The same, or a duration before `now`: 90m, 2h, 7d.
std::optional<WallTime> parse_moment(std::string_view text, WallTime now);

}  // namespace wicket
