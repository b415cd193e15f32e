// DNS messages in wire form, as far as answers are concerned: a pure, bounded parser, and the checks on names
// that we ask for. Any thread.
#pragma once

#include "base/dns.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace wicket {

// No sender needs more, and a filter must not be made to work through thousands of hosts.
inline constexpr std::size_t dns_records_limit = 64;
// RFC 1035 section 4.2.2: a message over TCP has no more. All records of one answer together.
inline constexpr std::size_t dns_answer_limit_octets = 65536;
// Longer chains of CNAME do not occur but by mistake or malice; libunbound follows 11.
inline constexpr int dns_aliases_limit = 16;

/// `name` with a dot at its end, and with escapes (RFC 1035 section 5.1) for what is not plain.
std::string to_master_form(std::string_view name);

/// The answer to `question` in `message`; aliases are followed inside it. is_authentic and micros stay as
/// they are by default. A message that makes no sense gives try_again. ttl_seconds is the least of the
/// records used; of a negative answer RFC 2308 section 5 says it (the SOA), or 0.
DnsAnswer parse_dns_answer(const DnsQuestion& question, std::string_view message);

/// "SERVFAIL", "REFUSED", ...; "RCODE 11" for what has no name here.
std::string rcode_name(int rcode);

}  // namespace wicket
