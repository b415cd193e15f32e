// Whatever a stored message holds: what is served without UTF8 has ASCII headers, the same body, the size
// that was measured, and does not depend on the pieces it was read in; downgrading twice changes nothing;
// dot-stuffing can be undone. Time: run with -max_len=65536 -timeout=5; a parser that is not linear takes
// longer than that.

#include "access/message_view.hpp"
#include "base/text.hpp"
#include "tests/unit/access/fake_mail_store.hpp"

#include <algorithm>
#include <cstdlib>

namespace wicket {
namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

std::string downgraded(std::string_view message, std::size_t piece_octets) {
    HeaderDowngrader downgrader;
    std::string out;
    for (std::size_t at = 0; at < message.size(); at += piece_octets)
        downgrader.feed(message.substr(at, piece_octets), out);
    downgrader.finish(out);
    return out;
}

void check_headers(std::string_view message) {
    const std::string headers = downgrade_headers(message);
    require(std::ranges::all_of(headers, [](char c) { return is_ascii(c); }));
    require(downgrade_headers(headers) == headers);
    require(headers.size() <= 40 * message.size() + 200);
}

void check_message(std::string_view message) {
    const std::string whole = downgraded(message, message.size() + 1);
    require(whole == downgraded(message, 1));
    require(whole == downgraded(message, 1000));
    // From the empty line on: the last field may be gone with its CRLF.
    std::size_t end = message.starts_with("\r\n") ? 0 : message.find("\r\n\r\n");
    if (end != 0 && end != std::string_view::npos) end += 2;
    if (end != std::string_view::npos) require(whole.ends_with(message.substr(end)));

    FakeMailStore store;
    const Uid uid = store.add(std::string(message));
    require(
        downgraded_size(**store.open_message({"a", "INBOX", store.uid_validity}, uid)).value() == whole.size()
    );
}

/// What a client is given, as it reads it.
std::string read_back(std::string_view message, HeaderForm form, std::optional<std::uint64_t> body_lines) {
    MessageView view(form, body_lines);
    std::string served;
    for (std::size_t at = 0; at < message.size(); at += 3)
        view.feed(message.substr(at, 3), served);
    view.finish(served);
    // As a client reads it (RFC 1939 section 3).
    std::string read;
    std::string_view rest = served;
    for (;;) {
        const std::size_t end = rest.find("\r\n");
        require(end != std::string_view::npos);
        std::string_view line = rest.substr(0, end + 2);
        rest.remove_prefix(line.size());
        if (line == ".\r\n") break;
        if (line.starts_with('.')) line.remove_prefix(1);
        read += line;
    }
    require(rest.empty());
    return read;
}

/// RFC 1939 section 7, TOP: the headers, the empty line, and so many lines of the body.
std::string_view top_of(std::string_view message, std::size_t body_lines) {
    std::size_t end = 0;
    for (bool is_in_headers = true; is_in_headers || body_lines-- > 0;) {
        const std::size_t next = message.find("\r\n", end);
        if (next == std::string_view::npos) return message;
        is_in_headers = is_in_headers && next != end;
        end = next + 2;
    }
    return message.substr(0, end);
}

void check_view(std::string_view message) {
    for (const auto form : {HeaderForm::as_stored, HeaderForm::downgraded}) {
        const std::string whole =
            form == HeaderForm::as_stored ? std::string(message) : downgraded(message, message.size() + 1);
        const std::string read = read_back(message, form, std::nullopt);
        require(read.starts_with(whole) && read.size() <= whole.size() + 2);
        for (const std::uint64_t lines : {0U, 2U}) {
            const std::string top = read_back(message, form, lines);
            const std::string_view want = top_of(whole, lines);
            require(top.starts_with(want) && top.size() <= want.size() + 2);
        }
    }
}

}  // namespace
}  // namespace wicket

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view message(reinterpret_cast<const char*>(data), size);
    wicket::check_headers(message);
    wicket::check_message(message);
    wicket::check_view(message);
    return 0;
}
