#include "receiver/command_line_reader.hpp"

#include <algorithm>

namespace wicket {
namespace {

// Of either end of a line that is too long: enough to tell by what protocol it is meant.
constexpr std::size_t end_octets = 32;

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
    if (octets_ != 0 || rest.size() > limit_octets_) {
        hold(rest);
        line = held_;
        is_complete_ = true;
    }
    line.remove_suffix(2);
    if (octets_ > limit_octets_) return {.text = line, .fault = LineFault::too_long};
    if (has_bad_octets(line)) return {.text = line, .fault = LineFault::bad_octets};
    return {.text = line, .fault = LineFault::none};
}

void CommandLineReader::hold(std::string_view part) {
    if (part.empty()) return;
    last_octet_ = part.back();
    has_bare_lf_ = has_bare_lf_ || part.contains('\n');
    octets_ = std::min(octets_ + part.size(), limit_octets_ + 1);
    if (octets_ <= limit_octets_) {
        held_ += part;
        return;
    }
    held_ += part.substr(0, end_octets);
    part.remove_prefix(std::min(part.size(), end_octets));
    held_ += part.substr(part.size() - std::min(part.size(), end_octets));
    if (held_.size() <= 2 * end_octets) return;
    held_.erase(end_octets, held_.size() - 2 * end_octets);
    held_.shrink_to_fit();
}

void CommandLineReader::start_line() {
    // A new string, not clear(): an idle session keeps no buffer.
    held_ = std::string();
    octets_ = 0;
    has_bare_lf_ = false;
    last_octet_ = '\0';
    is_complete_ = false;
}

}  // namespace wicket
