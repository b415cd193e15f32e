// A DNS block or allow list as configured: [dnsbl.NAME] of a rule file. policy/ reads it, filters/dnsbl asks
// it.
#pragma once

#include "mail/facts.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace wicket {

/// A name for answers of a list: all of 127.0.0.FIRST to LAST, or one address.
struct DnsListCode {
    std::string name;
    std::uint32_t first;  // IPv4, host order
    std::uint32_t last;
};

enum class DnsListOnError : std::uint8_t { skip, defer };

struct DnsList {
    std::string name;        // of [dnsbl.NAME]; the fact is dnsbl.NAME
    std::string zone;        // lower case, without trailing dot
    std::string shown_zone;  // the same without its key (redacted_zone), for whatever is written or told
    FactId of;               // the fact whose value is asked about: an address or a domain
    FactId fact;             // dnsbl.NAME: the names of the codes that hit
    std::vector<DnsListCode> listed;
    std::vector<DnsListCode> refused;  // codes that mean "we do not answer you", beside 127.255.255.0/24
    DnsListOnError on_error = DnsListOnError::skip;
    std::chrono::milliseconds timeout{3000};
    bool asks_addresses = true;  // `of` is an address; else a domain
    bool asks_private = false;   // also ask about addresses that are nobody's on the Internet
    bool probes = true;          // health checks (RFC 5782 section 5)
};

}  // namespace wicket
