// What the parser makes of the operands of a test: facts, literals, elements of a list, arithmetic,
// functions.
#include "base/diagnostic.hpp"
#include "policy/expression_literals.hpp"
#include "policy/expression_operands.hpp"
#include "policy/time_text.hpp"

#include <algorithm>
#include <utility>

namespace wicket {
namespace {

using Kind = ExpressionToken::Kind;
using Operand = ExpressionOperand;

bool counts(FactType type) {
    return type == FactType::integer || type == FactType::real;
}

bool reads(FactType type) {
    return type == FactType::text || type == FactType::word;
}

std::string in_quotes(std::string_view text) {
    return '"' + std::string(text) + '"';
}

Operand::Form form_of(std::string_view name) {
    if (name.ends_with(".domain") || name == "dkim.pass" || name == "dkim.weak" || name == "domain")
        return Operand::Form::domain;
    return name == "mail.from" || name == "rcpt.address" ? Operand::Form::address : Operand::Form::plain;
}

/// What `op` of the two is, or nullopt if that makes no sense.
std::optional<FactType> type_of(ExpressionOp op, FactType left, FactType right) {
    if (counts(left) && counts(right)) {
        const bool is_whole =
            op != ExpressionOp::divide && left == FactType::integer && right == FactType::integer;
        return is_whole ? FactType::integer : FactType::real;
    }
    if (left == FactType::time && right == FactType::time)
        return op == ExpressionOp::subtract ? std::optional(FactType::integer) : std::nullopt;
    const bool moves = (left == FactType::time && counts(right) &&
                        (op == ExpressionOp::add || op == ExpressionOp::subtract)) ||
                       (counts(left) && right == FactType::time && op == ExpressionOp::add);
    return moves ? std::optional(FactType::time) : std::nullopt;
}

}  // namespace

ExpressionOperand ExpressionOperands::operand_of(FactId fact, const Token& name) const {
    const FactDeclaration& declared = row(fact);
    Operand made;
    made.token = name;
    made.fact = fact;
    made.type = declared.type;
    made.form = form_of(declared.name);
    if (declared.type == FactType::word) made.words = &declared.words;
    made.name = declared.name;
    return made;
}

std::optional<ExpressionOperand> ExpressionOperands::fact(const Token& name) {
    const auto found = dictionary_.find(name.source);
    if (!found) {
        // Within any, all and count a name without a dot was meant for one of the element.
        std::string near =
            name.source.contains('.') ? std::string() : nearest_word(name.source, element_names());
        if (near.empty()) near = nearest_word(name.source, dictionary_.names());
        fail(name, "unknown fact " + in_quotes(name.source), std::move(near), std::string(name.source));
        return std::nullopt;
    }
    note(*found);
    return operand_of(*found, name);
}

std::optional<ExpressionOperand> ExpressionOperands::literal(const Token& value) {
    Operand made;
    made.token = value;
    made.is_literal = true;
    made.name = std::string(value.source);
    if (value.kind == Kind::number) {
        if (parse_integer_literal(value.source))
            made.type = FactType::integer;
        else if (parse_real_literal(value.source))
            made.type = FactType::real;
        else if (parse_time(value.source))
            made.type = FactType::time;
    }
    return made;
}

bool ExpressionOperands::enter(const Operand& list) {
    if (list.type != FactType::texts && list.type != FactType::results) {
        fail(list.token, describe(list) + ", not a list");
        return false;
    }
    elements_of_ = list;
    return true;
}

std::vector<std::string> ExpressionOperands::element_names() const {
    if (!elements_of_) return {};
    if (elements_of_->type == FactType::texts) return {"item"};
    return row(*elements_of_->fact).words;
}

bool ExpressionOperands::is_element(std::string_view word) const {
    if (!elements_of_) return false;
    if (elements_of_->type == FactType::texts) return word == "item";
    return std::ranges::find(row(*elements_of_->fact).words, word) != row(*elements_of_->fact).words.end();
}

std::optional<ExpressionOperand> ExpressionOperands::element(const Token& name) {
    Operand made;
    made.token = name;
    made.name = std::string(name.source);
    if (elements_of_->type == FactType::texts) {
        made.form = elements_of_->form;
        made.words = &row(*elements_of_->fact).words;
        made.node = add({.op = ExpressionOp::value_item});
        return made;
    }
    made.form = form_of(name.source);
    for (const ResultField& field : row(*elements_of_->fact).fields) {
        if (field.name != name.source) continue;
        made.words = field.words.empty() ? nullptr : &field.words;
        made.may_be_number = field.is_number;
    }
    made.node =
        add({.op = ExpressionOp::value_field, .first = static_cast<std::uint32_t>(program_->texts.size())});
    program_->texts.emplace_back(name.source);
    return made;
}

ExpressionOperand ExpressionOperands::as_number(Operand operand) {
    if (!operand.may_be_number) return operand;
    operand.node = add({.op = ExpressionOp::number_of_text, .child = operand.node});
    operand.type = FactType::integer;
    operand.may_be_number = false;
    return operand;
}

std::uint32_t ExpressionOperands::node_of(const Operand& operand) {
    if (operand.fact) {
        ExpressionNode made{.op = ExpressionOp::value_fact, .fact = *operand.fact};
        if (!row(*operand.fact).unknown_word.empty()) {
            made.unknown_word = static_cast<std::uint32_t>(program_->texts.size());
            program_->texts.push_back(row(*operand.fact).unknown_word);
        }
        return add(made);
    }
    if (!operand.is_literal) return operand.node;
    const auto put = [this](ExpressionOp op, auto& table, auto value) {
        table.push_back(std::move(value));
        return add({.op = op, .first = static_cast<std::uint32_t>(table.size() - 1)});
    };
    const std::string_view source = operand.token.source;
    switch (operand.type) {
        case FactType::integer:
            return put(
                ExpressionOp::value_integer, program_->integers, parse_integer_literal(source).value_or(0)
            );
        case FactType::real:
            return put(ExpressionOp::value_real, program_->reals, parse_real_literal(source).value_or(0));
        case FactType::time:
            return put(ExpressionOp::value_time, program_->times, parse_time(source).value_or(WallTime()));
        default: return put(ExpressionOp::value_text, program_->texts, operand.token.text);
    }
}

std::optional<ExpressionOperand> ExpressionOperands::arithmetic(
    ExpressionOp op, const Token& symbol, Operand left, Operand right
) {
    left = as_number(std::move(left));
    right = as_number(std::move(right));
    for (const Operand* one : {&left, &right}) {
        if (counts(one->type) || one->type == FactType::time) continue;
        if (is_misspelt_fact(*one)) return std::nullopt;
        fail(
            one->token,
            one->is_literal ? "expected a number or a fact"
                            : describe(*one) + ", which cannot be reckoned with"
        );
        return std::nullopt;
    }
    const auto type = type_of(op, left.type, right.type);
    if (!type) {
        fail(symbol, describe(left) + " and " + describe(right) + ": this makes no sense of them");
        return std::nullopt;
    }
    const std::uint32_t first = node_of(left);
    const std::uint32_t second = node_of(right);
    node(first).sibling = second;
    Operand made;
    made.token = left.token;
    made.type = *type;
    made.name = "the result";
    made.node = add({.op = op, .child = first});
    return made;
}

std::optional<ExpressionOperand> ExpressionOperands::minus(const Token& symbol, Operand operand) {
    operand = as_number(std::move(operand));
    if (!counts(operand.type)) {
        fail(symbol, describe(operand) + ", which has no opposite");
        return std::nullopt;
    }
    Operand made;
    made.token = symbol;
    made.type = operand.type;
    made.name = "the result";
    made.node = add({.op = ExpressionOp::minus, .child = node_of(operand)});
    return made;
}

std::optional<ExpressionOperand> ExpressionOperands::text_function(
    ExpressionOp op, const Token& name, Operand operand
) {
    if (!reads(operand.type) || (operand.is_literal && operand.token.kind != Kind::text)) {
        fail(operand.token, describe(operand) + ": " + std::string(name.source) + "() takes a text");
        return std::nullopt;
    }
    Operand made;
    made.token = name;
    made.name = std::string(name.source) + "()";
    made.form = op == ExpressionOp::lower ? operand.form : Operand::Form::domain;
    made.node = add({.op = op, .child = node_of(operand)});
    return made;
}

std::optional<ExpressionOperand> ExpressionOperands::count_of(const Operand& list, Index condition) {
    Operand made;
    made.token = list.token;
    made.type = FactType::integer;
    made.name = "count()";
    made.node = add(
        {.op = ExpressionOp::count, .fact = *list.fact, .child = condition ? *condition : ExpressionNode::none
        }
    );
    return made;
}

std::uint32_t ExpressionOperands::test_items(ExpressionOp op, const Operand& list, std::uint32_t condition) {
    return add({.op = op, .fact = *list.fact, .child = condition});
}

}  // namespace wicket
