// What was said in a session, for its records: commands and replies with the time at which they came, in
// little room. Never message octets, passwords or AUTH data: the receiver hands in lines without them
// (receiver/command_table.hpp). Values; one thread.
#pragma once

#include "mail/smtp_reply.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

// Of one command or reply: an address of the greatest length fits. A reply that refuses is told by its first
// words; one that does not says nothing beyond its code.
inline constexpr std::size_t transcript_line_octets = 200;
inline constexpr std::size_t transcript_reply_octets = 80;
// Of all before the first MAIL, and of one transaction: some 30 recipients. What comes later is counted.
inline constexpr std::size_t transcript_greeting_octets = 512;
inline constexpr std::size_t transcript_mail_octets = 1536;

enum class Speaker : char { client = 'C', server = 'S' };

struct TranscriptLine {
    Speaker speaker = Speaker::client;
    std::uint32_t milliseconds = 0;  // since the connection
    std::string text;                // empty: the reply that the record has
};

/// What an idle session keeps of this is a few hundred octets.
class Transcript {
public:
    void heard(std::uint32_t milliseconds, std::string_view line);
    void said(std::uint32_t milliseconds, const SmtpReply& reply);
    /// Another client has come (XCLIENT).
    void begin_anew();

    /// All before the first MAIL, and all since the last: for a record. A line each: C or S, milliseconds,
    /// space, text, LF.
    std::string text() const { return greeting_ + mail_; }
    /// Lines that are not in it.
    std::uint32_t left_out() const { return greeting_left_out_ + mail_left_out_; }
    bool is_reply_awaited() const { return last_ == Speaker::client; }

private:
    void add(Speaker speaker, std::uint32_t milliseconds, std::string_view text);

    std::string greeting_;
    std::string mail_;
    std::uint32_t greeting_left_out_ = 0;
    std::uint32_t mail_left_out_ = 0;
    Speaker last_ = Speaker::server;
    bool has_mail_ = false;
};

/// Lines that make no sense are passed over.
std::vector<TranscriptLine> parse_transcript(std::string_view text);

}  // namespace wicket
