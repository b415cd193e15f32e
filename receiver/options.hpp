// What an SMTP listener is told: names, features and limits. Every limit has one default here, with its
// reason; `check --limits` shows them, [listen.limits] changes them.
#pragma once

#include "base/ip.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace wicket {

struct ReceiverLimits {
    // Of a message: what large providers take.
    std::uint64_t size_octets = 50U << 20U;
    // Of a transaction; RFC 5321 section 4.5.3.1.8 wants at least 100.
    std::uint32_t recipients = 1000;
    // 5xx replies of one session; then 421. Real clients make none.
    std::uint32_t errors = 20;
    // The same while connections are scarce: one for a mistyped address, and a place for the next client.
    std::uint32_t errors_under_stress = 3;
    // Of a command with its CRLF: 512 of RFC 5321 section 4.5.3.1.4, and room for all extensions.
    std::uint32_t line_octets = 2048;
    // Of a line of the message with its CRLF; the 998 of RFC 5322 section 2.1.1 are often broken.
    std::uint32_t text_line_octets = 1U << 16U;
    // Of the header block; far above what any mail has.
    std::uint32_t header_octets = 1U << 20U;
    std::uint32_t header_lines = 2000;
    // Received fields; RFC 5321 section 6.3.
    std::uint32_t hops = 100;
    // Before the banner, so that early talkers show themselves. 0: none, and they are not seen.
    std::chrono::milliseconds greet_wait{0};
    // NOOP, RSET, VRFY, HELP, EHLO, empty chunks and what was refused for now, since the last message that
    // was taken; then 421.
    std::uint32_t idle_commands = 1000;
    // Of the messages of all sessions of all listeners, in memory and in state/spool; 452 4.3.1 beyond.
    std::uint64_t memory_octets = 1U << 30U;
    std::uint64_t spool_octets = 8ULL << 30U;
};

struct ReceiverTimeouts {
    // RFC 5321 section 4.5.3.2.7
    std::chrono::seconds command{300};
    // From the first octet of a command to its CRLF: a client sends a line at once.
    std::chrono::seconds command_rest{15};
    // RFC 5321 section 4.5.3.2.4
    std::chrono::seconds data_start{120};
    std::chrono::seconds tls_handshake{30};
    // After a refusal in place of the banner, until QUIT: a client that means well says it at once.
    std::chrono::seconds turned_away{30};
    // Averaged over 60 s of DATA or of all chunks of a message.
    std::uint32_t least_octets_per_second = 500;
};

enum class BareNewline : std::uint8_t { refuse, normalize };

struct ReceiverOptions {
    std::string hostname;
    ReceiverLimits limits;
    ReceiverTimeouts timeouts;
    std::vector<IpNetwork> xclient_networks;
    BareNewline bare_newline = BareNewline::refuse;
    bool offers_starttls = false;
    std::string spool_folder;
};

}  // namespace wicket
