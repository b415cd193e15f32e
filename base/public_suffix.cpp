#include "base/public_suffix.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <libpsl.h>
#include <string>

namespace wicket {
namespace {

// RFC 1035 section 2.3.4.
constexpr std::size_t domain_limit_octets = 255;

bool may_stand_in_domain(char c) {
    return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.' || !is_ascii(c);
}

bool is_number(std::string_view label) {
    return std::ranges::all_of(label, is_digit);
}

}  // namespace

std::string_view registrable_domain(std::string_view domain) {
    const bool is_domain = !domain.empty() && domain.size() <= domain_limit_octets &&
                           std::ranges::all_of(domain, may_stand_in_domain) && domain.back() != '.';
    // No top-level domain is a number (RFC 3696 section 2): 192.0.2.1 has a dot, but is none.
    if (!is_domain || is_number(domain.substr(domain.rfind('.') + 1))) return {};
    const std::string lower = lower_case(domain);
    const char* found = ::psl_registrable_domain(::psl_builtin(), lower.c_str());
    return found == nullptr ? std::string_view()
                            : domain.substr(static_cast<std::size_t>(found - lower.c_str()));
}

}  // namespace wicket
