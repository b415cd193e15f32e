#include "store/accounts.hpp"

#include "base/text.hpp"

namespace wicket {

std::string canonical_account_name(std::string_view local_part, std::string_view domain) {
    // Octets above 127 stay as they are: two spellings of one letter are two accounts, as RFC 6531
    // section 3.2 lets it be.
    std::string name = lower_case(local_part);
    name += '@';
    name += lower_case(domain);
    return name;
}

}  // namespace wicket
