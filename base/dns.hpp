// DNS questions and answers as values, shared by the resolver, the filters, the scan workers and the
// decision record. No I/O here; net/resolver.hpp asks. Any thread.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

/// The record types we ask for; the values are those of the IANA registry.
enum class DnsType : std::uint16_t {
    a = 1,
    ns = 2,
    cname = 5,
    soa = 6,
    ptr = 12,
    mx = 15,
    txt = 16,
    aaaa = 28,
    spf = 99,
    tlsa = 52
};

struct DnsQuestion {
    std::string name;  // lower case, no trailing dot, presentation form without escapes; at most 253 octets
    DnsType type;

    auto operator<=>(const DnsQuestion&) const = default;
};

enum class DnsStatus : std::uint8_t {
    found,         // records are there
    no_data,       // the name exists, without records of this type
    no_such_name,  // NXDOMAIN
    try_again,     // SERVFAIL, time-out, bogus, or an answer that makes no sense: a temporary failure
};

struct DnsAnswer {
    DnsStatus status = DnsStatus::try_again;
    /// A, AAAA: 4 or 16 octets. TXT: the strings joined (RFC 7208 section 3.3). PTR, NS, CNAME: the name in
    /// lower case without trailing dot. MX: two octets of preference in network order, then the name ("" is
    /// the root, RFC 7505). Others: the RDATA as it is.
    std::vector<std::string> records;
    std::uint32_t ttl_seconds = 0;
    bool is_authentic = false;  // DNSSEC-validated
    std::uint32_t micros = 0;   // how long the asker waited; 0 from a cache
    std::string reason;         // with try_again: why, in a few words

    bool operator==(const DnsAnswer&) const = default;
};

/// A question with its answer: the evidence of a filter.
struct DnsLookup {
    DnsQuestion question;
    DnsAnswer answer;

    bool operator==(const DnsLookup&) const = default;
};

/// RFC 1035 section 2.3.4: labels of 1 to 63 octets, 253 in all as text, no dot at the end. Any octets, since
/// an underscore is not the only thing that people put into names.
bool is_askable_name(std::string_view name);

/// "A", "TXT", ...; "TYPE99" for what has no name here.
std::string to_string(DnsType type);
/// "found", "no_data", "no_such_name", "try_again": the words of the record.
std::string_view to_string(DnsStatus status);
/// A record as people write it: an address, `10 mx.example.org`, the text.
std::string record_to_text(DnsType type, std::string_view record);

}  // namespace wicket
