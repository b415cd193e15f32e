#include "net/proxy_header.hpp"

#include <array>
#include <charconv>
#include <optional>

namespace wicket {

namespace {

using Status = ProxyParse::Status;

constexpr std::string_view v2_signature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::string_view v1_signature = "PROXY ";
constexpr std::size_t v2_fixed_octets = 16;

std::uint8_t octet_at(std::string_view input, std::size_t at) {
    return static_cast<std::uint8_t>(input[at]);
}

std::uint16_t number_at(std::string_view input, std::size_t at) {
    return static_cast<std::uint16_t>(octet_at(input, at) << 8U | octet_at(input, at + 1));
}

// Section 2.1: decimal, 0 to 65535, without leading zeros.
std::optional<std::uint16_t> parse_port(std::string_view text) {
    if (text.empty() || text.size() > 5 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value > 65535) return std::nullopt;
    return static_cast<std::uint16_t>(value);
}

// "TCP4 source destination port port": exactly one space between, none after.
std::optional<ProxyHeader> parse_v1_line(std::string_view line) {
    if (line == "UNKNOWN" || line.starts_with("UNKNOWN ")) return ProxyHeader{};
    std::array<std::string_view, 5> words;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const auto space = line.find(' ');
        if ((space == std::string_view::npos) != (i + 1 == words.size())) return std::nullopt;
        words[i] = line.substr(0, space);
        if (space != std::string_view::npos) line.remove_prefix(space + 1);
    }
    if (words[0] != "TCP4" && words[0] != "TCP6") return std::nullopt;
    const bool wants_colons = words[0] == "TCP6";
    for (const auto word : {words[1], words[2]}) {
        if ((word.find(':') != std::string_view::npos) != wants_colons) return std::nullopt;
    }
    const auto source = IpAddress::parse(words[1]);
    const auto destination = IpAddress::parse(words[2]);
    const auto source_port = parse_port(words[3]);
    const auto destination_port = parse_port(words[4]);
    if (!source || !destination || !source_port || !destination_port) return std::nullopt;
    return ProxyHeader{true, *source, *source_port, *destination, *destination_port};
}

ProxyParse parse_v1(std::string_view input) {
    const auto part = input.substr(0, proxy_v1_limit_octets);
    const auto end = part.find('\n');
    if (end == std::string_view::npos) {
        return {part.size() < proxy_v1_limit_octets ? Status::incomplete : Status::malformed, 0, {}};
    }
    if (end < v1_signature.size() + 1 || part[end - 1] != '\r') return {Status::malformed, 0, {}};
    const auto header = parse_v1_line(part.substr(v1_signature.size(), end - 1 - v1_signature.size()));
    if (!header) return {Status::malformed, 0, {}};
    return {Status::complete, end + 1, *header};
}

ProxyParse parse_v2(std::string_view input) {
    if (input.size() < v2_fixed_octets) return {Status::incomplete, 0, {}};
    const unsigned version = octet_at(input, 12) >> 4U;
    const unsigned command = octet_at(input, 12) & 15U;
    const unsigned family = octet_at(input, 13) >> 4U;
    const unsigned transport = octet_at(input, 13) & 15U;
    const std::size_t length = number_at(input, 14);  // at most proxy_v2_limit_octets
    // Section 2.2: receivers must drop other versions and commands.
    if (version != 2 || command > 1) return {Status::malformed, 0, {}};
    const std::size_t total = v2_fixed_octets + length;
    if (input.size() < total) return {Status::incomplete, 0, {}};
    // LOCAL: a health check of the balancer itself. Unspecified and other families: the addresses are
    // unknown.
    if (command == 0 || (family != 1 && family != 2) || transport != 1) return {Status::complete, total, {}};
    const std::size_t width = family == 1 ? 4 : 16;
    if (length < 2 * width + 4) return {Status::malformed, 0, {}};
    const auto source = IpAddress::from_octets(input.substr(v2_fixed_octets, width));
    const auto destination = IpAddress::from_octets(input.substr(v2_fixed_octets + width, width));
    if (!source || !destination) return {Status::malformed, 0, {}};
    const std::size_t ports = v2_fixed_octets + 2 * width;
    return {
        Status::complete,
        total,
        {true, *source, number_at(input, ports), *destination, number_at(input, ports + 2)},
    };
}

}  // namespace

ProxyParse parse_proxy_header(std::string_view input) {
    if (input.substr(0, v2_signature.size()) == v2_signature.substr(0, input.size())) return parse_v2(input);
    if (input.substr(0, v1_signature.size()) == v1_signature.substr(0, input.size())) return parse_v1(input);
    return {Status::malformed, 0, {}};
}

}  // namespace wicket
