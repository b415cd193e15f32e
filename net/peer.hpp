// Who is on the other side of a connection: fixed once PROXY has been read. XCLIENT makes a new one. A value.
#pragma once

#include "base/ip.hpp"

#include <cstdint>
#include <string>

namespace wicket {

/// Whether the client's address is known: XCLIENT may say that it is not, or not for now.
enum class AddressKnown : std::uint8_t { yes, no, not_for_now };

struct Peer {
    IpAddress ip;  // the client's, after PROXY or XCLIENT; 0.0.0.0 if it is not known
    AddressKnown ip_known = AddressKnown::yes;
    std::uint16_t port = 0;
    IpAddress local_ip;
    std::uint16_t local_port = 0;
    IpAddress socket_ip;  // who really opened the socket: equal to `ip` without PROXY and XCLIENT
    /// XCLIENT NAME=: taken instead of a PTR look-up. "[UNAVAILABLE]" and "[TEMPUNAVAIL]" as they are; empty:
    /// look it up.
    std::string claimed_name;
    /// XCLIENT HELO=: stands for the name in EHLO and HELO; empty: none.
    std::string claimed_helo;
};

struct TlsDetails {
    std::string version;  // "TLSv1.3"; empty without TLS
    std::string cipher;
    std::string server_name;  // SNI
    bool is_on() const { return !version.empty(); }
};

}  // namespace wicket
