// One SPF record under the strict grammar of RFC 7208 section 12. libspf2 accepts much that the RFC refuses
// and overruns its buffers on some of it, so nothing that fails here comes near it. Values; any thread.
#pragma once

#include "base/ip.hpp"
#include "filters/scan/spf_macro.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

enum class SpfMechanism : std::uint8_t { all, include, a, mx, ptr, ip4, ip6, exists };

struct SpfTerm {
    SpfMechanism mechanism = SpfMechanism::all;
    char qualifier = '+';        // + - ~ ?
    SpfMacroString target = {};  // empty: the domain itself
    int ip4_prefix = 32;         // of a, mx, ip4
    int ip6_prefix = 128;
    std::string network = {};  // of ip4 and ip6: 4 or 16 octets
};

struct SpfRecord {
    std::vector<SpfTerm> terms;
    std::optional<SpfMacroString> redirect;     // never beside `all`: RFC 7208 section 6.1
    std::optional<SpfMacroString> explanation;  // exp=
};

// Published records stay under 512 octets; ten times that is room for the clumsy, more is for attackers.
inline constexpr std::size_t spf_record_limit_octets = 4096;

/// Whether a TXT record is an SPF record at all: RFC 7208 section 4.5.
bool is_spf_record(std::string_view text);
/// nullopt: the record breaks the grammar or a limit, hence permerror (RFC 7208 section 4.6).
std::optional<SpfRecord> parse_spf_record(std::string_view text);

/// Whether an ip4 or ip6 term matches; false for any other.
bool matches_network(const SpfTerm& term, const IpAddress& client);
/// Whether two addresses of 4 or of 16 octets agree in their first `prefix_bits`; false if the lengths
/// differ.
bool agree_in_prefix(std::string_view a, std::string_view b, int prefix_bits);

}  // namespace wicket
