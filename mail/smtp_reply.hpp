// An SMTP reply as a value (RFC 5321 section 4.2, RFC 2034).
#pragma once

#include <string>
#include <string_view>

namespace wicket {

struct SmtpReply {
    int code = 250;
    std::string enhanced;  // "5.7.1"; empty where RFC 2034 wants none
    std::string text;      // lines separated by '\n'; printable ASCII or UTF-8, never CR

    /// With CRLF at the end of each line; lines over 500 octets are folded into several (RFC 5321
    /// section 4.5.3.1.5).
    std::string to_wire() const;
    bool is_positive() const { return code < 400; }
    bool operator==(const SmtpReply&) const = default;
};

}  // namespace wicket
