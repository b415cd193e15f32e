#include "store/accounts.hpp"

#include "base/unicode_names.hpp"

namespace wicket {

std::string canonical_account_name(std::string_view local_part, std::string_view domain) {
    // RFC 6531 section 3.2 leaves it to us which local parts are the same: all spellings that a reader would
    // take for one.
    std::string name = folded_name(local_part);
    name += '@';
    name += ascii_domain(domain);
    return name;
}

}  // namespace wicket
