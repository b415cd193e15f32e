// Whatever a client sends, in whatever pieces: no crash, every reply is a line, replies do not depend on the
// pieces (STLS aside, where they must), passwords are taken under TLS only, nothing that came before TLS has
// an effect after it, and what is deleted is what was marked when QUIT was said. The first octet chooses
// channel, pieces and what fails in the store, the rest is what the client sends.

#include "tests/unit/access/pop3_harness.hpp"

#include <array>
#include <cstdlib>

namespace wicket {
namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

void fill(Pop3Harness& harness, unsigned char choice) {
    harness.channel = static_cast<Pop3Channel>(choice % 3);
    harness.options.offers_stls = (choice & 4U) != 0;
    constexpr std::array codes = {ErrorCode::busy, ErrorCode::corrupt, ErrorCode::unavailable};
    const ErrorCode code = codes[choice % 3];
    switch (choice >> 6U) {
        case 1:
            if ((choice & 24U) == 0) harness.store.lock_fails = code;
            if ((choice & 24U) == 8) harness.store.list_fails = code;
            if ((choice & 16U) != 0) harness.verdict = AuthVerdict::temporary;
            break;
        case 2: harness.store.open_fails = code; break;
        case 3: harness.store.expunge_fails = code; break;
        default: break;
    }
    if ((choice & 32U) != 0) {
        harness.options.limits.line_octets = 40;
        harness.options.limits.sasl_octets = 60;
        harness.options.limits.discard_octets = 100;
        harness.options.limits.reply_octets = 30;
        harness.options.limits.errors = 4;
    }
    harness.store.add("A: b\r\n\r\n.dot\r\ntwo\r\n");
    harness.store.add("Subject: \xC3\xA4\r\n\r\nx");
}

std::vector<std::string> pieces_of(std::string_view octets, std::size_t size) {
    std::vector<std::string> pieces;
    for (std::size_t at = 0; at < octets.size(); at += size)
        pieces.emplace_back(octets.substr(at, size));
    return pieces;
}

/// RFC 2595 section 2.1: no password is taken where others can read it.
void check_passwords(const Pop3Harness& harness) {
    if (harness.channel == Pop3Channel::plain && !harness.is_tls) require(harness.logins.empty());
}

/// RFC 1939 section 6: QUIT removes what was marked and not unmarked, or says that it could not.
void check_deletions(const Pop3Harness& harness) {
    std::string_view said = harness.said;
    const std::size_t unmarked = said.rfind("+OK no message is marked as deleted");
    if (unmarked != std::string_view::npos) said.remove_prefix(unmarked);
    std::size_t marked = 0;
    for (std::size_t at = said.find("+OK marked as deleted"); at != std::string_view::npos;
         at = said.find("+OK marked as deleted", at + 1))
        ++marked;
    const bool has_quit = harness.is_closed && said.ends_with("+OK goodbye\r\n");
    require(harness.store.uids().size() == 2 - (has_quit ? marked : 0));
}

/// RFC 2595 section 4: what follows TLS is what a session says that began with it and heard nothing before.
/// The count of errors goes on, so it may end earlier.
void check_tls(const Pop3Harness& split, unsigned char choice, const std::vector<std::string>& pieces) {
    if (!split.is_tls) return;
    require(split.said.find("[TLS]\r\n") == split.said.rfind("[TLS]\r\n"));
    Pop3Harness fresh;
    fill(fresh, choice);
    fresh.channel = Pop3Channel::tls;
    const auto first = pieces.begin() + static_cast<std::ptrdiff_t>(split.reads_before_tls);
    fresh.run(std::vector<std::string>(first, pieces.end()));
    const std::string after = split.said.substr(split.said.find("[TLS]\r\n") + 7);
    const std::string want = fresh.said.substr(fresh.said.find("\r\n") + 2);
    require(split.is_closed ? want.starts_with(after) : want == after);
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

    check_passwords(whole);
    check_deletions(whole);

    Pop3Harness split;
    fill(split, choice);
    const auto pieces = pieces_of(octets, 1U + ((choice >> 3U) & 7U) * 5U);
    split.run(pieces);
    check_passwords(split);
    check_deletions(split);
    check_tls(split, choice, pieces);
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
