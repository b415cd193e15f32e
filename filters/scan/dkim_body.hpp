// The digest of a body as DKIM canonicalises it (RFC 6376 section 3.4.3 and 3.4.4): in one pass, in constant
// memory, a line at a time. libopendkim does the same octet by octet, which takes longer than the rest of a
// verification; the tests and the fuzzer hold the two against each other. Any thread.
#pragma once

#include "base/sha256.hpp"

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

namespace wicket {

enum class DkimCanonicalization : std::uint8_t { simple, relaxed };

struct DkimBodyDigests {
    std::uint64_t octets = 0;            // of the whole canonical body
    Sha256 whole{};                      // of all of it
    std::map<std::uint64_t, Sha256> to;  // of so many octets of it, or of all of it where it has no more
};

/// `limits`: of l=, in octets of the canonical body. One pass, however many they are.
DkimBodyDigests digest_body(
    std::string_view body, DkimCanonicalization canonicalization, const std::vector<std::uint64_t>& limits
);

}  // namespace wicket
