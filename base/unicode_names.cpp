#include "base/unicode_names.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <idn2.h>
#include <memory>
#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>

namespace wicket {
namespace {

struct Free {
    void operator()(void* memory) const { std::free(memory); }  // NOLINT: what C libraries have allocated
};

bool is_all_ascii(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return is_ascii(c); });
}

}  // namespace

std::string ascii_domain(std::string_view domain) {
    if (is_all_ascii(domain)) return lower_case(domain);
    const std::string terminated(domain);
    std::uint8_t* made = nullptr;
    // UTS 46 maps what people type, capitals and full stops of all scripts, before IDNA2008 looks at it.
    const int result = ::idn2_lookup_u8(
        reinterpret_cast<const std::uint8_t*>(terminated.c_str()),
        &made,
        IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL
    );
    const std::unique_ptr<std::uint8_t, Free> owner(made);
    if (result != IDN2_OK || terminated.find('\0') != std::string::npos) return lower_case(domain);
    const std::string_view name = reinterpret_cast<const char*>(made);
    // UTS 46 makes "@", "*" and the like of their full-width forms, which would then be read as what they
    // are.
    const auto is_of_names = [](char c) { return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.'; };
    return std::ranges::all_of(name, is_of_names) ? lower_case(name) : lower_case(domain);
}

std::string ascii_domain_address(std::string_view address) {
    const auto at = address.rfind('@');
    if (at == std::string_view::npos || is_all_ascii(address)) return std::string(address);
    return std::string(address.substr(0, at + 1)) + ascii_domain(address.substr(at + 1));
}

std::string folded_name(std::string_view name) {
    if (is_all_ascii(name)) return lower_case(name);
    // Else all that is wrong would become the same replacement character.
    if (::u8_check(reinterpret_cast<const std::uint8_t*>(name.data()), name.size()) != nullptr)
        return lower_case(name);
    std::size_t length = 0;
    const std::unique_ptr<std::uint8_t, Free> folded(::u8_casefold(
        reinterpret_cast<const std::uint8_t*>(name.data()),
        name.size(),
        nullptr,
        UNINORM_NFC,
        nullptr,
        &length
    ));
    if (!folded) return lower_case(name);
    return {reinterpret_cast<const char*>(folded.get()), length};
}

}  // namespace wicket
