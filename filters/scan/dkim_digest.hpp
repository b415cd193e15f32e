// The digests that DKIM signatures are made over, by libopendkim: it picks the signed fields, canonicalises
// them and the body, and hashes. It is given only signatures that passed the strict tag parser, and no keys:
// what verifies is dkim_key.hpp. One thread.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

/// What libopendkim makes of one DKIM-Signature field.
struct DkimDigest {
    std::string header_sha256;  // RFC 6376 section 3.7: what the signature signs
    std::string body_sha256;
    std::string body_hash_tag;      // bh=, without white space
    std::string signature_tag;      // b=, without white space
    std::uint64_t body_octets = 0;  // of the whole canonical body; counted only if there is l=
};

class DkimDigester {
public:
    DkimDigester();
    ~DkimDigester();

    /// One result for each field of `fields` that is a DKIM-Signature, in order; an error is the library's
    /// word for what is wrong with it. A field is name to before the last CRLF.
    std::vector<std::expected<DkimDigest, std::string>> digest(
        const std::vector<std::string_view>& fields, std::string_view body
    );

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace wicket
