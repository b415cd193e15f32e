// Cuts the octets of the command phase into lines (RFC 5321 section 2.3.8: only CRLF ends one), however they
// are split. Holds part of a line while it is incomplete, and nothing between lines; of a line that is too
// long it holds both ends alone. One thread.
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
    // Without CRLF; valid until the next take(). With a fault it is there to be looked at, not to be obeyed;
    // of a line that is too long it is both ends.
    std::string_view text;
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
    /// Of an incomplete line: what has come of it, or both ends of that.
    std::string_view part() const { return held_; }
    /// An LF has come that ends nothing, so the line will have a fault whatever else comes.
    bool has_bare_lf() const { return has_bare_lf_ && !is_complete_; }

private:
    CommandLine complete(std::string_view rest);
    void hold(std::string_view part);
    void start_line();

    std::size_t limit_octets_;
    std::string held_;        // the incomplete line, or both ends of one that is too long
    std::size_t octets_ = 0;  // of the incomplete line, not more than the limit and one

    bool has_bare_lf_ = false;
    char last_octet_ = '\0';    // a CR at the end of one part and an LF at the start of the next make a CRLF
    bool is_complete_ = false;  // held_ was given out, and goes with the next take()
};

}  // namespace wicket
