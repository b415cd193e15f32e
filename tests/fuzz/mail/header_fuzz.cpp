// Whatever the octets: every field lies within the block, in order and without overlap; reading it again
// alone gives the same field; limits hold; a line scan in pieces says what a scan of the whole says.

#include "mail/field_writer.hpp"
#include "mail/header.hpp"

#include <algorithm>
#include <cstdlib>

namespace wicket {
namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

void check_block(std::string_view text) {
    const HeaderBlock block = parse_header(text);
    require(block.size_octets <= text.size());
    std::size_t end = 0;
    for (const HeaderField& field : block.fields) {
        require(field.whole.offset >= end);
        end = field.whole.offset + field.whole.length;
        require(end <= block.size_octets);
        const HeaderBlock alone = parse_header(text.substr(field.whole.offset, field.whole.length));
        require(alone.fields.size() == 1 && !alone.fault && !alone.has_end);
        require(alone.fields[0].name == field.name && alone.fields[0].value == field.value);
        require(unfold(field.value).size() <= field.value.size());
    }
    // What ends the header ends it whatever follows.
    if (block.has_end) {
        const HeaderBlock again =
            parse_header(std::string(text.substr(0, block.size_octets)) + "Subject: body\r\n");
        require(again.size_octets == block.size_octets && again.fields.size() == block.fields.size());
    }
    const HeaderBlock few = parse_header(text, {.octets = text.size() / 2, .lines = 3});
    require(few.fields.size() <= 3 && few.size_octets <= std::max<std::size_t>(text.size() / 2, 2) + 2);
    check_fields(block);
    require(delivered_to(block).size() <= delivered_to_limit);
    require(count_received_by(block, "mx.example.test") <= block.count("Received"));
}

void check_lines(std::string_view text) {
    LineLengthScan whole;
    whole.feed(text);
    LineLengthScan pieces;
    for (std::size_t at = 0; at < text.size(); at += 1 + at % 13)
        pieces.feed(text.substr(at, 1 + at % 13));
    require(whole.has_too_long_line() == pieces.has_too_long_line());
}

/// RFC 5322 section 3.2.4: whatever stands between the quotes, it ends with the last octet and not before.
void check_quoted(std::string_view text) {
    constexpr std::size_t limit = 50;
    const std::string value = quoted(text, limit);
    require(value.size() >= 2 && value.size() <= limit + 2 && value.front() == '"');
    std::size_t at = 1;
    while (at < value.size() && value[at] != '"')
        at += value[at] == '\\' ? 2 : 1;
    require(at == value.size() - 1);
}

void check_written(std::string_view text) {
    check_quoted(text);
    const std::string field = text_field("X-Fuzz", text);
    const HeaderBlock block = parse_header(field);
    require(block.fields.size() <= 1 && !block.has_too_long_line);
    require(text.size() > 100'000 || (block.fields.size() == 1 && !block.fault && !block.has_end));
}

}  // namespace
}  // namespace wicket

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    wicket::check_block(text);
    wicket::check_lines(text);
    wicket::check_written(text);
    return 0;
}
