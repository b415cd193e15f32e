// The digests of headers that DKIM signatures are made over, by libopendkim: it picks the signed fields,
// canonicalises them, and hashes. It is given only signatures that passed the strict tag parser, no keys
// (what verifies is dkim_key.hpp) and no body (dkim_body.hpp). One thread.
#pragma once

#include "filters/scan/dkim_body.hpp"

#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

/// What libopendkim makes of one DKIM-Signature field.
struct DkimDigest {
    std::string header_sha256;  // RFC 6376 section 3.7: what the signature signs
    DkimCanonicalization body_canonicalization = DkimCanonicalization::simple;
    std::string body_hash_tag;  // bh=, without white space
    std::string signature_tag;  // b=, without white space
};

class DkimDigester {
public:
    DkimDigester();
    ~DkimDigester();

    /// One result for each field of `fields` that is a DKIM-Signature, in order; an error is the library's
    /// word for what is wrong with it. A field is name to before the last CRLF.
    std::vector<std::expected<DkimDigest, std::string>> digest(const std::vector<std::string_view>& fields);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace wicket
