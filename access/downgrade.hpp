// Internationalized header fields for clients that did not say UTF8 (RFC 6856 section 2, RFC 6858): the
// header block is turned into ASCII, the body stays. Pure, linear in time; memory bounded by
// downgrade_limit_octets. One thread.
#pragma once

#include "base/result.hpp"
#include "store/mail_store.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace wicket {

// A larger header block is not read as fields: its octets above 127 become '?'. Real ones have a few KiB; a
// surrogate may be some twenty times larger than what it stands for, so this bounds the memory of a session.
inline constexpr std::size_t downgrade_limit_octets = 64U << 10U;

/// What stands for `headers`, whole lines without the empty one at the end. ASCII fields are copied as they
/// are. Of the others: unstructured text becomes encoded words (RFC 2047); an address becomes
/// invalid@internationalized-address.invalid with the true one in its display name (RFC 6858 section 2.1);
/// MIME parameters go (section 2.2); any other field goes (section 2.4). Octets that are not UTF-8 get the
/// charset unknown-8bit (RFC 1428).
std::string downgrade_headers(std::string_view headers);

/// The same for a message that comes in pieces.
class HeaderDowngrader {
public:
    /// Appends to `out` what can be said by now.
    void feed(std::string_view piece, std::string& out);
    /// The message is over.
    void finish(std::string& out);
    /// From now on what comes out is what goes in.
    bool is_past_headers() const { return state_ == State::passing; }

private:
    enum class State : std::uint8_t { collecting, substituting, passing };

    void substitute(std::string_view piece, std::string& out);

    State state_ = State::collecting;
    std::string headers_;
    std::size_t scanned_ = 0;
    unsigned matched_ = 2;  // octets of CRLFCRLF just seen; the beginning counts as after a line
};

/// What HeaderDowngrader makes of the whole message, in octets. Reads as far as the headers go. May block.
Result<std::uint64_t> downgraded_size(MessageReader& reader);

}  // namespace wicket
