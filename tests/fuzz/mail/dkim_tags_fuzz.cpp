// Whatever the octets: no crash, and a signature without a fault has all that it needs, with a name that can
// be asked.

#include "base/text.hpp"
#include "mail/dkim_tags.hpp"

#include <algorithm>
#include <cstdlib>

namespace wicket {
namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

void check_signature(const DkimSignatureHeader& header) {
    require(header.fault.has_value() != header.key_question.has_value());
    if (header.fault) return require(!describe(*header.fault).empty());
    require(header.key_question == header.selector + "._domainkey." + header.domain);
    require(header.key_question->size() <= 253 && header.domain.contains('.'));
    require(!header.signed_fields.empty() && !header.algorithm.empty());
    for (const char c : *header.key_question)
        require(c > ' ' && c <= '~');
    // RFC 6376 section 5.4: From is signed; section 3.5: i= is in d= or below it, x= is after t=.
    require(std::ranges::count(header.signed_fields, "from") > 0);
    if (!header.identity.empty()) {
        const std::string domain = lower_case(header.identity.substr(header.identity.rfind('@') + 1));
        require(domain == header.domain || domain.ends_with("." + header.domain));
    }
    if (header.time && header.expiry) require(*header.expiry > *header.time);
}

}  // namespace
}  // namespace wicket

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace wicket;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    check_signature(parse_dkim_signature(text));
    const DkimSignatureHeaders found = find_dkim_signatures(text);
    require(found.signatures.size() <= dkim_signatures_limit && found.signatures.size() <= found.total);
    for (const DkimSignatureHeader& header : found.signatures) {
        check_signature(header);
        require(header.field.offset + header.field.length <= text.size());
    }
    return 0;
}
