// Cuts what a client sends into lines. Bounded: what it holds is at most one read beyond one line. Lines end
// in CRLF; one that ends in LF alone, or is too long, is reported as such when it ends. Wipes what it hands
// out, since a line may hold a password. Not shared.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace wicket {

class LineBuffer {
public:
    enum class Kind : std::uint8_t {
        none,      // no whole line is here: read more
        line,      // `text` is one, without its CRLF
        too_long,  // a whole line went by that was longer than the limit
        bare_lf,   // a whole line went by that had no CR at its end
        flood,     // more than the limit of a line to be discarded: give up
    };
    struct Line {
        Kind kind;
        std::string_view text;  // until the next call
    };

    explicit LineBuffer(std::size_t discard_limit_octets) : discard_limit_octets_(discard_limit_octets) {}
    LineBuffer(const LineBuffer&) = delete;
    LineBuffer& operator=(const LineBuffer&) = delete;
    ~LineBuffer() { clear(); }

    void append(std::string_view octets);
    /// The next line of at most `limit_octets`, CRLF included.
    Line next(std::size_t limit_octets);
    /// Whether nothing follows the line that next() gave last.
    bool is_empty() const;
    void clear();

private:
    void drop_given();

    std::size_t discard_limit_octets_;
    std::string octets_;
    std::size_t begin_ = 0;    // of the line that is to come
    std::size_t scanned_ = 0;  // no LF stands before this offset
    std::size_t discarded_ = 0;
    bool is_discarding_ = false;
};

}  // namespace wicket
