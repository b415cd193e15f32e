// Whatever a balancer sends: a header is found whole or not at all, and every part of it is incomplete.
#include "net/proxy_header.hpp"

#include <cstdint>
#include <cstdlib>

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using Status = wicket::ProxyParse::Status;
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto parsed = wicket::parse_proxy_header(input);
    if (parsed.status == Status::complete) {
        require(parsed.octets > 0 && parsed.octets <= size);
        const auto exact = wicket::parse_proxy_header(input.substr(0, parsed.octets));
        require(exact.status == Status::complete && exact.header == parsed.header);
        require(wicket::parse_proxy_header(input.substr(0, parsed.octets - 1)).status == Status::incomplete);
    }
    if (parsed.status == Status::incomplete) require(size < 16 + wicket::proxy_v2_limit_octets);
    // The first octet decides which version it is: only that one's limit counts.
    if (parsed.status == Status::incomplete && size > 0 && data[0] == 'P')
        require(size < wicket::proxy_v1_limit_octets);
    return 0;
}
