// The structure of a message (RFC 2045, 2046): which parts it has and where they stand, in one pass over its
// lines, without copying. Hostile input is the rule: boundaries that repeat, end nowhere or never come,
// nesting without end. Bounded in parts, depth and size of headers; what is beyond is told as cut, never
// guessed. Pure; any thread.
#pragma once

#include "mail/header.hpp"
#include "mail/mime_header.hpp"
#include "mail/transfer_encoding.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace wicket {

struct MimeLimits {
    std::size_t parts = 500;  // real mail has a few dozen; each costs a header to read
    std::size_t depth = 16;   // multiparts and messages within one another; real mail has four or five
    HeaderLimits part_header{.octets = 64U << 10U, .lines = 500};
};

/// Whose header fields are told.
enum class MimeEntity : std::uint8_t {
    message,   // the message itself
    embedded,  // a message within it
    part,      // of a multipart
};

/// A part that is not made of others.
struct MimeLeaf {
    MimeValue type = {};         // word "text/plain" where nothing is said (RFC 2045 section 5.2)
    MimeValue disposition = {};  // word "" without the field
    TransferEncoding encoding = TransferEncoding::identity;
    std::string_view content = {};  // encoded, without the line end before the boundary
};

class MimeVisitor {
public:
    virtual ~MimeVisitor() = default;
    virtual void header(const HeaderBlock& header, MimeEntity entity) = 0;
    virtual void leaf(const MimeLeaf& leaf) = 0;
    /// Something was not looked at: a few words why.
    virtual void cut(std::string_view reason) = 0;
};

/// Views that the visitor is given point into `message`. What is encoded stays so: a message in base64,
/// which RFC 2046 section 5.2.1 forbids, is a leaf.
void walk_mime(std::string_view message, MimeVisitor& visitor, const MimeLimits& limits = {});

}  // namespace wicket
