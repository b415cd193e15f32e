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
    /// The facts of each part that alone makes it true: see parts_of().
    std::vector<std::vector<FactId>> facts_of_parts() const;

private:
    std::shared_ptr<const ExpressionProgram> program_;
};

Truth evaluate(const ExpressionProgram& program, const FactLookup& facts);

struct ExpressionMistake {
    std::size_t offset;  // in octets, into the text
    std::string message;
    std::string suggestion;
    /// The fact that is unknown or whose words do not fit, or "list(NAME)": the mistake may be that of
    /// whoever declares it.
    std::string name = {};
};

/// A condition that was in force once may compare with words that its fact never has, as it was let then.
enum class ExpressionReading : std::uint8_t { strict, as_it_was };

// Of one condition: who has made more reads these first.
inline constexpr std::size_t expression_mistakes_limit = 16;

/// The mistakes if there are any, of each part that `and` and `or` join the first, but all elements of a list
/// that do not fit: syntax, an unknown fact, word or list, a type that does not fit.
std::expected<Expression, std::vector<ExpressionMistake>> compile_expression(
    std::string_view text,
    const FactDictionary& dictionary,
    const NamedLists& lists,
    ExpressionReading reading = ExpressionReading::strict
);

}  // namespace wicket
