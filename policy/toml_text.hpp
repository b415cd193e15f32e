// Texts as TOML has them, for what commands propose. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace wicket {

/// TOML 1.0: a basic string.
std::string toml_text(std::string_view text);

}  // namespace wicket
