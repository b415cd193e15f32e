// Whatever the octets: repeated until they fill a header block, they are still read in a time that grows with
// the size and no faster, by all that reads headers, and limits have no part in that. Eight times the text
// may cost three times what it costs a linear reader; a quadratic one needs sixty-four times as long.

#include "base/text.hpp"
#include "mail/authentication_results.hpp"
#include "mail/dkim_tags.hpp"
#include "mail/from.hpp"
#include "mail/header.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <string>

namespace wicket {
namespace {

constexpr std::size_t small_octets = 8U << 10U;
constexpr std::size_t growth = 8;
// Of the cost of the small text, times growth.
constexpr double most_times_linear = 3;
// Less than this is taken for this: the clock and the caches make more of a difference.
constexpr double least_seconds = 0.0003;
// A busy machine makes single measures longer, never shorter.
constexpr int measures = 5;
// A pattern of more octets says nothing new, and is slower to vary.
constexpr std::size_t pattern_limit_octets = 256;

/// `first` once, then `again` as often as it fits into `octets`.
std::string grown(std::string_view first, std::string_view again, std::size_t octets) {
    std::string text(first);
    text.reserve(octets);
    while (!again.empty() && text.size() + again.size() <= octets)
        text += again;
    return text;
}

double cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

using Reader = void (*)(std::string_view text);

void read_block(std::string_view text) {
    constexpr std::size_t all = std::numeric_limits<std::size_t>::max();
    const HeaderBlock block = parse_header(text, {.octets = all, .lines = all});
    check_fields(block);
    delivered_to(block);
    count_received_by(block, "mx.example.test");
    claimed_results(block, "mx.example.test");
    find_author(block);
    find_dkim_signatures(block);
    for (const HeaderField& field : block.fields)
        unfold(field.value);
}

/// One field that holds it all.
void read_value(std::string_view text) {
    unfold(text);
    parse_from(text);
    parse_dkim_signature(text);
    LineLengthScan lines;
    for (std::size_t at = 0; at < text.size(); at += 7)
        lines.feed(text.substr(at, 7));
}

double cost(Reader read, std::string_view text) {
    const double begin = cpu_seconds();
    read(text);
    return cpu_seconds() - begin;
}

void check(Reader read, const char* what, const std::string& small, const std::string& large) {
    double least_small = cost(read, small);
    double least_large = cost(read, large);
    for (int i = 1; i < measures; ++i) {
        const double linear = std::max(least_small, least_seconds) * growth;
        if (least_large <= most_times_linear * linear) return;
        // Anew, each: the first may have been disturbed.
        least_small = std::min(least_small, cost(read, small));
        least_large = std::min(least_large, cost(read, large));
    }
    if (least_large <= most_times_linear * growth * std::max(least_small, least_seconds)) return;
    std::fprintf(
        stderr,
        "ERROR: %s: %zu octets need %.4f s, %zu octets %.4f s: not linear\n",
        what,
        small.size(),
        least_small,
        large.size(),
        least_large
    );
    std::abort();
}

}  // namespace
}  // namespace wicket

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace wicket;
    const std::string_view pattern(reinterpret_cast<const char*>(data), std::min(size, pattern_limit_octets));
    const std::size_t cut = std::min(pattern.find('\n'), pattern.size() - 1) + 1;
    if (pattern.empty() || cut == pattern.size()) return 0;
    const std::string small = grown(pattern.substr(0, cut), pattern.substr(cut), small_octets);
    const std::string large = grown(pattern.substr(0, cut), pattern.substr(cut), small_octets * growth);
    check(read_block, "a block", small, large);
    check(read_value, "a value", small, large);
    return 0;
}
