// Whatever the octets: repeated until they fill a header block at its limit, they are still read in no time.
// Run with -timeout=10: with sanitizers a linear reader needs some 50 ms for each input here, a quadratic one
// minutes.

#include "mail/header.hpp"

#include <algorithm>
#include <string>

namespace wicket {
namespace {

constexpr std::size_t grown_octets = 1U << 20U;
// A pattern of more octets says nothing new, and is slower to vary.
constexpr std::size_t pattern_limit_octets = 256;

/// `first` once, then `again` as often as it fits.
std::string grown(std::string_view first, std::string_view again) {
    std::string text(first);
    text.reserve(grown_octets);
    while (!again.empty() && text.size() + again.size() <= grown_octets)
        text += again;
    return text;
}

}  // namespace
}  // namespace wicket

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace wicket;
    const std::string_view pattern(reinterpret_cast<const char*>(data), std::min(size, pattern_limit_octets));
    const std::size_t newline = std::min(pattern.find('\n'), pattern.size() - (pattern.empty() ? 0 : 1));
    const std::size_t cut = pattern.empty() ? 0 : newline + 1;
    const std::string text = grown(pattern.substr(0, cut), pattern.substr(cut));
    const HeaderBlock block = parse_header(text);
    check_fields(block);
    delivered_to(block);
    return 0;
}
