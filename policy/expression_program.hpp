// What an Expression is compiled to: nodes in one vector, operands in tables beside them. Written by
// expression_parser.cpp, run by expression.cpp, seen by nobody else. Immutable once complete.
#pragma once

#include "policy/expression.hpp"

#include <cstdint>
#include <memory>
#include <re2/re2.h>
#include <string>
#include <vector>

namespace wicket {

enum class ExpressionOp : std::uint8_t {
    constant,         // first: a Truth
    all_of,           // children
    any_of,           // children
    negate,           // one child
    is_true,          // a boolean fact
    compare_integer,  // with integers[first]
    compare_real,     // with reals[first]
    compare_text,     // with texts[first]
    compare_address,  // with networks[first]
    compare_time,     // with times[first]
    compare_boolean,  // with first
    compare_fact,     // with other_fact
    is_absent,
    is_unknown,   // of both, `count` is 1 for a list, else 0
    in_texts,     // texts[first, first + count)
    in_reals,     // reals[first, first + count)
    in_networks,  // networks[first, first + count)
    in_list,      // lists[first]
    has_texts,    // any of texts[first, first + count)
    has_fact,     // the text of other_fact
    has_listed,   // a member of lists[first]
    matches,      // patterns[first]
    in_fact,      // items of the list of text other_fact
    // Of a list fact, with a condition on an element as the child.
    any_item,
    all_items,
    compare_values,  // two children
    // Values: what the tests above look at instead of a fact if they have a child.
    value_fact,
    value_item,     // the element of a list of text that any, all or count is at
    value_field,    // of the row that they are at: texts[first]
    value_integer,  // integers[first]
    value_real,     // reals[first]
    value_text,     // texts[first]
    value_time,     // times[first]
    value_address,  // networks[first]
    count,          // elements of a list fact; with a child, those for which it holds
    add,            // two children
    subtract,
    multiply,
    divide,
    minus,           // one child
    number_of_text,  // one child; absent if it is no whole number
    lower,
    domain_of,
    registrable_domain,
};

constexpr bool is_value_op(ExpressionOp op) {
    return op >= ExpressionOp::value_fact;
}

enum class Comparison : std::uint8_t { equal, not_equal, less, less_or_equal, greater, greater_or_equal };

struct ExpressionNode {
    static constexpr std::uint32_t none = ~std::uint32_t{0};

    ExpressionOp op = ExpressionOp::constant;
    Comparison comparison = Comparison::equal;
    FactId fact = 0;
    FactId other_fact = 0;
    std::uint32_t first = 0;
    std::uint32_t count = 0;
    std::uint32_t child = none;         // the first
    std::uint32_t sibling = none;       // the next child of the same parent
    std::uint32_t unknown_word = none;  // index into texts, of the fact's word that compares as unknown
};

struct ExpressionProgram {
    std::vector<ExpressionNode> nodes;
    std::uint32_t root = 0;
    std::vector<std::string> texts;
    std::vector<std::int64_t> integers;
    std::vector<double> reals;
    std::vector<WallTime> times;
    std::vector<IpNetwork> networks;
    std::vector<std::unique_ptr<const re2::RE2>> patterns;
    std::vector<std::shared_ptr<const NamedList>> lists;
    std::vector<FactId> facts;
    Stage stage = Stage::connect;
};

}  // namespace wicket
