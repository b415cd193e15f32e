// The log: one line an event, as text in Postfix's shape or as JSON, to standard error. The one global of
// the program besides the hooks of C libraries. Any thread; a line is written with one write(2), whole.
// Never give it bodies, passwords or AUTH data. Control octets and invalid UTF-8 are escaped here, and every
// field is cut to 512 octets, so that nothing a peer sends can forge or hide a line.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace wicket {

enum class LogLevel : std::uint8_t { debug, info, warning, error };
enum class LogFormat : std::uint8_t { text, json };

/// How a value stands in a line of text: what peers say in angle brackets, words of our own without.
enum class LogShape : std::uint8_t { bracketed, plain };

struct LogField {
    std::string_view name;
    std::string_view value;
    LogShape shape = LogShape::bracketed;
};

// A peer can fill no more of a line than this with one value.
inline constexpr std::size_t log_field_limit_octets = 512;

void configure_log(LogFormat format, LogLevel least);

/// Text: `TIME mailwicket[PID]: LEVEL: MESSAGE; name=<value> name=plain ...`. JSON:
/// {"time","level","message",name: value}.
void log_line(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});

inline void log_info(std::string_view message, std::initializer_list<LogField> fields = {}) {
    log_line(LogLevel::info, message, fields);
}
inline void log_warning(std::string_view message, std::initializer_list<LogField> fields = {}) {
    log_line(LogLevel::warning, message, fields);
}
inline void log_error(std::string_view message, std::initializer_list<LogField> fields = {}) {
    log_line(LogLevel::error, message, fields);
}

/// What log_line makes of a value: control octets (C0, DEL, C1), bidi controls and invalid UTF-8 as \xHH,
/// cut to `limit_octets`. Also for terminals.
std::string escape_for_log(std::string_view value, std::size_t limit_octets = log_field_limit_octets);
/// The same for a value between < and >: a ">" in it is escaped, too.
std::string escape_between_angles(std::string_view value, std::size_t limit_octets = log_field_limit_octets);

}  // namespace wicket
