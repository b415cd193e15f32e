// What libopendkim makes of a body: the oracle for filters/scan/dkim_body.hpp.
#pragma once

#include "filters/scan/dkim_body.hpp"

#include <fmt/format.h>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <time.h>  // NOLINT(modernize-deprecated-headers): the library's header wants the global names

extern "C" {
#define _Bool bool  // NOLINT(bugprone-reserved-identifier)
#include <opendkim/dkim.h>
#undef _Bool
}

namespace wicket::testing {

/// The digest as 32 octets; empty if the library gives none.
inline std::string opendkim_body_sha256(
    std::string_view body, DkimCanonicalization canonicalization, std::optional<std::uint64_t> length_limit
) {
    static DKIM_LIB* const library = [] {
        DKIM_LIB* made = dkim_init(nullptr, nullptr);
        unsigned flags = DKIM_LIBFLAGS_BADSIGHANDLES | DKIM_LIBFLAGS_DELAYSIGPROC;
        dkim_options(made, DKIM_OP_SETOPT, DKIM_OPTS_FLAGS, &flags, sizeof flags);
        dkim_set_key_lookup(made, [](DKIM*, DKIM_SIGINFO*, unsigned char*, size_t) {
            return DKIM_CBSTAT_NOTFOUND;
        });
        return made;
    }();
    const auto octets_of = [](std::string_view text) {
        return reinterpret_cast<unsigned char*>(const_cast<char*>(text.data()));
    };
    DKIM_STAT status = DKIM_STAT_OK;
    const std::unique_ptr<DKIM, decltype(&dkim_free)> message(
        dkim_verify(library, octets_of("test"), nullptr, &status), &dkim_free
    );
    const std::string signature = fmt::format(
        "DKIM-Signature: v=1; a=rsa-sha256; c=simple/{}; d=x.example; s=s; h=from;{} bh=AAAA; b=AAAA",
        canonicalization == DkimCanonicalization::relaxed ? "relaxed" : "simple",
        length_limit ? fmt::format(" l={};", *length_limit) : std::string()
    );
    const std::string_view from = "From: a@x.example";
    dkim_header(message.get(), octets_of(signature), signature.size());
    dkim_header(message.get(), octets_of(from), from.size());
    dkim_eoh(message.get());
    if (!body.empty()) dkim_body(message.get(), octets_of(body), body.size());
    dkim_eom(message.get(), nullptr);
    DKIM_SIGINFO** signatures = nullptr;
    int count = 0;
    if (dkim_getsiglist(message.get(), &signatures, &count) != DKIM_STAT_OK || count != 1) return {};
    void* header_hash = nullptr;
    void* body_hash = nullptr;
    std::size_t header_size = 0;
    std::size_t body_size = 0;
    if (dkim_sig_gethashes(signatures[0], &header_hash, &header_size, &body_hash, &body_size) != DKIM_STAT_OK)
        return {};
    return {static_cast<const char*>(body_hash), body_size};
}

}  // namespace wicket::testing
