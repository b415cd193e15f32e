// Why a fact is unknown though nothing failed: nobody had asked yet when the record was written.
#pragma once

#include <string_view>

namespace wicket {

/// The check waits for a message that did not come.
inline constexpr std::string_view reason_not_looked_at = "not looked at";
/// The check was under way.
inline constexpr std::string_view reason_not_known_yet = "not known yet";

inline bool is_no_failure(std::string_view reason) {
    return reason == reason_not_looked_at || reason == reason_not_known_yet;
}

}  // namespace wicket
