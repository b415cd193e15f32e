#include "net/proxy_header.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace wicket {
namespace {

using Status = ProxyParse::Status;

IpAddress parsed(std::string_view text) {
    return IpAddress::parse(text).value();
}

std::string v2(unsigned version_and_command, unsigned family, std::string_view body, int length = -1) {
    std::string out("\r\n\r\n\0\r\nQUIT\n", 12);
    const auto octets = length < 0 ? body.size() : static_cast<std::size_t>(length);
    for (const std::size_t value :
         {std::size_t{version_and_command}, std::size_t{family}, octets >> 8U, octets & 255U}) {
        out += static_cast<char>(value);
    }
    return out.append(body);
}

const std::string four_body("\xC0\x00\x02\x01\xC0\x00\x02\x02\x30\x39\x00\x19", 12);
const std::string six_body(
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x30\x39\x00\x19", 36
);

struct Case {
    std::string name, input;
    Status status;
    ProxyHeader header = {};
};

std::vector<Case> cases() {
    const ProxyHeader four{true, parsed("192.0.2.1"), 12345, parsed("192.0.2.2"), 25};
    const ProxyHeader six{true, parsed("2001:db8::1"), 12345, parsed("2001:db8::2"), 25};
    return {
        {"v1 IPv4", "PROXY TCP4 192.0.2.1 192.0.2.2 12345 25\r\n", Status::complete, four},
        {"v1 IPv6", "PROXY TCP6 2001:db8::1 2001:db8::2 12345 25\r\n", Status::complete, six},
        {"v1 unknown", "PROXY UNKNOWN\r\n", Status::complete, {}},
        {"v1 unknown with addresses", "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", Status::complete, {}},
        {"v1 another family", "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n", Status::malformed},
        {"v1 family and address differ", "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", Status::malformed},
        {"v1 no address", "PROXY TCP4 mx.example 192.0.2.2 1 2\r\n", Status::malformed},
        {"v1 port above 65535", "PROXY TCP4 192.0.2.1 192.0.2.2 65536 25\r\n", Status::malformed},
        {"v1 port with leading zero", "PROXY TCP4 192.0.2.1 192.0.2.2 025 25\r\n", Status::malformed},
        {"v1 port with sign", "PROXY TCP4 192.0.2.1 192.0.2.2 +25 25\r\n", Status::malformed},
        {"v1 two spaces", "PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n", Status::malformed},
        {"v1 a sixth word", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", Status::malformed},
        {"v1 too few words", "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", Status::malformed},
        {"v1 bare LF", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", Status::malformed},
        {"v1 107 octets without an end", "PROXY " + std::string(101, 'x'), Status::malformed},
        {"v1 106 octets without an end", "PROXY " + std::string(100, 'x'), Status::incomplete},
        {"v1 in lower case", "proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n", Status::malformed},
        {"no header", "EHLO mx.example\r\n", Status::malformed},
        {"TLS", std::string("\x16\x03\x01\x02\x00", 5), Status::malformed},
        {"nothing", "", Status::incomplete},
        {"v2 IPv4", v2(0x21, 0x11, four_body), Status::complete, four},
        {"v2 IPv6", v2(0x21, 0x21, six_body), Status::complete, six},
        {"v2 with a TLV", v2(0x21, 0x11, four_body + std::string("\x04\0\0", 3)), Status::complete, four},
        {"v2 LOCAL", v2(0x20, 0x11, four_body), Status::complete, {}},
        {"v2 LOCAL without addresses", v2(0x20, 0x00, ""), Status::complete, {}},
        {"v2 unspecified family", v2(0x21, 0x00, ""), Status::complete, {}},
        {"v2 Unix socket", v2(0x21, 0x31, std::string(216, 'a')), Status::complete, {}},
        {"v2 UDP", v2(0x21, 0x12, four_body), Status::complete, {}},
        {"v2 version 1", v2(0x11, 0x11, four_body), Status::malformed},
        {"v2 another command", v2(0x22, 0x11, four_body), Status::malformed},
        {"v2 too short for its family", v2(0x21, 0x11, four_body.substr(1)), Status::malformed},
        {"v2 IPv4 addresses as IPv6", v2(0x21, 0x21, four_body), Status::malformed},
        {"v2 longest", v2(0x20, 0x00, std::string(proxy_v2_limit_octets, 'x')), Status::complete, {}},
        {"v2 broken signature", std::string("\r\n\r\n\0\r\nQUIX\n", 12), Status::malformed},
    };
}

TEST(ProxyHeader, ReadsWhatTheSpecificationAllowsAndNothingElse) {
    for (const auto& [name, input, status, header] : cases()) {
        SCOPED_TRACE(name);
        const auto parsed = parse_proxy_header(input);
        EXPECT_EQ(parsed.status, status);
        EXPECT_EQ(parsed.header, header);
        if (status == Status::complete) {
            EXPECT_EQ(parsed.octets, input.size());
        }
    }
}

TEST(ProxyHeader, LeavesWhatFollowsAndWaitsForTheRest) {
    for (const auto& [name, input, status, header] : cases()) {
        SCOPED_TRACE(name);
        if (status != Status::complete) continue;
        const auto parsed = parse_proxy_header(input + "EHLO\r\n");
        EXPECT_EQ(parsed.status, Status::complete);
        EXPECT_EQ(parsed.octets, input.size());
        for (std::size_t cut = 0; cut < input.size(); ++cut) {
            EXPECT_EQ(parse_proxy_header(std::string_view(input).substr(0, cut)).status, Status::incomplete)
                << cut;
        }
    }
}

}  // namespace
}  // namespace wicket
