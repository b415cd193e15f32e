// What a POP3 listener is told: names, features and limits. Every limit has one default here, with its
// reason.
#pragma once

#include "auth/sasl.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace wicket {

// Of a command with its CRLF, RFC 2449 section 4.
inline constexpr std::uint32_t pop3_line_octets = 255;
// What a PASS command of that length can carry. Longer passwords could log in with AUTH alone.
inline constexpr std::uint32_t pop3_password_octets = pop3_line_octets - 7;

struct Pop3Limits {
    std::uint32_t line_octets = pop3_line_octets;
    std::uint32_t sasl_octets = sasl_plain_limit_octets + 2;  // of a SASL response with its CRLF
    std::uint32_t errors = 20;             // of one session; then it is closed. Real clients make none
    std::uint32_t discard_octets = 65536;  // of one overlong line before the session is closed
    std::uint32_t reply_octets =
        16384;  // replies collected before they are written; pipelined LISTs stop here
    std::uint32_t piece_octets = 65536;  // of a message read and written at a time
};

struct Pop3Timeouts {
    // From the first octet to the maildrop, whatever is sent, and delays included. Deviation: RFC 1939
    // section 3 has no timer of less than ten minutes, but one that each line begins anew lets a stranger
    // hold a connection for ever; who is logged in has the ten minutes.
    std::chrono::seconds login{180};
    std::chrono::seconds idle{600
    };  // RFC 1939 section 3: at least ten minutes; from the end of one command to the next's
    std::chrono::seconds tls_handshake{30};
    std::chrono::seconds write{30};               // for any write, and ...
    std::uint32_t least_octets_per_second = 500;  // ... as much more as this rate needs
};

struct Pop3Options {
    std::string hostname;      // for the greeting
    bool offers_stls = false;  // there is a certificate, and the listener is not implicit TLS
    Pop3Limits limits;
    Pop3Timeouts timeouts;
};

}  // namespace wicket
