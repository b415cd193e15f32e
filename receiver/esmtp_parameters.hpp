// The parameters that follow the path of MAIL and RCPT (RFC 5321 section 4.1.2), and those of BDAT and
// XCLIENT. Pure functions over borrowed text: any thread, linear, no I/O.
#pragma once

#include "net/peer.hpp"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

enum class ParameterFault : std::uint8_t {
    malformed,    // not the grammar, given twice, or a value that makes no sense
    unsupported,  // well formed, and nothing we have offered
};

struct EsmtpParameter {
    std::string_view keyword;
    std::optional<std::string_view> value;  // nullopt: no "="
};

/// What MAIL may carry here.
struct MailParameters {
    std::uint64_t size_octets = 0;  // RFC 1870; 0: not given
    bool is_smtputf8 = false;       // RFC 6531
    bool is_8bit = false;           // RFC 6152: BODY=8BITMIME
};

/// Reads `*( SP keyword [ "=" value ] )`. No keyword comes twice.
std::expected<std::vector<EsmtpParameter>, ParameterFault> parse_esmtp_parameters(std::string_view text);

/// unsupported: DSN (RFC 3461), REQUIRETLS (RFC 8689), BINARYMIME (RFC 3030), AUTH= (RFC 4954) and whatever
/// else.
std::expected<MailParameters, ParameterFault> parse_mail_parameters(std::string_view text);

/// RCPT has none here: whatever is well formed is unsupported.
std::optional<ParameterFault> check_rcpt_parameters(std::string_view text);

struct ChunkSize {
    std::uint64_t octets;
    bool is_last;
};

enum class ChunkFault : std::uint8_t {
    malformed,
    too_large,  // well formed, and does not fit in 64 bits
};

/// RFC 3030 section 2: `chunk-size [ SP "LAST" ]`. Digits only.
std::expected<ChunkSize, ChunkFault> parse_chunk_size(std::string_view text);

/// The client that XCLIENT describes (the attributes NAME, ADDR, PORT and HELO, values in xtext of RFC 3461
/// section 4), everything else as in `peer`. nullopt: malformed, or another attribute.
/// An address that is [UNAVAILABLE] or [TEMPUNAVAIL] becomes 0.0.0.0, marked as not known: that of the sender
/// of XCLIENT would lend its privileges to a stranger.
std::optional<Peer> apply_xclient(std::string_view text, const Peer& peer);

}  // namespace wicket
