#include "base/ip.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <span>

namespace wicket {
namespace {

constexpr std::size_t ipv4_octets = 4;
constexpr std::size_t ipv6_octets = 16;
constexpr std::size_t ipv4_offset = ipv6_octets - ipv4_octets;
constexpr int mapped_prefix_bits = 96;

// The longest text of an IPv6 address (INET6_ADDRSTRLEN counts the NUL).
constexpr std::size_t text_limit_octets = INET6_ADDRSTRLEN - 1;

bool is_mapped_ipv4(const unsigned char* bytes) {
    return std::all_of(bytes, bytes + 10, [](unsigned char octet) { return octet == 0; }) &&
           bytes[10] == 0xFF && bytes[11] == 0xFF;
}

/// Whether the first `bits` bits of both are the same.
bool equal_bits(std::string_view a, std::string_view b, int bits) {
    const auto whole = static_cast<std::size_t>(bits / 8);
    if (a.substr(0, whole) != b.substr(0, whole)) return false;
    const int rest = bits % 8;
    if (rest == 0) return true;
    const auto mask = static_cast<unsigned char>(0xFF << (8 - rest));
    return ((static_cast<unsigned char>(a[whole]) ^ static_cast<unsigned char>(b[whole])) & mask) == 0;
}

struct Prefix {
    std::array<unsigned char, 16> octets;
    int bits;
};

bool is_in_any(std::string_view octets, std::span<const Prefix> prefixes) {
    return std::ranges::any_of(prefixes, [octets](const Prefix& prefix) {
        const std::string_view of_prefix(reinterpret_cast<const char*>(prefix.octets.data()), octets.size());
        return equal_bits(octets, of_prefix, prefix.bits);
    });
}

constexpr std::array private_ipv4 = {
    Prefix{{0},        8 }, // "this network", RFC 1122 section 3.2.1.3
    Prefix{{10},       8 }, // RFC 1918
    Prefix{{100, 64},  10}, // CGNAT, RFC 6598
    Prefix{{127},      8 }, // loopback
    Prefix{{169, 254}, 16}, // link-local, RFC 3927
    Prefix{{172, 16},  12}, // RFC 1918
    Prefix{{192, 168}, 16}, // RFC 1918
    Prefix{{224},      4 }, // multicast
    Prefix{{240},      4 }, // reserved and broadcast, RFC 1112 section 4
};

constexpr std::array private_ipv6 = {
    Prefix{{},                                               128}, // unspecified
    Prefix{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128}, // loopback
    Prefix{{0xFC},                                           7  }, // ULA, RFC 4193
    Prefix{{0xFE, 0x80},                                     10 }, // link-local
    Prefix{{0xFF},                                           8  }, // multicast
};

/// "0" to "`most`" without sign or leading zeros.
std::optional<int> parse_bits(std::string_view text, int most) {
    if (text.empty() || text.size() > 3 || (text.size() > 1 && text.front() == '0')) return std::nullopt;
    if (!std::ranges::all_of(text, is_digit)) return std::nullopt;
    int bits = 0;
    std::from_chars(text.data(), text.data() + text.size(), bits);
    if (bits > most) return std::nullopt;
    return bits;
}

}  // namespace

IpAddress::IpAddress() {
    bytes_[10] = bytes_[11] = 0xFF;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    if (text.empty() || text.size() > text_limit_octets || text.contains('\0')) return std::nullopt;
    std::array<char, text_limit_octets + 1> terminated{};
    std::ranges::copy(text, terminated.begin());
    std::array<unsigned char, ipv6_octets> octets{};
    const bool has_colon = text.contains(':');
    if (::inet_pton(has_colon ? AF_INET6 : AF_INET, terminated.data(), octets.data()) != 1)
        return std::nullopt;
    return from_octets({reinterpret_cast<const char*>(octets.data()), has_colon ? ipv6_octets : ipv4_octets});
}

std::optional<IpAddress> IpAddress::from_octets(std::string_view octets) {
    IpAddress address;
    if (octets.size() == ipv4_octets) {
        std::memcpy(address.bytes_.data() + ipv4_offset, octets.data(), ipv4_octets);
        return address;
    }
    if (octets.size() != ipv6_octets) return std::nullopt;
    std::memcpy(address.bytes_.data(), octets.data(), ipv6_octets);
    address.is_ipv4_ = is_mapped_ipv4(address.bytes_.data());
    return address;
}

std::string_view IpAddress::octets() const {
    const std::string_view all(reinterpret_cast<const char*>(bytes_.data()), bytes_.size());
    return is_ipv4_ ? all.substr(ipv4_offset) : all;
}

std::string IpAddress::to_string() const {
    if (is_ipv4_) return fmt::format("{}.{}.{}.{}", bytes_[12], bytes_[13], bytes_[14], bytes_[15]);

    std::array<unsigned, 8> groups{};
    for (std::size_t at = 0; at < groups.size(); ++at)
        groups[at] = static_cast<unsigned>(bytes_[2 * at] << 8 | bytes_[2 * at + 1]);
    // RFC 5952 section 4.2: "::" stands for the longest run of two or more zero groups, the first of equals.
    std::size_t run_begin = groups.size();
    std::size_t run_length = 1;
    for (std::size_t at = 0; at < groups.size(); ++at) {
        std::size_t end = at;
        while (end < groups.size() && groups[end] == 0)
            ++end;
        if (end - at > run_length) {
            run_begin = at;
            run_length = end - at;
        }
        if (end > at) at = end - 1;
    }
    std::string text;
    for (std::size_t at = 0; at < groups.size(); ++at) {
        if (at == run_begin) {
            text += "::";
            at += run_length - 1;
            continue;
        }
        if (!text.empty() && !text.ends_with(':')) text += ':';
        fmt::format_to(std::back_inserter(text), "{:x}", groups[at]);
    }
    return text;
}

bool IpAddress::is_loopback() const {
    if (is_ipv4_) return bytes_[12] == 127;
    return bytes_[15] == 1 &&
           std::all_of(bytes_.begin(), bytes_.end() - 1, [](auto octet) { return octet == 0; });
}

bool IpAddress::is_private() const {
    return is_ipv4_ ? is_in_any(octets(), private_ipv4) : is_in_any(octets(), private_ipv6);
}

std::string IpAddress::reversed_labels() const {
    if (is_ipv4_) return fmt::format("{}.{}.{}.{}", bytes_[15], bytes_[14], bytes_[13], bytes_[12]);
    constexpr std::string_view digits = "0123456789abcdef";
    std::string labels;
    labels.reserve(4 * bytes_.size());
    for (std::size_t at = bytes_.size(); at-- > 0;) {
        labels += digits[bytes_[at] & 0xFU];
        labels += '.';
        labels += digits[bytes_[at] >> 4U];
        labels += '.';
    }
    labels.pop_back();
    return labels;
}

std::optional<IpNetwork> IpNetwork::parse(std::string_view text) {
    const std::size_t slash = text.find('/');
    const std::string_view address_text = text.substr(0, slash);
    const auto address = IpAddress::parse(address_text);
    if (!address) return std::nullopt;
    const int most = address->is_ipv4() ? 32 : 128;
    if (slash == std::string_view::npos) return IpNetwork(*address, most);

    // Bits count from the left of the text as it is written, also of ::ffff:192.0.2.0/120.
    const int skipped = address->is_ipv4() && address_text.contains(':') ? mapped_prefix_bits : 0;
    const auto bits = parse_bits(text.substr(slash + 1), most + skipped);
    if (!bits || *bits < skipped) return std::nullopt;
    const IpNetwork network = around(*address, *bits - skipped);
    if (network.address() != *address) return std::nullopt;
    return network;
}

IpNetwork IpNetwork::around(const IpAddress& address, int prefix_bits) {
    std::string octets(address.octets());
    const int most = static_cast<int>(octets.size()) * 8;
    prefix_bits = std::clamp(prefix_bits, 0, most);
    for (int bit = prefix_bits; bit < most; ++bit) {
        auto& octet = octets[static_cast<std::size_t>(bit / 8)];
        octet = static_cast<char>(static_cast<unsigned char>(octet) & ~(0x80U >> (bit % 8)));
    }
    // A short IPv6 prefix cannot make a mapped address of one that was not: that needs 96 bits, kept or zero.
    return {*IpAddress::from_octets(octets), prefix_bits};
}

bool IpNetwork::contains(const IpAddress& address) const {
    return address.is_ipv4() == address_.is_ipv4() &&
           equal_bits(address.octets(), address_.octets(), prefix_bits_);
}

std::string IpNetwork::to_string() const {
    return fmt::format("{}/{}", address_.to_string(), prefix_bits_);
}

IpNetwork neighbourhood(const IpAddress& address) {
    return IpNetwork::around(address, address.is_ipv4() ? 24 : 64);
}

}  // namespace wicket
