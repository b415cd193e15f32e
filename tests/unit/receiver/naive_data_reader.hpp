// What RFC 5321 section 4.1.1.4 and 4.5.2 say of DATA, written down as plainly as can be: the oracle that the
// real reader is held against. Needs the whole stream, and knows no limits.
#pragma once

#include "receiver/options.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wicket {

struct NaiveMessage {
    std::optional<std::size_t> end;  // offset after CRLF.CRLF; nullopt: not complete
    bool is_refused = false;
    std::string text;  // unless refused
};

/// The message without dots and with CRLF line ends alone, or refused.
inline NaiveMessage naive_content(std::string_view raw, BareNewline mode) {
    NaiveMessage message;
    for (std::size_t at = 0; at < raw.size(); ++at) {
        const char c = raw[at];
        if (c == '\0') message.is_refused = true;
        if (c == '\r' && at + 1 < raw.size() && raw[at + 1] == '\n') {
            message.text += "\r\n";
            ++at;
        } else if (c == '\r' || c == '\n') {
            if (mode == BareNewline::refuse) message.is_refused = true;
            message.text += "\r\n";
        } else {
            message.text += c;
        }
    }
    return message;
}

inline NaiveMessage naive_data(std::string_view stream, BareNewline mode) {
    // The CRLF of the DATA command counts as the first (RFC 5321 section 4.1.1.4).
    const std::string with_start = "\r\n" + std::string(stream);
    const std::size_t found = with_start.find("\r\n.\r\n");
    if (found == std::string::npos) return {};
    std::string unstuffed;
    bool at_line_start = false;
    for (std::size_t at = 0; at < found + 2; ++at) {
        if (at_line_start && with_start[at] == '.') {
            at_line_start = false;
            continue;
        }
        unstuffed += with_start[at];
        at_line_start = unstuffed.size() >= 2 && with_start[at] == '\n' && with_start[at - 1] == '\r';
    }
    NaiveMessage message = naive_content(std::string_view(unstuffed).substr(2), mode);
    message.end = found + 3;
    return message;
}

}  // namespace wicket
