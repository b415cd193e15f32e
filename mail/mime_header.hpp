// What MIME says in header fields: Content-Type and Content-Disposition with their parameters (RFC 2045
// section 5.1, RFC 2231), and words of other charsets (RFC 2047). As tolerant as mail programs are: what is
// malformed stays as it stands. Pure; linear; any thread.
#pragma once

#include "mail/charset.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace wicket {

// More parameters than any mail program writes; further ones are not read.
inline constexpr std::size_t mime_parameters_limit = 64;

struct MimeParameter {
    std::string name;          // lower case; of RFC 2231 without the "*" parts
    std::string value;         // octets; sections put together, percent signs decoded
    std::string charset = {};  // as RFC 2231 says it; "" if it does not
    bool is_extended = false;  // written as RFC 2231 has it
};

/// A token with parameters: "text/plain; charset=utf-8", "attachment; filename*=utf-8''x".
struct MimeValue {
    std::string word;  // lower case, without white space; "" if there is none
    std::vector<MimeParameter> parameters;

    /// The first of this name; nullptr if there is none.
    const MimeParameter* find(std::string_view name) const;
    /// Its octets, or "".
    std::string_view get(std::string_view name) const;
};

MimeValue parse_mime_value(std::string_view value);

/// A field's value as people read it: unfolded, with all encoded words decoded, as UTF-8.
std::string decode_words(std::string_view value, const CharsetDecoder* others);

}  // namespace wicket
