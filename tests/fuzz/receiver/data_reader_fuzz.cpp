// Whatever the octets and however they are split: DATA ends at the first CRLF.CRLF and nowhere else, what was
// kept is what a plain reading of the RFC gives, and limits do not depend on the splits. Input: an octet of
// modes, an octet that seeds the splits, the stream.

#include "receiver/data_reader.hpp"
#include "tests/unit/receiver/naive_data_reader.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace wicket {
namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

class StringSink : public MessageSink {
public:
    MessageFault append(std::string_view octets) override {
        require(!octets.empty());
        text += octets;
        return MessageFault::none;
    }
    std::string text;
};

struct Read {
    std::size_t used = 0;
    bool has_ended = false;
    bool is_refused = false;
    std::string text;
};

/// `seed` 0: all at once.
Read read_in_pieces(
    std::string_view stream, BareNewline mode, const ReceiverLimits& limits, std::uint32_t seed
) {
    StringSink sink;
    DataReader reader(DataReader::Framing::dots, mode, limits, sink);
    Read read;
    std::uint32_t random = seed;
    while (read.used < stream.size() && !reader.has_ended()) {
        random = random * 1664525U + 1013904223U;
        const std::size_t length = seed == 0 ? stream.size() : 1 + (random >> 28U);
        const std::string_view piece = stream.substr(read.used, length);
        const std::size_t used = reader.feed(piece);
        require(used <= piece.size() && (used == piece.size() || reader.has_ended()));
        read.used += used;
    }
    require(sink.text.size() <= limits.size_octets);
    return {read.used, reader.has_ended(), reader.fault() != MessageFault::none, std::move(sink.text)};
}

void compare(const Read& got, const Read& want) {
    require(got.used == want.used && got.has_ended == want.has_ended);
    if (!want.has_ended) return;
    require(got.is_refused == want.is_refused);
    if (!want.is_refused) require(got.text == want.text);
}

void check(std::string_view stream, std::uint8_t modes, std::uint8_t seed) {
    const BareNewline mode = (modes & 1U) != 0 ? BareNewline::normalize : BareNewline::refuse;
    const NaiveMessage naive = naive_data(stream, mode);
    ReceiverLimits none;
    none.text_line_octets = none.header_octets = none.header_lines = none.hops = UINT32_MAX;
    const Read whole = read_in_pieces(stream, mode, none, 0);
    compare(whole, {naive.end.value_or(stream.size()), naive.end.has_value(), naive.is_refused, naive.text});
    compare(read_in_pieces(stream, mode, none, 1U + seed), whole);

    ReceiverLimits tight;
    tight.size_octets = 200;
    tight.text_line_octets = 40;
    tight.header_octets = 100;
    tight.header_lines = 5;
    tight.hops = 2;
    compare(read_in_pieces(stream, mode, tight, 1U + seed), read_in_pieces(stream, mode, tight, 0));
}

}  // namespace
}  // namespace wicket

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    if (size < 2) return 0;
    const std::string_view stream(reinterpret_cast<const char*>(data) + 2, size - 2);
    wicket::check(stream, data[0], data[1]);
    return 0;
}
