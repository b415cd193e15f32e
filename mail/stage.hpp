// The stages of an SMTP transaction, in order. Facts become known at one, rules answer at one.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace wicket {

enum class Stage : std::uint8_t {
    connect,  // the client is connected
    helo,     // EHLO or HELO was given
    mail,     // MAIL was given
    rcpt,     // a RCPT was given: what is decided here is decided for one recipient
    data,     // DATA or the first BDAT was given
    end,      // the whole message is here
};

inline constexpr std::size_t stage_count = 6;

/// "connect", "helo", "mail", "rcpt", "data", "end".
std::string_view to_string(Stage stage);
std::optional<Stage> parse_stage(std::string_view word);

}  // namespace wicket
