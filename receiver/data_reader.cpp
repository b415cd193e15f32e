#include "receiver/data_reader.hpp"

#include "base/text.hpp"

#include <cstring>

namespace wicket {
namespace {

constexpr std::string_view crlf = "\r\n";

/// The offset of `wanted` in [begin, end), or `end`. memchr: it is what makes the reader fast.
std::size_t find_octet(std::string_view text, char wanted, std::size_t begin, std::size_t end) {
    const void* found = begin < end ? std::memchr(text.data() + begin, wanted, end - begin) : nullptr;
    return found ? static_cast<std::size_t>(static_cast<const char*>(found) - text.data()) : end;
}

constexpr std::string_view hop_field = "received:";

}  // namespace

DataReader::DataReader(
    Framing framing, BareNewline bare_newline, const ReceiverLimits& limits, MessageSink& sink
)
    : limits_(limits), sink_(sink), framing_(framing), bare_newline_(bare_newline) {}

std::size_t DataReader::feed(std::string_view octets) {
    Cursor cursor{.octets = octets};
    while (cursor.at < octets.size() && state_ != State::ended) {
        switch (state_) {
            case State::line_start:
                cursor.line_begin = cursor.at;
                // RFC 5321 section 4.5.2: the first octet of a line, if it is a dot, goes.
                if (framing_ == Framing::dots && octets[cursor.at] == '.') {
                    hand_over(cursor, cursor.at);
                    cursor.line_begin = cursor.run_begin = ++cursor.at;
                    state_ = State::after_dot;
                } else {
                    state_ = State::in_line;
                }
                break;
            case State::in_line: scan_line(cursor); break;
            case State::after_cr: after_cr(cursor); break;
            case State::after_dot:
                if (octets[cursor.at] == '\r') {
                    cursor.line_begin = cursor.run_begin = ++cursor.at;
                    state_ = State::after_dot_cr;
                } else {
                    state_ = State::in_line;
                }
                break;
            case State::after_dot_cr:
                // RFC 5321 section 4.1.1.4: CRLF.CRLF, and nothing like it, ends the message.
                if (octets[cursor.at] == '\n') {
                    cursor.run_begin = ++cursor.at;
                    state_ = State::ended;
                } else {
                    state_ = State::after_cr;
                }
                break;
            case State::ended: break;
        }
    }
    hand_over(cursor, cursor.at);
    fed_octets_ += cursor.at;
    if (state_ == State::in_line) hold_line(octets.substr(cursor.line_begin, cursor.at - cursor.line_begin));
    return cursor.at;
}

void DataReader::finish() {
    if (state_ != State::after_cr) return;
    Cursor cursor;
    bare_newline(cursor, 0, 0);
}

/// One step within a line: to its CRLF, to a bare CR or LF, or to the end of the octets.
void DataReader::scan_line(Cursor& cursor) {
    const std::string_view octets = cursor.octets;
    // Looked up once per LF, so that a run of bare CRs does not cost a search to the end for each.
    if (!cursor.next_lf_known || cursor.next_lf < cursor.at) {
        cursor.next_lf = find_octet(octets, '\n', cursor.at, octets.size());
        cursor.next_lf_known = true;
    }
    const std::size_t lf = cursor.next_lf;
    const std::size_t cr = find_octet(octets, '\r', cursor.at, lf);
    if (cr == lf) {
        if (lf < octets.size()) return bare_newline(cursor, lf, 1);
        cursor.at = octets.size();
        return;
    }
    if (cr + 1 == octets.size()) {
        hold_line(octets.substr(cursor.line_begin, cr - cursor.line_begin));
        hand_over(cursor, cr);
        cursor.at = cursor.run_begin = cursor.line_begin = octets.size();
        state_ = State::after_cr;
        return;
    }
    if (cr + 1 != lf) return bare_newline(cursor, cr, 1);
    end_line(octets.substr(cursor.line_begin, cr - cursor.line_begin));
    cursor.at = cursor.line_begin = lf + 1;
    state_ = State::line_start;
}

/// The octet after a CR that was withheld.
void DataReader::after_cr(Cursor& cursor) {
    if (cursor.octets[cursor.at] != '\n') return bare_newline(cursor, cursor.at, 0);
    keep(crlf);
    end_line({});
    cursor.run_begin = cursor.line_begin = ++cursor.at;
    state_ = State::line_start;
}

/// A bare CR or LF of `length` octets at `at`; 0 for a CR that was withheld earlier.
void DataReader::bare_newline(Cursor& cursor, std::size_t at, std::size_t length) {
    // RFC 5321 section 2.3.8: a sender must not transmit them, and a receiver that takes one for a line end
    // can be made to see the end of a message where another server saw text (CVE-2023-51764).
    if (bare_newline_ == BareNewline::refuse) set_fault(MessageFault::bare_newline);
    hand_over(cursor, at);
    keep(crlf);
    end_line(cursor.octets.substr(cursor.line_begin, at - cursor.line_begin));
    cursor.at = cursor.run_begin = cursor.line_begin = at + length;
    // Not line_start: a dot here neither ends the message nor was it stuffed, for no CRLF precedes it.
    state_ = State::in_line;
}

void DataReader::hand_over(const Cursor& cursor, std::size_t end) {
    keep(cursor.octets.substr(cursor.run_begin, end - cursor.run_begin));
}

void DataReader::keep(std::string_view run) {
    if (run.empty() || fault_ != MessageFault::none) return;
    // RFC 5322 section 2.1 leaves NUL out of what a message may hold.
    if (find_octet(run, '\0', 0, run.size()) != run.size()) return set_fault(MessageFault::nul);
    // RFC 1870 section 4: the size counts CRLFs, but neither stuffed dots nor the end of data.
    size_octets_ += run.size();
    if (size_octets_ > limits_.size_octets) return set_fault(MessageFault::too_large);
    set_fault(sink_.append(run));
}

/// `part` ends a line; its CRLF is not part of it.
void DataReader::end_line(std::string_view part) {
    const std::uint64_t length = line_octets_ + part.size() + crlf.size();
    if (length > limits_.text_line_octets) set_fault(MessageFault::line_too_long);
    if (in_header_) {
        follow_hop_field(part);
        count_header_line(length);
        hop_field_octets_ = 0;
    }
    line_octets_ = 0;
}

/// `part` belongs to a line that goes on.
void DataReader::hold_line(std::string_view part) {
    line_octets_ += part.size();
    if (line_octets_ > limits_.text_line_octets) set_fault(MessageFault::line_too_long);
    if (in_header_) follow_hop_field(part);
}

/// The next octets of a line of the header, however it is cut. RFC 5322 section 4.5.3: white space may
/// precede the colon of an obsolete field, as much as its sender likes.
void DataReader::follow_hop_field(std::string_view part) {
    for (const char c : part) {
        if (hop_field_octets_ >= hop_field.size()) return;
        const bool is_before_colon = hop_field_octets_ + 1U == hop_field.size();
        if (is_before_colon && is_wsp(c)) continue;
        if (lower_case(c) != hop_field[hop_field_octets_]) {
            hop_field_octets_ = not_a_hop;
            return;
        }
        ++hop_field_octets_;
    }
}

void DataReader::count_header_line(std::uint64_t length_octets) {
    // RFC 5322 section 2.1: an empty line ends the header.
    if (length_octets == crlf.size()) {
        in_header_ = false;
        return;
    }
    header_octets_ += length_octets;
    if (header_octets_ > limits_.header_octets || ++header_lines_ > limits_.header_lines)
        set_fault(MessageFault::header_too_large);
    // RFC 5321 section 6.3: many Received fields mean a loop.
    if (hop_field_octets_ == hop_field.size() && ++hops_ > limits_.hops)
        set_fault(MessageFault::too_many_hops);
}

void DataReader::set_fault(MessageFault fault) {
    if (fault_ == MessageFault::none) fault_ = fault;
}

}  // namespace wicket
