#include "policy/toml_text.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace wicket {

std::string toml_text(std::string_view text) {
    std::string made = "\"";
    for (std::size_t at = 0; at < text.size();) {
        const char c = text[at];
        if (!is_ascii(c)) {
            const std::size_t length = utf8_length(text.substr(at));
            // TOML is UTF-8; an octet that is none cannot stand in it.
            made += length == 0 ? std::string("?") : std::string(text.substr(at, length));
            at += std::max<std::size_t>(length, 1);
            continue;
        }
        if (c == '"' || c == '\\')
            made += std::string("\\") + c;
        else if (static_cast<unsigned char>(c) < 0x20 || c == '\x7F')
            made += fmt::format("\\u{:04X}", static_cast<unsigned char>(c));
        else
            made += c;
        ++at;
    }
    return made + '"';
}

}  // namespace wicket
