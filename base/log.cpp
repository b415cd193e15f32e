#include "base/log.hpp"

#include "base/clock.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <fmt/format.h>
#include <unistd.h>

namespace wicket {
namespace {

// Our own words plus, now and then, an error text with a path: more is a mistake somewhere.
constexpr std::size_t message_limit_octets = 2048;
constexpr std::string_view cut_mark = "...";

struct Settings {
    std::atomic<LogFormat> format{LogFormat::text};
    std::atomic<LogLevel> least{LogLevel::info};
};
Settings settings;

std::string_view to_word(LogLevel level) {
    switch (level) {
        case LogLevel::debug: return "debug";
        case LogLevel::info: return "info";
        case LogLevel::warning: return "warning";
        case LogLevel::error: return "error";
    }
    return "error";
}

bool is_plain(char c) {
    return c >= ' ' && c <= '~';
}

void append_hex(std::string& out, std::string_view octets) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    for (const char c : octets) {
        out += "\\x";
        out += digits[static_cast<unsigned char>(c) >> 4U];
        out += digits[static_cast<unsigned char>(c) & 0xFU];
    }
}

/// What closes a value in the line: it may not stand in one.
enum class Frame : std::uint8_t { none, angle, json };

bool ends_frame(char c, Frame frame) {
    if (frame == Frame::angle) return c == '>';
    return frame == Frame::json && (c == '"' || c == '\\');
}

/// Appends the escaped value, at most `limit_octets` of it before the frame's own escapes.
void append_escaped(std::string& out, std::string_view value, std::size_t limit_octets, Frame frame) {
    std::size_t used = 0;
    // Where to cut so that the mark still fits, never within a character or an escape.
    std::size_t cut_at = out.size();
    for (std::size_t at = 0; at < value.size();) {
        // Nearly all of nearly every value goes this way.
        const std::size_t room = limit_octets - std::min(limit_octets, used + cut_mark.size());
        const std::size_t run_limit = std::min(value.size() - at, room);
        std::size_t run = 0;
        while (run < run_limit && is_plain(value[at + run]) && !ends_frame(value[at + run], frame))
            ++run;
        if (run > 0) {
            out += value.substr(at, run);
            used += run;
            at += run;
            cut_at = out.size();
            continue;
        }
        const std::size_t multi = is_ascii(value[at]) ? 0 : utf8_length(value.substr(at));
        const std::string_view character = value.substr(at, multi == 0 ? 1 : multi);
        const bool is_kept = multi == 0 ? is_plain(character[0]) : !is_deceptive(character);
        const std::size_t cost = is_kept ? character.size() : 4 * character.size();
        if (used + cost > limit_octets) {
            out.resize(cut_at);
            if (limit_octets >= cut_mark.size()) out += cut_mark;
            return;
        }
        if (!is_kept) {
            if (frame == Frame::json) {
                for (const char c : character)
                    fmt::format_to(std::back_inserter(out), "\\\\x{:02X}", static_cast<unsigned char>(c));
            } else {
                append_hex(out, character);
            }
        } else if (frame == Frame::angle && character == ">") {
            append_hex(out, character);
        } else {
            if (frame == Frame::json && (character == "\"" || character == "\\")) out += '\\';
            out += character;
        }
        used += cost;
        at += character.size();
        if (used + cut_mark.size() <= limit_octets) cut_at = out.size();
    }
}

/// The seconds are formatted once a second and thread.
void append_time(std::string& out, WallTime now) {
    thread_local std::chrono::sys_seconds cached_second{};
    thread_local std::string cached;
    constexpr std::size_t length_to_seconds = std::string_view("2026-01-31T12:00:00").size();
    const auto second = std::chrono::floor<std::chrono::seconds>(now);
    if (cached.empty() || second != cached_second) {
        cached = to_rfc3339(second).substr(0, length_to_seconds);
        cached_second = second;
    }
    out += cached;
    fmt::format_to(std::back_inserter(out), ".{:06}Z", (now - second).count());
}

void append_text_line(
    std::string& out, LogLevel level, std::string_view message, std::initializer_list<LogField> fields
) {
    static const std::string process = fmt::format(" mailwicket[{}]: ", ::getpid());
    append_time(out, system_clock().wall());
    out += process;
    out += to_word(level);
    out += ": ";
    append_escaped(out, message, message_limit_octets, Frame::none);
    char separator = ';';
    for (const auto& [name, value, shape] : fields) {
        if (separator != ' ') out += separator;
        separator = ' ';
        out += ' ';
        out += name;
        out += shape == LogShape::plain ? "=" : "=<";
        append_escaped(out, value, log_field_limit_octets, Frame::angle);
        if (shape == LogShape::bracketed) out += '>';
    }
    out += '\n';
}

void append_json_line(
    std::string& out, LogLevel level, std::string_view message, std::initializer_list<LogField> fields
) {
    out += R"({"time":")";
    append_time(out, system_clock().wall());
    out += R"(","level":")";
    out += to_word(level);
    out += R"(","message":")";
    append_escaped(out, message, message_limit_octets, Frame::json);
    out += '"';
    for (const auto& [name, value, shape] : fields) {
        out += ",\"";
        out += name;
        out += "\":\"";
        append_escaped(out, value, log_field_limit_octets, Frame::json);
        out += '"';
    }
    out += "}\n";
}

}  // namespace

void configure_log(LogFormat format, LogLevel least) {
    settings.format.store(format, std::memory_order_relaxed);
    settings.least.store(least, std::memory_order_relaxed);
}

void log_line(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
    if (level < settings.least.load(std::memory_order_relaxed)) return;
    thread_local std::string line;
    line.clear();
    if (settings.format.load(std::memory_order_relaxed) == LogFormat::json) {
        append_json_line(line, level, message, fields);
    } else {
        append_text_line(line, level, message, fields);
    }
    // One call, so that lines of several threads and processes do not mix. If standard error is gone or full,
    // there is nobody to tell.
    while (::write(STDERR_FILENO, line.data(), line.size()) < 0 && errno == EINTR) {
    }
}

std::string escape_between_angles(std::string_view value, std::size_t limit_octets) {
    std::string escaped;
    append_escaped(escaped, value, limit_octets, Frame::angle);
    return escaped;
}

std::string escape_for_log(std::string_view value, std::size_t limit_octets) {
    std::string escaped;
    append_escaped(escaped, value, limit_octets, Frame::none);
    return escaped;
}

}  // namespace wicket
