// The grammar:
//   condition = conjunction *("or" conjunction)
//   conjunction = negation *("and" negation)
//   negation = *"not" primary
//   primary = "(" condition ")" / "true" / "false" / test
//   test = FACT [ comparison value / "is" ["not"] ("absent" / "unknown") / ["not"] "in" set / "has" element /
//   "matches" TEXT ]
// Values and their types: expression_operands.cpp.
#include "base/diagnostic.hpp"
#include "policy/expression_lexer.hpp"
#include "policy/expression_operands.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace wicket {
namespace {

using Kind = ExpressionToken::Kind;
using Index = std::optional<std::uint32_t>;  // of a node; nullopt after a mistake

class Parser {
public:
    Parser(std::vector<ExpressionToken> tokens, const FactDictionary& dictionary, const NamedLists& lists)
        : tokens_(std::move(tokens)), operands_(dictionary, lists) {}

    std::expected<Expression, ExpressionMistake> run() {
        if (tokens_.front().kind == Kind::end) {
            fail("the condition is empty");
        } else if (const Index root = parse_condition(); root && peek().kind != Kind::end) {
            fail_at_operator("expected \"and\", \"or\" or the end", {"and", "or"});
        } else if (root) {
            return Expression(operands_.finish(*root));
        }
        return std::unexpected(operands_.take_mistake());
    }

private:
    const ExpressionToken& peek(std::size_t ahead = 0) const {
        return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
    }
    const ExpressionToken& next() { return tokens_[std::min(at_++, tokens_.size() - 1)]; }
    bool take(Kind kind, std::string_view source) {
        if (peek().kind != kind || peek().source != source) return false;
        ++at_;
        return true;
    }
    bool take_word(std::string_view word) { return take(Kind::word, word); }
    bool take_symbol(std::string_view symbol) { return take(Kind::symbol, symbol); }

    std::nullopt_t fail(std::string message, std::string suggestion = {}) {
        operands_.fail(peek(), std::move(message), std::move(suggestion));
        return std::nullopt;
    }

    std::nullopt_t fail_at_operator(std::string message, const std::vector<std::string>& words) {
        std::string suggestion;
        if (peek().kind == Kind::word) suggestion = nearest_word(peek().source, words);
        return fail(std::move(message), std::move(suggestion));
    }

    /// One node over all of its parts, so that long chains do not nest.
    Index parse_chain(std::string_view word, ExpressionOp op, Index (Parser::*parse_part)()) {
        const Index first = (this->*parse_part)();
        if (!first || peek().kind != Kind::word || peek().source != word) return first;
        const std::uint32_t chain = operands_.add({.op = op, .child = *first});
        std::uint32_t last = *first;
        while (take_word(word)) {
            const Index part = (this->*parse_part)();
            if (!part) return std::nullopt;
            operands_.node(last).sibling = *part;
            last = *part;
        }
        return chain;
    }

    Index parse_condition() { return parse_chain("or", ExpressionOp::any_of, &Parser::parse_conjunction); }
    Index parse_conjunction() { return parse_chain("and", ExpressionOp::all_of, &Parser::parse_negation); }

    Index parse_negation() {
        if (!take_word("not")) return parse_primary();
        if (++depth_ > expression_limit_depth) return fail_too_deep();
        const Index inner = parse_negation();
        --depth_;
        if (!inner) return std::nullopt;
        return operands_.add({.op = ExpressionOp::negate, .child = *inner});
    }

    Index parse_primary() {
        if (take_symbol("(")) {
            if (++depth_ > expression_limit_depth) return fail_too_deep();
            const Index inner = parse_condition();
            --depth_;
            if (inner && !take_symbol(")")) {
                return fail_at_operator("expected \")\", \"and\" or \"or\"", {"and", "or"});
            }
            return inner;
        }
        if (take_word("true")) return add_constant(Truth::yes);
        if (take_word("false")) return add_constant(Truth::no);
        return parse_test();
    }

    Index add_constant(Truth truth) {
        return operands_.add({.op = ExpressionOp::constant, .first = static_cast<std::uint32_t>(truth)});
    }

    std::nullopt_t fail_too_deep() {
        return fail("parentheses and \"not\" nest deeper than " + std::to_string(expression_limit_depth));
    }

    Index parse_test() {
        const ExpressionToken& name = peek();
        static constexpr std::array<std::string_view, 11> keywords = {
            "and", "or", "not", "is", "absent", "unknown", "in", "has", "matches", "all", "any"
        };
        if (name.kind != Kind::word || std::ranges::find(keywords, name.source) != keywords.end()) {
            return fail("expected a fact");
        }
        const auto fact = operands_.fact(name);
        if (!fact) return std::nullopt;
        ++at_;
        return parse_operator(name, *fact);
    }

    Index parse_operator(const ExpressionToken& name, FactId fact) {
        if (take_word("is")) return parse_state(fact);
        const bool is_negated = peek().source == "not" && peek(1).source == "in";
        if (is_negated) ++at_;
        if (take_word("in")) {
            const Index inner = parse_set(fact);
            if (!inner || !is_negated) return inner;
            return operands_.add({.op = ExpressionOp::negate, .child = *inner});
        }
        if (take_word("has")) {
            const auto elements = parse_elements();
            return elements ? operands_.has(fact, *elements) : std::nullopt;
        }
        if (take_word("matches")) {
            if (peek().kind != Kind::text) return fail("expected a regular expression in double quotes");
            return operands_.matches(fact, next());
        }
        static constexpr std::array<std::pair<std::string_view, Comparison>, 6> comparisons = {
            {
             {"==", Comparison::equal},
             {"!=", Comparison::not_equal},
             {"<", Comparison::less},
             {"<=", Comparison::less_or_equal},
             {">", Comparison::greater},
             {">=", Comparison::greater_or_equal},
             }
        };
        for (const auto& [symbol, comparison] : comparisons) {
            if (!take_symbol(symbol)) continue;
            if (!is_value()) return fail("expected a value");
            const ExpressionToken& value = next();
            return operands_.compare(fact, comparison, value, tokens_[at_ - 2]);
        }
        if (const Index truth = operands_.is_true(fact)) return truth;
        return fail_without_operator(name, fact);
    }

    std::nullopt_t fail_without_operator(const ExpressionToken& name, FactId fact) {
        static const std::vector<std::string> operators = {"is", "in", "has", "matches"};
        const Kind kind = peek().kind;
        if (kind == Kind::word && peek().source != "and" && peek().source != "or") {
            return fail_at_operator(
                "expected a comparison, \"is\", \"in\", \"has\" or \"matches\"", operators
            );
        }
        if (kind == Kind::text || kind == Kind::number)
            return fail("expected a comparison before the value", "==");
        operands_.fail(
            name, operands_.describe(fact) + ", so it cannot stand alone: compare it with something"
        );
        return std::nullopt;
    }

    Index parse_state(FactId fact) {
        const bool is_negated = take_word("not");
        ExpressionOp op = ExpressionOp::is_absent;
        if (take_word("unknown"))
            op = ExpressionOp::is_unknown;
        else if (!take_word("absent"))
            return fail_at_operator("expected \"absent\" or \"unknown\"", {"absent", "unknown"});
        const std::uint32_t state = operands_.state(fact, op);
        if (!is_negated) return state;
        return operands_.add({.op = ExpressionOp::negate, .child = state});
    }

    bool is_value() const {
        return peek().kind == Kind::word || peek().kind == Kind::text || peek().kind == Kind::number;
    }

    /// One value, or several in brackets.
    std::optional<std::vector<ExpressionToken>> parse_elements() {
        if (is_value()) return std::vector{next()};
        if (!take_symbol("[")) return fail("expected a value, or several in [brackets]");
        std::vector<ExpressionToken> elements;
        while (!take_symbol("]")) {
            if (!elements.empty() && !take_symbol(",")) return fail("expected \",\" or \"]\"");
            if (!is_value()) return fail("expected a value");
            elements.push_back(next());
        }
        if (elements.empty()) {
            --at_;
            return fail("an empty list: nothing is in it");
        }
        return elements;
    }

    Index parse_set(FactId fact) {
        if (peek().source == "list" && peek(1).source == "(") {
            at_ += 2;
            if (peek().kind != Kind::word && peek().kind != Kind::text)
                return fail("expected the name of a list");
            const ExpressionToken& name = next();
            const Index node = operands_.in_list(fact, name);
            if (node && !take_symbol(")")) return fail("expected \")\"");
            return node;
        }
        const auto elements = parse_elements();
        return elements ? operands_.in(fact, *elements) : std::nullopt;
    }

    std::vector<ExpressionToken> tokens_;
    std::size_t at_ = 0;
    std::size_t depth_ = 0;
    ExpressionOperands operands_;
};

}  // namespace

std::expected<Expression, ExpressionMistake> compile_expression(
    std::string_view text, const FactDictionary& dictionary, const NamedLists& lists
) {
    if (text.size() > expression_limit_octets) {
        return std::unexpected(ExpressionMistake{
            expression_limit_octets,
            "the condition is longer than " + std::to_string(expression_limit_octets) + " octets",
            {}
        });
    }
    auto tokens = lex_expression(text);
    if (!tokens) return std::unexpected(std::move(tokens.error()));
    return Parser(std::move(*tokens), dictionary, lists).run();
}

}  // namespace wicket
