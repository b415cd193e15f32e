// BDAT: whatever a chunk holds and however the octets are split, exactly as many as were announced are the
// chunk's, and the message is the chunks joined, or refused if they hold a bare CR, a bare LF or NUL. Input:
// an octet of modes, an octet that seeds the splits, then chunks: an octet of length, the octets.

#include "tests/unit/receiver/dialog.hpp"
#include "tests/unit/receiver/naive_data_reader.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

namespace wicket {
namespace {

// Empty chunks count as idle commands, of which a session has a thousand.
constexpr std::size_t chunks_limit = 200;

void require(bool holds) {
    if (!holds) std::abort();
}

std::string say_in_pieces(Dialog& dialog, std::string_view octets, std::uint32_t seed) {
    std::string replies;
    std::uint32_t random = seed;
    for (std::size_t at = 0; at < octets.size();) {
        random = random * 1664525U + 1013904223U;
        const std::size_t length = seed == 0 ? octets.size() : 1 + (random >> 27U);
        replies += dialog.say(octets.substr(at, length));
        at += length;
    }
    return replies;
}

void check(std::string_view input, std::uint8_t modes, std::uint8_t seed) {
    ReceiverOptions options = Dialog::default_options();
    if ((modes & 1U) != 0) options.bare_newline = BareNewline::normalize;
    options.limits.errors = UINT32_MAX;
    Dialog dialog(options);
    dialog.say("EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\n");

    std::vector<std::string_view> chunks;
    while (!input.empty() && chunks.size() < chunks_limit) {
        const auto length =
            std::min<std::size_t>(static_cast<unsigned char>(input.front()), input.size() - 1);
        chunks.push_back(input.substr(1, length));
        input.remove_prefix(1 + length);
    }
    std::string stream;
    std::string joined;
    for (std::size_t i = 0; i < chunks.size(); ++i) {
        stream +=
            "BDAT " + std::to_string(chunks[i].size()) + (i + 1 == chunks.size() ? " LAST\r\n" : "\r\n");
        stream += chunks[i];
        joined += chunks[i];
    }
    const std::string codes = codes_of(say_in_pieces(dialog, stream + "NOOP\r\n", seed));

    // A reply for each chunk and one for NOOP: not an octet was taken for a command, and none of a command
    // for text.
    require(codes.size() == 4 * chunks.size() + 3);
    require(codes.ends_with("250"));
    if (chunks.empty()) return;
    const NaiveMessage want = naive_content(joined, options.bare_newline);
    require(dialog.visit.messages.size() == (want.is_refused ? 0U : 1U));
    if (!want.is_refused) require(dialog.visit.messages.front() == want.text);
    require(codes.find("550") == std::string::npos || want.is_refused);
}

}  // namespace
}  // namespace wicket

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    if (size < 2) return 0;
    wicket::check({reinterpret_cast<const char*>(data) + 2, size - 2}, data[0], data[1]);
    return 0;
}
