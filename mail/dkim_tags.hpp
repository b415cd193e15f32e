// DKIM-Signature fields read strictly (RFC 6376 sections 3.2 and 3.5), without verifying anything: the front
// asks for their keys in advance, and a malformed one never reaches libopendkim's own parser. Linear,
// bounded; values; any thread.
#pragma once

#include "mail/header.hpp"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

// More signatures are not looked at: each costs a DNS question and a signature check (RFC 6376 section 6.1
// lets a verifier limit them).
inline constexpr std::size_t dkim_signatures_limit = 8;
// Of a message so much is searched for signatures: the greatest header that is accepted.
inline constexpr std::size_t dkim_header_limit_octets = std::size_t{1} << 20U;
// The value of one field; real ones with a long h= and 4096-bit keys are under 4 KiB.
inline constexpr std::size_t dkim_field_limit_octets = 16U << 10U;

enum class DkimTagFault : std::uint8_t {
    bad_syntax,               // not tag=value pairs with semicolons between them
    duplicate_tag,            // section 3.2: the whole list is invalid
    missing_tag,              // one of v a b bh d h s
    bad_version,              // v= is not 1
    unknown_algorithm,        // a= is none of rsa-sha256, ed25519-sha256
    rsa_sha1,                 // a=rsa-sha1: RFC 8301 section 3.1 forbids it
    bad_signature,            // b= is empty or not base64
    bad_body_hash,            // bh= is not the base64 of 32 octets
    bad_canonicalization,     // c= is not simple or relaxed, once or twice
    bad_domain,               // d= is not a domain name
    bad_selector,             // s= is not a name
    bad_signed_fields,        // h= is not a list of field names
    from_not_signed,          // h= lacks From (section 5.4)
    bad_identity,             // i= is not a quoted-printable address
    identity_outside_domain,  // the domain of i= is neither d= nor below it
    bad_length,               // l= is not a number that fits 64 bits
    bad_time,                 // t= or x= is not 1 to 12 digits, or x= is not after t=
    unknown_query,            // q= does not name dns/txt
    too_long,                 // the field, or the name of the key
};

/// Words for a record: "the body hash (bh=) is malformed".
std::string_view describe(DkimTagFault fault);

/// What a DKIM-Signature field says; with a fault, what could be read in spite of it: nothing that proves who
/// wrote it.
struct DkimSignatureHeader {
    std::string domain;                        // d=, lower case
    std::string selector;                      // s=, lower case
    std::string algorithm;                     // a=, lower case
    std::string identity;                      // i=, decoded; empty: absent
    std::vector<std::string> signed_fields;    // h=, lower case
    std::optional<std::uint64_t> body_length;  // l=
    std::optional<std::uint64_t> time;         // t=, seconds since 1970
    std::optional<std::uint64_t> expiry;       // x=
    std::optional<DkimTagFault> fault;
    /// selector._domainkey.domain, to be asked as TXT; nullopt with a fault.
    std::optional<std::string> key_question;
    OctetRange field{};  // in the message
};

struct DkimSignatureHeaders {
    std::vector<DkimSignatureHeader> signatures;  // the first dkim_signatures_limit
    std::size_t total = 0;                        // how many fields there are
};

/// Reads the value of one field.
DkimSignatureHeader parse_dkim_signature(std::string_view value);

/// All signatures of a message, or of enough of its beginning to hold the header.
DkimSignatureHeaders find_dkim_signatures(std::string_view message);
DkimSignatureHeaders find_dkim_signatures(const HeaderBlock& header);

}  // namespace wicket
