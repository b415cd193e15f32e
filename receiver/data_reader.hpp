// Takes the octets of a message off the wire as they come, however they are split: finds the end of DATA,
// undoes dot-stuffing, refuses what could smuggle a second message, keeps the limits, and hands runs of the
// message to a sink. After a fault it reads on to the real end in constant memory. Linear. One thread.
#pragma once

#include "receiver/options.hpp"

#include <cstdint>
#include <string_view>

namespace wicket {

/// Why a message will not be taken.
enum class MessageFault : std::uint8_t {
    none,
    bare_newline,  // a CR without LF, or an LF without CR
    nul,
    too_large,
    header_too_large,  // in octets or lines
    line_too_long,
    too_many_hops,  // Received fields
    budget_spent,   // the memory or spool of all sessions together is full
    no_space,       // the disk is full
    failed,         // the machine refused for another reason
};

/// Where a DataReader puts the message.
class MessageSink {
public:
    virtual ~MessageSink() = default;
    /// Never called again after anything but MessageFault::none.
    virtual MessageFault append(std::string_view octets) = 0;
};

class DataReader {
public:
    enum class Framing : std::uint8_t {
        dots,    // DATA: ends with CRLF.CRLF (RFC 5321 section 4.1.1.4)
        chunks,  // BDAT: ends where the caller says so (RFC 3030 section 2)
    };

    /// `limits` and `sink` are borrowed for the reader's life.
    DataReader(Framing framing, BareNewline bare_newline, const ReceiverLimits& limits, MessageSink& sink);

    /// Returns how many of `octets` belong to the message and its framing: all of them, unless it ended.
    std::size_t feed(std::string_view octets);

    /// Framing::dots only: the CRLF after the last dot was read.
    bool has_ended() const { return state_ == State::ended; }
    /// Framing::chunks only: no octet will follow.
    void finish();

    /// The first thing that was wrong.
    MessageFault fault() const { return fault_; }
    /// Of the message so far: what went to the sink, and a CR that is withheld.
    std::uint64_t size_octets() const { return size_octets_ + (state_ == State::after_cr ? 1 : 0); }
    /// Of what was fed, also after a fault.
    std::uint64_t fed_octets() const { return fed_octets_; }

private:
    enum class State : std::uint8_t {
        line_start,  // after CRLF, or before the first octet
        in_line,
        after_cr,      // the CR is withheld from the sink until it is known what it belongs to
        after_dot,     // a dot at the start of a line, withheld
        after_dot_cr,  // both withheld
        ended,
    };

    /// The part of one feed() that has not gone to the sink, and the line that is being read.
    struct Cursor {
        std::string_view octets;
        std::size_t at = 0;
        std::size_t run_begin = 0;
        std::size_t line_begin = 0;
        std::size_t next_lf = 0;  // the first LF at or after `at`, or the size; as last looked up
        bool next_lf_known = false;
    };

    void scan_line(Cursor& cursor);
    void after_cr(Cursor& cursor);
    void bare_newline(Cursor& cursor, std::size_t at, std::size_t length);
    void hand_over(const Cursor& cursor, std::size_t end);
    void keep(std::string_view run);
    void end_line(std::string_view part);
    void hold_line(std::string_view part);
    void follow_hop_field(std::string_view part);
    void count_header_line(std::uint64_t length_octets);
    void set_fault(MessageFault fault);

    static constexpr std::uint8_t not_a_hop = UINT8_MAX;

    const ReceiverLimits& limits_;
    MessageSink& sink_;
    Framing framing_;
    BareNewline bare_newline_;
    State state_ = State::line_start;
    MessageFault fault_ = MessageFault::none;
    bool in_header_ = true;
    std::uint8_t hop_field_octets_ = 0;  // of "Received:", that the line being read begins with, or not_a_hop
    std::uint32_t header_lines_ = 0;
    std::uint32_t hops_ = 0;
    std::uint64_t header_octets_ = 0;
    std::uint64_t line_octets_ = 0;  // of the line being read, that came in earlier feeds
    std::uint64_t size_octets_ = 0;
    std::uint64_t fed_octets_ = 0;
};

}  // namespace wicket
