// The text of one rule as it stands in its file. Pure; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace wicket {

/// The whole table, from its header to before the next one, that line `line` (from 1) of a TOML file lies in;
/// empty if it lies in none.
std::string table_text(std::string_view file, std::size_t line);
/// The table with this header, such as "[thresholds]"; empty if there is none. `line`, if not null, gets its
/// line.
std::string table_text(std::string_view file, std::string_view header, std::size_t* line);

}  // namespace wicket
