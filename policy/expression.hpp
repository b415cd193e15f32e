// Conditions over facts, compiled: `spf.result == fail and not client.ip in "192.0.2.0/24"`. Type-checked
// against the fact dictionary, evaluated in three-valued (Kleene) logic without allocating. Immutable; any
// thread. The grammar stands in expression_parser.cpp, the language is taught in docs/rules.md.
#pragma once

#include "mail/fact_dictionary.hpp"
#include "mail/facts.hpp"
#include "mail/stage.hpp"
#include "policy/named_list.hpp"

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

// A condition longer than this was not written by hand, and bounds what one evaluation may cost.
inline constexpr std::size_t expression_limit_octets = 4096;
// Parentheses and `not` nest no deeper: parser and evaluation recurse once a level.
inline constexpr std::size_t expression_limit_depth = 50;
// `matches` looks at no more of a value: names and addresses are shorter, and peers choose what they send.
inline constexpr std::size_t match_limit_octets = 1024;
// A regular expression that needs more memory than this when compiled is refused.
inline constexpr std::int64_t pattern_limit_octets = std::int64_t{1} << 20U;

/// In this order, `and` is the least of its parts and `or` the greatest.
enum class Truth : std::uint8_t { no, unknown, yes };

struct ExpressionProgram;
class FactLookup;

class Expression {
public:
    /// Always yes.
    Expression();
    explicit Expression(std::shared_ptr<const ExpressionProgram> program);

    Truth evaluate(const Facts& facts) const;
    Truth evaluate(const FactLookup& facts) const;
    /// What it was compiled to, which lives as long as any copy of it: for those who ask it often.
    const ExpressionProgram& program() const { return *program_; }
    /// Every fact that it reads, each once.
    const std::vector<FactId>& facts() const;
    /// The earliest stage at which all of them are known.
    Stage stage() const;
    /// False only if no facts at all could make it true: it says `false`, or asks for what excludes itself.
    bool can_hold() const;
    /// The facts of each part that `or` joins at the top: each part alone makes it true.
    std::vector<std::vector<FactId>> facts_of_parts() const;

private:
    std::shared_ptr<const ExpressionProgram> program_;
};

Truth evaluate(const ExpressionProgram& program, const FactLookup& facts);

struct ExpressionMistake {
    std::size_t offset;  // in octets, into the text
    std::string message;
    std::string suggestion;
};

/// The first mistake if there is one: syntax, an unknown fact, word or list, a type that does not fit.
std::expected<Expression, ExpressionMistake> compile_expression(
    std::string_view text, const FactDictionary& dictionary, const NamedLists& lists
);

/// A condition that compiles, as parts joined by `or`, each the set of what `and` joins in it, in the words
/// of the condition. What has an equal or smaller part where another has one holds wherever that one holds.
std::vector<std::vector<std::string>> parts_of_condition(std::string_view text);

}  // namespace wicket
