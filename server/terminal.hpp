// What standard output is: how wide, and which characters it shows. Tables and bars of the commands ask. Main
// thread, before any other exists.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace wicket {

// What is no terminal is read by programs or in a pager.
inline constexpr std::size_t usual_columns = 100;

struct Terminal {
    std::size_t columns = usual_columns;
    bool is_utf8 = false;  // else bars and tables keep to ASCII
};

/// By COLUMNS or the terminal itself, and by LC_ALL, LC_CTYPE, LANG.
Terminal standard_output();

/// `amount` of `most` as a bar of at most `columns`; something is never nothing.
std::string bar(double amount, double most, std::size_t columns, const Terminal& terminal);

/// Text of peers as it may stand in a table: control characters escaped, cut to `columns`.
std::string cell(std::string_view text, std::size_t columns);

}  // namespace wicket
