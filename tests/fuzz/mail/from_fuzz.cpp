// Whatever the octets: no crash, bounds hold, and an address that was read reads back as itself, alone and
// with its display name; a list without a fault has an address.

#include "base/text.hpp"
#include "mail/from.hpp"

#include <cstdlib>

namespace wicket {
namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

void check_address(const FromAddress& address) {
    require(!address.domain.empty());
    require(address.domain.starts_with('[') || lower_case(address.domain) == address.domain);
    const std::string printed = address.to_string();
    const FromList again = parse_from(printed);
    require(again.addresses.size() == 1 && !again.fault);
    require(
        again.addresses[0].local_part == address.local_part && again.addresses[0].domain == address.domain
    );
    require(parse_from("<" + printed + ">").addresses.at(0).to_string() == printed);
}

}  // namespace
}  // namespace wicket

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace wicket;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const FromList list = parse_from(text);
    require(list.addresses.size() <= from_addresses_limit + 1);
    require(list.fault || !list.addresses.empty());
    for (const FromAddress& address : list.addresses)
        check_address(address);
    const Author author = find_author(parse_header(text));
    require(author.addresses.size() <= from_addresses_limit);
    require(author.fault.has_value() == author.domain.empty());
    return 0;
}
