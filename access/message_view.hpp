// What goes over the wire for RETR and TOP: a stored message, its headers downgraded if the client wants
// that, cut after some lines of the body, dot-stuffed, with the terminating line. In pieces of any size.
// Pure; one thread.
#pragma once

#include "access/downgrade.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wicket {

/// Whether the client understands UTF-8 in header fields (RFC 6856).
enum class HeaderForm : std::uint8_t { as_stored, downgraded };

class MessageView {
public:
    /// `body_lines`: for TOP; nullopt gives the whole message.
    MessageView(HeaderForm form, std::optional<std::uint64_t> body_lines)
        : form_(form), body_lines_(body_lines) {}

    /// Appends to `out` what `piece` becomes.
    void feed(std::string_view piece, std::string& out);
    /// Ends the message: a CRLF if its last line has none, and the line with the dot.
    void finish(std::string& out);

private:
    void cut(std::string_view text, std::string& out);
    void stuff(std::string_view text, std::string& out);

    HeaderForm form_;
    std::optional<std::uint64_t> body_lines_;
    HeaderDowngrader downgrader_;
    std::string downgraded_;  // between two steps

    bool is_in_headers_ = true;
    std::uint64_t lines_given_ = 0;  // of the body
    char cut_before_ = '\n';         // the octet before the piece that cut() sees
    std::uint64_t line_octets_ = 0;  // of the line that cut() is in

    // RFC 1939 section 3: octets of CRLF that stand at the end of what was written; the beginning is a
    // line's.
    enum class Ending : std::uint8_t { other, carriage_return, line } ending_ = Ending::line;
};

}  // namespace wicket
