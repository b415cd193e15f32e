// The part of `explain` about what was said, and about what became of the message afterwards.
#include "base/log.hpp"
#include "policy/record.hpp"
#include "policy/transcript.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace wicket {
namespace {

void tell_transcript(const DecisionRecord& record, std::string& story) {
    if (record.transcript.empty()) return;
    story += "\nTranscript (ms since the connection)\n";
    for (const TranscriptLine& line : parse_transcript(record.transcript)) {
        std::string text = line.text;
        if (text.empty()) text = fmt::format("{} {}", record.reply.code, record.reply.enhanced);
        story += fmt::format(
            "  {:>10}  {}: {}\n",
            line.milliseconds,
            static_cast<char>(line.speaker),
            escape_for_log(text, transcript_line_octets)
        );
    }
    if (record.transcript_left_out != 0)
        story += fmt::format("  {} more lines were left out\n", record.transcript_left_out);
}

void tell_mark(const RecordMark& mark, std::string& story) {
    std::string to;
    for (const std::string& account : mark.to) {
        const bool is_of_later = std::ranges::any_of(mark.again, [&](const RecordMark& one) {
            return std::ranges::find(one.to, account) != one.to.end();
        });
        if (!is_of_later) to += (to.empty() ? " to " : ", ") + escape_for_log(account);
    }
    story += fmt::format(
        "{:<8} {}{} by {} at {}\n",
        mark.what == "released" ? "message" : "label",
        mark.what,
        to,
        escape_for_log(mark.by),
        to_rfc3339(mark.time)
    );
    for (const RecordMark& one : mark.again)
        tell_mark(one, story);
}

}  // namespace

std::string record_aftermath_story(const DecisionRecord& record) {
    std::string story;
    tell_transcript(record, story);
    if (record.quarantine.state != RecordQuarantine::State::none || record.released || record.label ||
        record.is_redacted)
        story += '\n';
    if (record.quarantine.state == RecordQuarantine::State::kept)
        story += "message  kept in the quarantine\n";
    if (record.quarantine.state == RecordQuarantine::State::not_kept)
        story += "message  not kept: " + escape_for_log(record.quarantine.why_not) + '\n';
    if (record.released) tell_mark(*record.released, story);
    if (record.label) tell_mark(*record.label, story);
    if (record.is_redacted) story += "redacted local parts of addresses are hashed\n";
    return story;
}

}  // namespace wicket
