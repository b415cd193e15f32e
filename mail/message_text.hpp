// What a person reads of a message: its header fields decoded, the text of its parts, and the addresses it
// leads to. Built on mime_walk; runs in the scan worker. Bounded in time and memory whatever the message is;
// what is beyond a bound is told as missing. Pure; any thread.
#pragma once

#include "mail/charset.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace wicket {

// Of all header fields together, once decoded; real headers are under 64 KiB.
inline constexpr std::size_t message_fields_limit_octets = 256U << 10U;
// Of all text parts together, decoded from their transfer encoding. A person reads no book in a mail.
inline constexpr std::size_t message_text_limit_octets = 1U << 20U;
inline constexpr std::size_t message_urls_limit = 200;  // different ones; newsletters have a hundred

enum class MessagePiece : std::uint8_t { fields, texts, urls };

class MessageReader {
public:
    virtual ~MessageReader() = default;
    /// What it has no use for is not decoded.
    virtual bool wants(MessagePiece piece) const = 0;
    /// A field of the message's header, or one that begins with Content- of a part's; the value as UTF-8.
    virtual void field(std::string_view name, std::string_view value) = 0;
    /// The text of one part, as UTF-8: see shown_text.hpp.
    virtual void text(std::string_view text) = 0;
    /// An address, as normal_url() writes it; each once.
    virtual void url(std::string_view url) = 0;
    /// Something of this kind was left out.
    virtual void missing(MessagePiece piece, std::string_view reason) = 0;
};

/// `charsets`: beyond those that mail/charset.hpp knows; may be nullptr.
void read_message(std::string_view message, const CharsetDecoder* charsets, MessageReader& reader);

}  // namespace wicket
