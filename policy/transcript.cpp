#include "policy/transcript.hpp"

#include "base/log.hpp"
#include "base/text.hpp"

#include <charconv>
#include <fmt/format.h>

namespace wicket {

void Transcript::heard(std::uint32_t milliseconds, std::string_view line) {
    if (starts_with_ignoring_case(line, "MAIL")) {
        mail_.clear();
        mail_left_out_ = 0;
        has_mail_ = true;
    }
    add(Speaker::client, milliseconds, escape_for_log(line, transcript_line_octets));
}

void Transcript::said(std::uint32_t milliseconds, const SmtpReply& reply) {
    std::string text = std::to_string(reply.code);
    if (!reply.enhanced.empty()) text += ' ' + reply.enhanced;
    if (reply.code >= 400) {
        const std::string_view words = std::string_view(reply.text).substr(0, reply.text.find('\n'));
        text += ' ' + escape_for_log(words, transcript_reply_octets);
    }
    add(Speaker::server, milliseconds, text);
}

void Transcript::begin_anew() {
    *this = Transcript();
}

void Transcript::add(Speaker speaker, std::uint32_t milliseconds, std::string_view text) {
    last_ = speaker;
    std::string& part = has_mail_ ? mail_ : greeting_;
    const std::string line = fmt::format("{}{} {}\n", static_cast<char>(speaker), milliseconds, text);
    if (part.size() + line.size() > (has_mail_ ? transcript_mail_octets : transcript_greeting_octets)) {
        ++(has_mail_ ? mail_left_out_ : greeting_left_out_);
        return;
    }
    part += line;
}

std::vector<TranscriptLine> parse_transcript(std::string_view text) {
    std::vector<TranscriptLine> lines;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        const std::size_t space = line.find(' ');
        if (line.empty() || (line.front() != 'C' && line.front() != 'S')) continue;
        TranscriptLine one;
        one.speaker = line.front() == 'C' ? Speaker::client : Speaker::server;
        const char* const number_end = line.data() + std::min(space, line.size());
        const auto read = std::from_chars(line.data() + 1, number_end, one.milliseconds);
        if (read.ec != std::errc() || read.ptr != number_end) continue;
        if (space != std::string_view::npos) one.text = line.substr(space + 1);
        lines.push_back(std::move(one));
    }
    return lines;
}

}  // namespace wicket
