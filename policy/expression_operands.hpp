// The half of the compiler that knows facts and types: makes nodes for tests whose tokens the parser has
// read. Each function gives the new node, or nullopt after noting the mistake; only the first mistake is
// kept. One thread.
#pragma once

#include "policy/expression_lexer.hpp"
#include "policy/expression_program.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace wicket {

class ExpressionOperands {
public:
    using Token = ExpressionToken;
    using Index = std::optional<std::uint32_t>;

    ExpressionOperands(const FactDictionary& dictionary, const NamedLists& lists);

    std::uint32_t add(const ExpressionNode& node);
    ExpressionNode& node(std::uint32_t index) { return program_->nodes[index]; }
    /// The same where `word` is none of those known: with the nearest as the suggestion, or all of them.
    void fail_unlisted(
        const Token& at, std::string message, std::string_view word, const std::vector<std::string>& known
    );
    void fail(const Token& at, std::string message, std::string suggestion = {});
    ExpressionMistake take_mistake();

    /// The fact of that name; also notes that the expression reads it.
    std::optional<FactId> fact(const Token& name);
    /// "NAME is a word", for messages.
    std::string describe(FactId fact) const;

    Index compare(FactId fact, Comparison comparison, const Token& value, const Token& symbol);
    /// nullopt without a mistake noted if the fact is no boolean.
    Index is_true(FactId fact);
    std::uint32_t state(FactId fact, ExpressionOp op);
    Index in(FactId fact, const std::vector<Token>& elements);
    Index in_list(FactId fact, const Token& name);
    Index has(FactId fact, const std::vector<Token>& elements);
    Index matches(FactId fact, const Token& pattern);

    std::shared_ptr<const ExpressionProgram> finish(std::uint32_t root);

private:
    const FactDeclaration& row(FactId fact) const { return dictionary_.row(fact); }
    ExpressionNode new_node(ExpressionOp op, FactId fact);
    void note(FactId fact);
    Index compare_with_fact(ExpressionNode made, const Token& value, FactId other);
    Index compare_scalar(ExpressionNode made, const Token& value);
    /// Whether the value is a word that the fact can have; notes the mistake if not.
    bool check_word(FactId fact, const Token& value);
    bool push_text(FactId fact, const Token& value);
    /// For a word or number where the fact's values are any text: a misspelt fact, or quotes forgotten.
    void fail_bare(FactId fact, const Token& value);
    std::optional<double> real_value(const Token& value);
    std::optional<std::int64_t> integer_value(const Token& value);

    const FactDictionary& dictionary_;
    const NamedLists& lists_;
    std::shared_ptr<ExpressionProgram> program_;
    std::optional<ExpressionMistake> mistake_;
};

}  // namespace wicket
