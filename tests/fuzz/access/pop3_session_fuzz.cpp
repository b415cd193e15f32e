// Whatever a client sends, in whatever pieces: no crash, every reply is a line, replies do not depend on the
// pieces (STLS aside, where they must), and nothing is deleted unless QUIT was said after a login. The first
// octet chooses channel and pieces, the rest is what the client sends.

#include "tests/unit/access/pop3_harness.hpp"

#include <cstdlib>

namespace wicket {
namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

void fill(Pop3Harness& harness, unsigned char choice) {
    harness.channel = static_cast<Pop3Channel>(choice % 3);
    harness.options.offers_stls = (choice & 4U) != 0;
    harness.store.add("A: b\r\n\r\n.dot\r\ntwo\r\n");
    harness.store.add("Subject: \xC3\xA4\r\n\r\nx");
}

std::vector<std::string> pieces_of(std::string_view octets, std::size_t size) {
    std::vector<std::string> pieces;
    for (std::size_t at = 0; at < octets.size(); at += size)
        pieces.emplace_back(octets.substr(at, size));
    return pieces;
}

void check(unsigned char choice, std::string_view octets) {
    Pop3Harness whole;
    fill(whole, choice);
    whole.run(pieces_of(octets, 65536));
    require(whole.said.starts_with("+OK "));
    require(whole.said.ends_with("\r\n"));
    require(!whole.store.is_locked());
    if (whole.store.uids().size() < 2) {
        require(whole.is_closed);
        require(whole.said.contains("+OK the maildrop holds"));
    }
    for (const std::string& login : whole.logins)
        require(login.find("\r\n") == std::string::npos);

    Pop3Harness split;
    fill(split, choice);
    split.run(pieces_of(octets, 1U + (choice >> 3U)));
    if (whole.is_tls == split.is_tls && !whole.is_tls && !split.is_closed && !whole.is_closed)
        require(whole.said == split.said);
}

}  // namespace
}  // namespace wicket

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    if (size != 0) wicket::check(data[0], {reinterpret_cast<const char*>(data + 1), size - 1});
    return 0;
}
