// Character references of HTML (the HTML standard, section 13.2.5.72 and after). Pure; linear; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace wicket {

enum class HtmlPlace : std::uint8_t {
    text,
    attribute,  // where "&copy=" is a parameter of an address
};

/// The text with its character references as characters. Names that are not known stay as they stand.
std::string decode_html_entities(std::string_view text, HtmlPlace place);

}  // namespace wicket
