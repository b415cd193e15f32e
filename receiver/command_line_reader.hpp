// Cuts the octets of the command phase into lines (RFC 5321 section 2.3.8: only CRLF ends one), however they
// are split. Holds part of a line while it is incomplete, and nothing between lines; a line that is too long
// is passed over in constant memory. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wicket {

enum class LineFault : std::uint8_t {
    none,
    too_long,    // more octets than the limit, CRLF included
    bad_octets,  // NUL, a bare CR or a bare LF
};

struct CommandLine {
    std::string_view text;  // without CRLF; empty with a fault; valid until the next take()
    LineFault fault;
};

class CommandLineReader {
public:
    explicit CommandLineReader(std::size_t limit_octets) : limit_octets_(limit_octets) {}

    /// Takes the first line and its CRLF off the front of `input`. nullopt: all of `input` was taken, and the
    /// line is not complete.
    std::optional<CommandLine> take(std::string_view& input);

    /// Whether some octets of an incomplete line have come.
    bool has_part() const { return octets_ != 0 && !is_complete_; }

private:
    CommandLine complete(std::string_view rest);
    void hold(std::string_view part);
    void start_line();

    std::size_t limit_octets_;
    std::string held_;        // the incomplete line, unless it is too long
    std::size_t octets_ = 0;  // of the incomplete line, not more than the limit and one

    char last_octet_ = '\0';    // a CR at the end of one part and an LF at the start of the next make a CRLF
    bool is_complete_ = false;  // held_ was given out, and goes with the next take()
};

}  // namespace wicket
