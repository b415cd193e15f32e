// IPv4 and IPv6 addresses and networks as values. An IPv4-mapped IPv6 address is IPv4 here, so that one
// client has one address whatever socket it came by. Any thread, no allocation except for returned strings.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wicket {

class IpAddress {
public:
    /// The unspecified IPv4 address 0.0.0.0.
    IpAddress();

    /// Dotted decimal or RFC 4291 section 2.2 text; no brackets, no zone, no leading zeros in IPv4.
    static std::optional<IpAddress> parse(std::string_view text);
    /// Four or sixteen octets in network order; nullopt for any other length.
    static std::optional<IpAddress> from_octets(std::string_view octets);

    bool is_ipv4() const { return is_ipv4_; }
    /// Four or sixteen octets in network order; they live as long as this value.
    std::string_view octets() const;
    /// RFC 5952 for IPv6.
    std::string to_string() const;

    bool is_loopback() const;
    /// Loopback, RFC 1918, link-local, CGNAT (RFC 6598), ULA, multicast, unspecified: nobody on the Internet.
    /// Documentation networks count as public.
    bool is_private() const;

    /// "4.3.2.1" or 32 reversed nibbles, without a suffix: the form in which block lists and PTR ask.
    std::string reversed_labels() const;

    auto operator<=>(const IpAddress&) const = default;

private:
    std::array<unsigned char, 16> bytes_{};  // IPv4 stands in the last four, after ::ffff:
    bool is_ipv4_ = true;
};

/// An address prefix (CIDR).
class IpNetwork {
public:
    /// "192.0.2.0/24", "2001:db8::/32", or an address alone. Bits beyond the prefix must be zero.
    static std::optional<IpNetwork> parse(std::string_view text);
    /// The network of `prefix_bits` (0 to 32 or 128) that `address` lies in.
    static IpNetwork around(const IpAddress& address, int prefix_bits);

    bool contains(const IpAddress& address) const;
    const IpAddress& address() const { return address_; }
    int prefix_bits() const { return prefix_bits_; }
    std::string to_string() const;

    auto operator<=>(const IpNetwork&) const = default;

private:
    IpNetwork(const IpAddress& address, int prefix_bits) : address_(address), prefix_bits_(prefix_bits) {}

    IpAddress address_;
    int prefix_bits_;
};

/// The network that limits and folding count by: /24 of IPv4, /64 of IPv6.
IpNetwork neighbourhood(const IpAddress& address);

}  // namespace wicket
