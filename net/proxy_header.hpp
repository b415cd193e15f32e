// The PROXY protocol, versions 1 and 2, of HAProxy's specification: the header with which a load balancer
// says who the client is. A pure parser, bounded: it never asks for more than 64 KiB. Any thread.
#pragma once

#include "base/ip.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace wicket {

struct ProxyHeader {
    /// LOCAL (section 2.2), UNKNOWN (section 2.1) and families other than TCP give false: then the socket's
    /// own addresses stand.
    bool has_addresses = false;
    IpAddress source;
    std::uint16_t source_port = 0;
    IpAddress destination;
    std::uint16_t destination_port = 0;

    bool operator==(const ProxyHeader&) const = default;
};

struct ProxyParse {
    enum class Status : std::uint8_t {
        complete,    // `octets` of the input are the header
        incomplete,  // all of the input belongs to the header, and more has to come
        malformed,
    };
    Status status;
    std::size_t octets = 0;
    ProxyHeader header;
};

// Section 2.1: 107 octets hold the longest line of version 1, CRLF included.
inline constexpr std::size_t proxy_v1_limit_octets = 107;
// Of version 2 beyond its first 16: addresses and TLVs. All that section 2.2 allows, since a TLV may hold a
// whole chain of certificates, and only balancers that the administrator has listed are heard, for five
// seconds.
inline constexpr std::size_t proxy_v2_limit_octets = 65535;

/// `input` is everything since the connection began.
ProxyParse parse_proxy_header(std::string_view input);

}  // namespace wicket
