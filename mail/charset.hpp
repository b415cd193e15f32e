// Text in any charset as UTF-8, so that one pattern fits them all. What cannot be decoded becomes U+FFFD, and
// what does not say what it is, or says something that nobody knows, is UTF-8 if it can be, else
// windows-1252. Nothing fails: mail is read as a person would see it. Pure; linear; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wicket {

/// The charsets that are not known here: in a scan worker those of iconv.
class CharsetDecoder {
public:
    virtual ~CharsetDecoder() = default;
    /// As UTF-8; nullopt if the charset is not known. `charset` is in lower case.
    virtual std::optional<std::string> decode(std::string_view charset, std::string_view octets) const = 0;
};

/// `octets` as UTF-8. `charset` as the message names it, "" if it does not; `others` may be nullptr. At most
/// three times as long as what it is made from.
std::string decode_text(std::string_view octets, std::string_view charset, const CharsetDecoder* others);

void append_utf8(char32_t character, std::string& to);

struct Utf8Character {
    char32_t value;
    std::size_t length;  // octets; 0 at the end of the text
};
/// The character that `text`, which is UTF-8, begins with. An octet that is none is U+FFFD.
Utf8Character first_character(std::string_view text);

}  // namespace wicket
