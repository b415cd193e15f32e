// The trace fields that a receiving server puts before a message (RFC 5321 section 4.4). What the peer said
// is escaped, so that no line and no clause of ours can be forged through it. Values; any thread.
#pragma once

#include "base/clock.hpp"
#include "base/ip.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace wicket {

/// What the client greeted with; decides the "with" word (RFC 3848, RFC 6531 section 4.3).
enum class TraceProtocol : std::uint8_t { smtp, esmtp, lmtp };

struct ReceivedTrace {
    std::string helo;         // as the client gave it
    IpAddress client_ip;      // 0.0.0.0: not known
    std::string client_name;  // its verified name; empty: "unknown"
    std::string hostname;     // ours
    TraceProtocol protocol = TraceProtocol::esmtp;
    std::string tls_version;  // empty: no TLS
    std::string tls_cipher;
    bool is_authenticated = false;
    bool is_smtputf8 = false;
    std::string id;
    std::string recipient;  // empty: several, whom one another's fields must not tell (RFC 5321 section 7.2)
    WallTime time;
};

/// `Return-Path: <...>` with CRLF; `reverse_path` without brackets, empty for the null reverse-path.
std::string return_path_field(std::string_view reverse_path);

/// `Received: from HELO (NAME [IP]) by HOST with ESMTPS id ID for <RCPT>; DATE`, folded, with CRLF.
std::string received_field(const ReceivedTrace& trace);

/// "ESMTPSA", "UTF8SMTPS", "LMTP", ...: the IANA registry of mail transmission types.
std::string with_protocol(const ReceivedTrace& trace);

}  // namespace wicket
