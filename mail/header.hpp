// The header block of a message, cut into fields without copying: one linear pass, nothing decoded. A
// HeaderBlock borrows the text that it was made from. Tolerant where RFC 5322 section 4 is (white space
// before the colon), and where it must be to see what any mail program downstream may see: everything up to
// the first empty line is header, and a line that is no field is a fault, not an end. Values; any thread; no
// I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

/// A part of a message.
struct OctetRange {
    std::size_t offset;
    std::size_t length;

    bool operator==(const OctetRange&) const = default;
};

// RFC 5322 section 2.1.1, without CRLF.
inline constexpr std::size_t line_limit_octets = 998;

/// What the header may be at most; reading stops there.
struct HeaderLimits {
    std::size_t octets = std::size_t{1} << 20U;  // the whole block; real ones are under 64 KiB
    std::size_t lines = 2000;                    // folded lines count one each
};

/// The first thing that is wrong with a header block.
enum class HeaderFault : std::uint8_t {
    too_large,       // over HeaderLimits::octets: the rest was not read
    too_many_lines,  // over HeaderLimits::lines: the rest was not read
    not_a_field,  // a line without a name and colon, or a folded one that continues nothing: it was skipped
};

struct HeaderField {
    std::string_view name;   // as written, without white space
    std::string_view value;  // from after the colon to before the last CRLF; folds are still in it
    OctetRange whole;        // name to CRLF, in the text that was parsed

    bool is(std::string_view wanted_name) const;
};

struct HeaderBlock {
    std::vector<HeaderField> fields;
    std::optional<HeaderFault> fault;
    /// Where the body begins, after the empty line; the size of the text if there is no empty line.
    std::size_t size_octets = 0;
    bool has_end = false;            // the empty line was found
    bool has_too_long_line = false;  // over line_limit_octets

    std::size_t count(std::string_view name) const;
    /// The first of this name; nullptr if there is none.
    const HeaderField* find(std::string_view name) const;
};

/// Reads the header block that `text` (a message, or enough of its beginning) starts with. Lines end with
/// CRLF or LF.
HeaderBlock parse_header(std::string_view text, const HeaderLimits& limits = {});

/// A value as people read it: line ends gone, white space around it gone (RFC 5322 section 2.2.3).
std::string unfold(std::string_view value);

/// The fields that are missing (RFC 5322 section 3.6: Date and From) or stand twice and must not, as
/// lower-case names in the order of section 3.6.
struct HeaderSanity {
    std::vector<std::string> missing;
    std::vector<std::string> duplicate;
};
HeaderSanity check_fields(const HeaderBlock& header);

// A message that was delivered at more places than this is in a loop anyway.
inline constexpr std::size_t delivered_to_limit = 100;

/// The values of the Delivered-To fields, unfolded, without angle brackets; at most delivered_to_limit of
/// them.
std::vector<std::string> delivered_to(const HeaderBlock& header);

/// How many Received fields say "by HOSTNAME", without regard to case: how often the message was here before.
std::size_t count_received_by(const HeaderBlock& header, std::string_view hostname);

/// Finds lines over line_limit_octets in a text that comes in pieces, in constant memory.
class LineLengthScan {
public:
    void feed(std::string_view octets);
    bool has_too_long_line() const { return has_too_long_line_; }

private:
    std::size_t line_octets_ = 0;
    bool ends_with_cr_ = false;
    bool has_too_long_line_ = false;
};

}  // namespace wicket
