#include "mail/smtp_reply.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace wicket {
namespace {

// RFC 5321 section 4.5.3.1.5 allows 512 with the code and CRLF; a little air for what relays put before it.
constexpr std::size_t reply_line_limit_octets = 500;

/// How much of `rest` goes on a line that has room for `room` octets: all of it, else up to the last space,
/// else up to the last whole character.
std::size_t fold_at(std::string_view rest, std::size_t room) {
    if (rest.size() <= room) return rest.size();
    const std::size_t space = rest.rfind(' ', room);
    if (space != std::string_view::npos && space > 0) return space;
    std::size_t end = room;
    while (end > 0 && (static_cast<unsigned char>(rest[end]) & 0xC0U) == 0x80U)
        --end;
    return end > 0 ? end : room;
}

}  // namespace

std::string SmtpReply::to_wire() const {
    // RFC 2034 section 4: the enhanced code stands on every line.
    const std::string prefix = enhanced.empty() ? std::string() : enhanced + ' ';
    const std::size_t room = reply_line_limit_octets - std::string_view("250-").size() - prefix.size() - 2;

    // What a peer put into the text must not end a line.
    std::string safe = text;
    std::ranges::replace_if(
        safe, [](char c) { return (is_ascii(c) && c < ' ' && c != '\n') || c == '\x7F'; }, '?'
    );
    std::string wire;
    std::size_t last_line = 0;
    const auto add_line = [&](std::string_view line) {
        last_line = wire.size();
        fmt::format_to(
            std::back_inserter(wire), "{:03}-{}{}\r\n", code, line.empty() ? enhanced : prefix, line
        );
    };
    for (std::string_view rest = safe;;) {
        const std::size_t line_end = rest.find('\n');
        std::string_view line = rest.substr(0, line_end);
        do {
            const std::size_t end = fold_at(line, room);
            add_line(line.substr(0, end));
            line.remove_prefix(end);
            if (line.starts_with(' ')) line.remove_prefix(1);
        } while (!line.empty());
        if (line_end == std::string_view::npos) break;
        rest.remove_prefix(line_end + 1);
    }
    // RFC 5321 section 4.2.1: a hyphen after the code says that more follows.
    wire[last_line + 3] = ' ';
    return wire;
}

}  // namespace wicket
