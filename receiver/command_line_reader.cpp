#include "receiver/command_line_reader.hpp"

#include <algorithm>

namespace wicket {
namespace {

/// The offset just after the first CRLF of `text`, where `before` is the octet that came before it; npos if
/// there is none.
std::size_t end_of_line(std::string_view text, char before) {
    for (std::size_t at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at + 1)) {
        if ((at == 0 ? before : text[at - 1]) == '\r') return at + 1;
    }
    return std::string_view::npos;
}

// RFC 5321 section 2.3.8: CR and LF come in pairs only. Section 4.1.1.4: receivers that take a bare LF for
// the end of a line open the door to smuggling. NUL is in no command's grammar.
bool has_bad_octets(std::string_view line) {
    constexpr std::string_view bad("\r\n\0", 3);
    return line.find_first_of(bad) != std::string_view::npos;
}

}  // namespace

std::optional<CommandLine> CommandLineReader::take(std::string_view& input) {
    if (is_complete_) start_line();
    const std::size_t end = end_of_line(input, last_octet_);
    if (end == std::string_view::npos) {
        hold(input);
        input = {};
        return std::nullopt;
    }
    const std::string_view rest = input.substr(0, end);
    input.remove_prefix(end);
    return complete(rest);
}

CommandLine CommandLineReader::complete(std::string_view rest) {
    std::string_view line = rest;
    if (octets_ != 0) {
        hold(rest);
        line = held_;
        is_complete_ = true;
        if (octets_ > limit_octets_) return {.text = {}, .fault = LineFault::too_long};
    } else if (line.size() > limit_octets_) {
        return {.text = {}, .fault = LineFault::too_long};
    }
    line.remove_suffix(2);
    if (has_bad_octets(line)) return {.text = {}, .fault = LineFault::bad_octets};
    return {.text = line, .fault = LineFault::none};
}

void CommandLineReader::hold(std::string_view part) {
    if (part.empty()) return;
    last_octet_ = part.back();
    octets_ = std::min(octets_ + part.size(), limit_octets_ + 1);
    if (octets_ > limit_octets_) {
        held_ = std::string();
    } else {
        held_ += part;
    }
}

void CommandLineReader::start_line() {
    // A new string, not clear(): an idle session keeps no buffer.
    held_ = std::string();
    octets_ = 0;
    last_octet_ = '\0';
    is_complete_ = false;
}

}  // namespace wicket
