// The text of one table as it stands in its file. Pure; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace wicket {

/// The whole table, with tables within it ([override.thresholds]), that line `line` (from 1) of a TOML file
/// lies in; empty if it lies in none.
std::string table_text(std::string_view file, std::size_t line);

}  // namespace wicket
