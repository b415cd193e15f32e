// Cuts a condition into tokens. Borrows the text; one thread; linear.
#pragma once

#include "policy/expression.hpp"

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

struct ExpressionToken {
    enum class Kind : std::uint8_t {
        end,
        word,  // a fact, a keyword, a value's word: a letter, then letters, digits, `.`, `_`, `-`
        text,  // in double quotes; `\"` stands for a quote, any other backslash for itself. Or an address or
               // a network as it is
        number,  // begins with a digit or `-`: a number, size, duration, date
        symbol,  // == != < <= > >= ( ) [ ] , + - * /
    };
    Kind kind = Kind::end;
    std::size_t offset = 0;
    std::string_view source;  // as written, with quotes
    std::string text;         // of a text: without quotes and escapes
};

/// All tokens with one `end` at the end, or the first mistake.
std::expected<std::vector<ExpressionToken>, ExpressionMistake> lex_expression(std::string_view text);

}  // namespace wicket
