// The half of the compiler that knows facts and types: makes nodes for tests whose tokens the parser has
// read. Each function gives the new node or operand, or nullopt after noting the mistake; only the first
// mistake is kept. One thread.
#pragma once

#include "policy/expression_lexer.hpp"
#include "policy/expression_program.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace wicket {

/// What a test looks at, or compares with: a fact, or a value that is computed.
struct ExpressionOperand {
    /// How texts are written that it is compared with: facts that hold domains hold A-labels.
    enum class Form : std::uint8_t { plain, domain, address };

    ExpressionToken token;                      // its first
    std::optional<FactId> fact;                 // a fact as it is
    bool is_literal = false;                    // `token` alone
    std::uint32_t node = ExpressionNode::none;  // of what is computed
    FactType type = FactType::text;
    Form form = Form::plain;
    const std::vector<std::string>* words = nullptr;  // all values that it can have
    bool may_be_number = false;                       // a text field that holds numbers
    std::string name;                                 // for messages
};

class ExpressionOperands {
public:
    using Token = ExpressionToken;
    using Operand = ExpressionOperand;
    using Index = std::optional<std::uint32_t>;

    ExpressionOperands(const FactDictionary& dictionary, const NamedLists& lists, ExpressionReading reading);

    std::uint32_t add(const ExpressionNode& node);
    ExpressionNode& node(std::uint32_t index) { return program_->nodes[index]; }
    /// The same where `word` is none of those known: with the nearest as the suggestion, or all of them.
    void fail_unlisted(
        const Token& at,
        std::string message,
        std::string_view word,
        const std::vector<std::string>& known,
        std::string name = {}
    );
    /// `name`: see ExpressionMistake.
    void fail(const Token& at, std::string message, std::string suggestion = {}, std::string name = {});
    /// Ready for the next mistake; false if there were as many as anybody reads.
    bool recover();
    bool has_mistakes() const { return !mistakes_.empty(); }
    std::vector<ExpressionMistake> take_mistakes();

    // Operands: expression_operand_values.cpp.
    std::optional<Operand> fact(const Token& name);
    bool is_fact(std::string_view word) const { return dictionary_.find(word).has_value(); }
    std::optional<Operand> literal(const Token& value);
    /// The element that any, all or count is at: `item`, or the name of a field.
    std::optional<Operand> element(const Token& name);
    std::optional<Operand> arithmetic(ExpressionOp op, const Token& symbol, Operand left, Operand right);
    std::optional<Operand> minus(const Token& symbol, Operand operand);
    std::optional<Operand> text_function(ExpressionOp op, const Token& name, Operand operand);
    std::optional<Operand> count_of(const Operand& list, Index condition);
    /// `op`: any_item, all_items.
    std::uint32_t test_items(ExpressionOp op, const Operand& list, std::uint32_t condition);
    /// Between these the names of its elements can be used; false after a mistake: not a list.
    bool enter(const Operand& list);
    void leave() { elements_of_.reset(); }
    bool is_inside() const { return elements_of_.has_value(); }
    bool is_element(std::string_view word) const;
    std::vector<std::string> element_names() const;

    // Tests.
    Index compare(const Operand& left, Comparison comparison, const Token& symbol, Operand right);
    /// nullopt without a mistake noted if it is no boolean fact.
    Index is_true(const Operand& operand);
    std::uint32_t state(const Operand& operand, ExpressionOp op);
    Index in(const Operand& left, const std::vector<Token>& elements);
    Index in_list(const Operand& left, const Token& name);
    Index has(const Operand& left, const std::vector<Token>& elements);
    Index has_list(const Operand& left, const Token& name);
    Index matches(const Operand& left, const Token& pattern);
    /// "NAME is a word", for messages.
    std::string describe(const Operand& operand) const;

    std::shared_ptr<const ExpressionProgram> finish(std::uint32_t root);

private:
    const FactDeclaration& row(FactId fact) const { return dictionary_.row(fact); }
    ExpressionNode new_node(ExpressionOp op, const Operand& left);
    Operand operand_of(FactId fact, const Token& name) const;
    /// The operand as a node.
    std::uint32_t node_of(const Operand& operand);
    void note(FactId fact);
    Index compare_facts(ExpressionNode made, const Operand& left, const Operand& right);
    Index compare_with_literal(ExpressionNode made, const Operand& left, const Token& value);
    Index compare_computed(const Operand& left, Comparison comparison, const Token& symbol, Operand right);
    bool has_order(const Operand& operand, Comparison comparison, const Token& symbol);
    /// Whether all pass, each of which notes its own mistake.
    template <class Check>
    bool check_each(const std::vector<Token>& elements, Check check) {
        bool are_good = true;
        for (const Token& element : elements) {
            if (!are_good && !recover()) break;
            if (!check(element)) are_good = false;
        }
        is_failing_ |= !are_good;
        return are_good;
    }
    /// A field that holds numbers, as one; other operands as they are.
    Operand as_number(Operand operand);
    /// Whether some entry of such a list could be a value of the operand; notes the mistake if not.
    bool check_list_kind(const Operand& left, const Token& name, const NamedLists::value_type& list);
    /// Whether the value is a word that the operand can have; notes the mistake if not.
    bool check_word(const Operand& left, const Token& value);
    bool push_text(const Operand& left, const Token& value);
    /// For a word or number where the values are any text: a misspelt fact, or quotes forgotten.
    void fail_bare(const Operand& left, const Token& value);
    /// Whether a word without quotes is nearly the name of a fact: a mistake then.
    bool is_misspelt_fact(const Operand& operand);
    std::optional<double> real_value(const Token& value);
    const NamedLists::value_type* named_list(const Token& name);

    const FactDictionary& dictionary_;
    const NamedLists& lists_;
    ExpressionReading reading_;
    std::shared_ptr<ExpressionProgram> program_;
    std::vector<ExpressionMistake> mistakes_;
    bool is_failing_ = false;  // what follows from a mistake is none
    std::optional<Operand> elements_of_;
};

}  // namespace wicket
