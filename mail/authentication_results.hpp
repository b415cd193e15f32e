// Authentication-Results (RFC 8601): finds the fields that claim to be ours, so that they are cut out of what
// users are served, and writes our own. Whatever a peer put into helo, sender or signature is quoted, so that
// it cannot add a result. Linear; values; any thread.
#pragma once

#include "mail/header.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

/// The Authentication-Results fields whose authserv-id is `our_id` without regard to case, or cannot be read
/// (RFC 8601 section 5): whole fields, in order.
std::vector<OctetRange> claimed_results(const HeaderBlock& header, std::string_view our_id);

struct AuthenticationProperty {
    std::string name;   // ptype and property, ours: "smtp.mailfrom", "header.d"
    std::string value;  // the peer's
};

struct AuthenticationResult {
    std::string method;  // ours: "spf", "dkim", "iprev"
    std::string result;  // ours: "pass", "temperror"
    std::string reason;  // free text, or empty
    std::vector<AuthenticationProperty> properties;
};

/// The whole field, folded, with CRLF; without results `ID; none` (RFC 8601 section 2.2).
std::string authentication_results_field(
    std::string_view our_id, std::span<const AuthenticationResult> results
);

}  // namespace wicket
