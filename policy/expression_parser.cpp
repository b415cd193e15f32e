// The grammar:
//   condition = conjunction *("or" conjunction)
//   conjunction = negation *("and" negation)
//   negation = *"not" primary
//   primary = "(" condition ")" / "true" / "false" / quantifier / test
//   quantifier = ("any" / "all") "(" FACT "," condition ")"       FACT: a list; in the condition its elements
//   have
//                                                              names: `item`, or the fields of a result
//   test = operand [ comparison operand / "is" ["not"] ("absent" / "unknown") / ["not"] "in" set / "has" set
//   /
//          "matches" TEXT ]
//   operand = term *(("+" / "-") term)
//   term = factor *(("*" / "/") factor)
//   factor = "-" factor / "(" operand ")" / FACT / VALUE / "count" "(" FACT ["," condition] ")" /
//            ("lower" / "domain_of" / "registrable_domain") "(" operand ")"
//   set = "list" "(" NAME ")" / VALUE / "[" VALUE *("," VALUE) "]" / FACT
// Values and their types: expression_operands.cpp, expression_operand_values.cpp.
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
using Operand = ExpressionOperand;

class Parser {
public:
    Parser(
        std::vector<ExpressionToken> tokens,
        const FactDictionary& dictionary,
        const NamedLists& lists,
        ExpressionReading reading
    )
        : tokens_(std::move(tokens)), operands_(dictionary, lists, reading) {}

    std::expected<Expression, std::vector<ExpressionMistake>> run() {
        if (tokens_.front().kind == Kind::end) {
            fail("the condition is empty");
        } else if (const Index root = parse_condition(); root && peek().kind != Kind::end) {
            fail_at_operator("expected \"and\", \"or\" or the end", {"and", "or"});
        } else if (root && !operands_.has_mistakes()) {
            return Expression(operands_.finish(*root));
        }
        return std::unexpected(operands_.take_mistakes());
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

    using ParsePart = Index (Parser::*)();

    /// After a mistake the parts behind it are still looked at, for theirs.
    Index parse_or_recover(ParsePart parse_part) {
        const std::size_t begin = at_;
        const std::size_t depth = depth_;
        const bool was_inside = operands_.is_inside();
        if (const Index part = (this->*parse_part)()) return part;
        fail("the condition makes no sense");  // unless it has been said what is wrong
        if (!operands_.recover()) return std::nullopt;
        at_ = begin;
        depth_ = depth;
        if (!was_inside) operands_.leave();
        skip_part();
        return add_constant(Truth::yes);
    }

    /// To the word behind this part, or the end of what it stands in.
    void skip_part() {
        for (std::size_t opened = 0; peek().kind != Kind::end; ++at_) {
            const ExpressionToken& token = peek();
            if (token.kind == Kind::symbol && token.source == "(") ++opened;
            if (token.kind == Kind::symbol && token.source == ")" && opened-- == 0) return;
            if (token.kind == Kind::word && opened == 0 && (token.source == "and" || token.source == "or"))
                return;
        }
    }

    /// One node over all of its parts, so that long chains do not nest.
    Index parse_chain(std::string_view word, ExpressionOp op, ParsePart parse_part) {
        const Index first = parse_or_recover(parse_part);
        if (!first || peek().kind != Kind::word || peek().source != word) return first;
        const std::uint32_t chain = operands_.add({.op = op, .child = *first});
        std::uint32_t last = *first;
        while (take_word(word)) {
            const Index part = parse_or_recover(parse_part);
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
        if (peek().source == "(" && !opens_operand()) {
            ++at_;
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
        if (is_call("any")) return parse_quantifier(ExpressionOp::any_item);
        if (is_call("all")) return parse_quantifier(ExpressionOp::all_items);
        return parse_test();
    }

    bool is_call(std::string_view word) const {
        return peek().kind == Kind::word && peek().source == word && peek(1).source == "(";
    }

    /// Whether the parenthesis here holds an operand: then something stands behind it that takes one.
    bool opens_operand() const {
        std::size_t ahead = 1;
        for (std::size_t depth = 1; depth != 0; ++ahead) {
            const ExpressionToken& token = peek(ahead);
            if (token.kind == Kind::end) return false;
            if (token.kind != Kind::symbol) continue;
            if (token.source == "(") ++depth;
            if (token.source == ")") --depth;
        }
        const ExpressionToken& behind = peek(ahead);
        if (behind.kind == Kind::symbol) return behind.source != ")" && behind.source != ",";
        const std::string_view word = behind.source == "not" ? peek(ahead + 1).source : behind.source;
        static constexpr std::array<std::string_view, 4> takers = {"in", "is", "has", "matches"};
        return std::ranges::find(takers, word) != takers.end();
    }

    /// The list fact of any(FACT, ...), all(FACT, ...), count(FACT, ...), inside whose parentheses we are
    /// after it.
    std::optional<Operand> open_list() {
        const ExpressionToken function = next();
        if (operands_.is_inside()) {
            operands_.fail(function, "any(), all() and count() cannot stand inside each other");
            return std::nullopt;
        }
        if (++depth_ > expression_limit_depth) return fail_too_deep();
        ++at_;
        if (peek().kind != Kind::word) return fail("expected a fact that is a list");
        const auto list = operands_.fact(peek());
        if (!list) return std::nullopt;
        ++at_;
        if (!operands_.enter(*list)) return std::nullopt;
        return list;
    }

    bool close_list() {
        operands_.leave();
        --depth_;
        if (take_symbol(")")) return true;
        fail_at_operator("expected \")\", \"and\" or \"or\"", {"and", "or"});
        return false;
    }

    Index parse_quantifier(ExpressionOp op) {
        const auto list = open_list();
        if (!list) return std::nullopt;
        if (!take_symbol(",")) return fail("expected \",\" and a condition on the elements of " + list->name);
        const Index condition = parse_condition();
        if (!condition || !close_list()) return std::nullopt;
        return operands_.test_items(op, *list, *condition);
    }

    std::optional<Operand> parse_count() {
        const auto list = open_list();
        if (!list) return std::nullopt;
        Index condition;
        if (take_symbol(",")) {
            condition = parse_condition();
            if (!condition) return std::nullopt;
        }
        if (!close_list()) return std::nullopt;
        return operands_.count_of(*list, condition);
    }

    using Operator = std::pair<std::string_view, ExpressionOp>;

    std::optional<Operand> parse_operand() {
        static constexpr std::array<Operator, 2> operators = {
            {{"+", ExpressionOp::add}, {"-", ExpressionOp::subtract}}
        };
        return parse_sides(operators, &Parser::parse_term);
    }

    std::optional<Operand> parse_term() {
        static constexpr std::array<Operator, 2> operators = {
            {{"*", ExpressionOp::multiply}, {"/", ExpressionOp::divide}}
        };
        return parse_sides(operators, &Parser::parse_factor);
    }

    std::optional<Operand> parse_sides(
        const std::array<Operator, 2>& operators, std::optional<Operand> (Parser::*parse_side)()
    ) {
        std::optional<Operand> left = (this->*parse_side)();
        // A chain of operators nests on its left side.
        for (std::size_t nested = 0; left && peek().kind == Kind::symbol; ++nested) {
            const auto found = std::ranges::find(operators, peek().source, &Operator::first);
            if (found == operators.end()) return left;
            if (nested == expression_limit_depth) return fail_too_deep();
            const ExpressionToken symbol = next();
            std::optional<Operand> right = (this->*parse_side)();
            if (!right) return std::nullopt;
            left = operands_.arithmetic(found->second, symbol, std::move(*left), std::move(*right));
        }
        return left;
    }

    std::optional<Operand> parse_factor() {
        const ExpressionToken& token = peek();
        if (token.source == "-" || token.source == "(") {
            if (++depth_ > expression_limit_depth) return fail_too_deep();
            const ExpressionToken symbol = next();
            std::optional<Operand> inner = symbol.source == "-" ? parse_factor() : parse_operand();
            --depth_;
            if (!inner || symbol.source == "-")
                return inner ? operands_.minus(symbol, std::move(*inner)) : std::nullopt;
            if (!take_symbol(")")) return fail("expected \")\"");
            return inner;
        }
        if (token.kind == Kind::text || token.kind == Kind::number) return operands_.literal(next());
        if (token.kind != Kind::word || is_keyword(token.source)) return fail("expected a fact");
        if (peek(1).source == "(") return parse_function();
        if (operands_.is_element(token.source)) return operands_.element(next());
        auto fact = operands_.fact(token);
        if (fact) ++at_;
        return fact;
    }

    std::optional<Operand> parse_function() {
        static constexpr std::array<Operator, 5> functions = {
            {{"lower", ExpressionOp::lower},
             {"domain_of", ExpressionOp::domain_of},
             {"domain-of", ExpressionOp::domain_of},
             {"registrable_domain", ExpressionOp::registrable_domain},
             {"registrable-domain", ExpressionOp::registrable_domain}}
        };
        if (is_call("count")) return parse_count();
        const auto found = std::ranges::find(functions, peek().source, &Operator::first);
        if (found == functions.end()) {
            operands_.fail_unlisted(
                peek(),
                "unknown function \"" + std::string(peek().source) + '"',
                peek().source,
                {"any", "all", "count", "lower", "domain_of", "registrable_domain"}
            );
            return std::nullopt;
        }
        const ExpressionToken name = next();
        ++at_;
        if (++depth_ > expression_limit_depth) return fail_too_deep();
        std::optional<Operand> inner = parse_operand();
        --depth_;
        if (!inner) return std::nullopt;
        if (!take_symbol(")")) return fail("expected \")\"");
        return operands_.text_function(found->second, name, std::move(*inner));
    }

    Index add_constant(Truth truth) {
        return operands_.add({.op = ExpressionOp::constant, .first = static_cast<std::uint32_t>(truth)});
    }

    std::nullopt_t fail_too_deep() {
        return fail("parentheses and \"not\" nest deeper than " + std::to_string(expression_limit_depth));
    }

    static bool is_keyword(std::string_view word) {
        static constexpr std::array<std::string_view, 9> keywords = {
            "and", "or", "not", "is", "absent", "unknown", "in", "has", "matches"
        };
        return std::ranges::find(keywords, word) != keywords.end();
    }

    Index parse_test() {
        const auto left = parse_operand();
        return left ? parse_operator(*left) : std::nullopt;
    }

    Index parse_operator(const Operand& left) {
        if (take_word("is")) return parse_state(left);
        const bool is_negated = peek().source == "not" && peek(1).source == "in";
        if (is_negated) ++at_;
        if (take_word("in")) {
            const Index inner = parse_set(left, &ExpressionOperands::in, &ExpressionOperands::in_list);
            if (!inner || !is_negated) return inner;
            return operands_.add({.op = ExpressionOp::negate, .child = *inner});
        }
        if (take_word("has")) return parse_set(left, &ExpressionOperands::has, &ExpressionOperands::has_list);
        if (take_word("matches")) {
            if (peek().kind != Kind::text) return fail("expected a regular expression in double quotes");
            return operands_.matches(left, next());
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
            const ExpressionToken sign = tokens_[at_ - 1];
            auto right = parse_right_side(left);
            if (!right) return std::nullopt;
            return operands_.compare(left, comparison, sign, std::move(*right));
        }
        if (const Index truth = operands_.is_true(left)) return truth;
        return fail_without_operator(left);
    }

    /// A word that the left side can have, as it is; else an operand.
    std::optional<Operand> parse_right_side(const Operand& left) {
        const ExpressionToken& token = peek();
        const bool begins_operand =
            is_value() || token.source == "(" || token.source == "-" || operands_.is_element(token.source);
        if (!begins_operand) return fail("expected a value");
        const bool is_word = token.kind == Kind::word && peek(1).source != "(";
        const bool is_own = is_word && left.words != nullptr &&
                            std::ranges::find(*left.words, token.source) != left.words->end();
        const bool is_other =
            is_word && !operands_.is_fact(token.source) && !operands_.is_element(token.source);
        if (is_own || is_other) return operands_.literal(next());
        return parse_operand();
    }

    std::nullopt_t fail_without_operator(const Operand& left) {
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
            left.token, operands_.describe(left) + ", so it cannot stand alone: compare it with something"
        );
        return std::nullopt;
    }

    Index parse_state(const Operand& left) {
        const bool is_negated = take_word("not");
        ExpressionOp op = ExpressionOp::is_absent;
        if (take_word("unknown"))
            op = ExpressionOp::is_unknown;
        else if (!take_word("absent"))
            return fail_at_operator("expected \"absent\" or \"unknown\"", {"absent", "unknown"});
        const std::uint32_t state = operands_.state(left, op);
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

    using TestElements = Index (ExpressionOperands::*)(const Operand&, const std::vector<ExpressionToken>&);
    using TestList = Index (ExpressionOperands::*)(const Operand&, const ExpressionToken&);

    Index parse_set(const Operand& left, TestElements test_elements, TestList test_list) {
        if (peek().source == "list" && peek(1).source == "(") {
            at_ += 2;
            if (peek().kind != Kind::word && peek().kind != Kind::text)
                return fail("expected the name of a list");
            const ExpressionToken& name = next();
            const Index node = (operands_.*test_list)(left, name);
            if (node && !take_symbol(")")) return fail("expected \")\"");
            return node;
        }
        const auto elements = parse_elements();
        return elements ? (operands_.*test_elements)(left, *elements) : std::nullopt;
    }

    std::vector<ExpressionToken> tokens_;
    std::size_t at_ = 0;
    std::size_t depth_ = 0;
    ExpressionOperands operands_;
};

}  // namespace

std::expected<Expression, std::vector<ExpressionMistake>> compile_expression(
    std::string_view text,
    const FactDictionary& dictionary,
    const NamedLists& lists,
    ExpressionReading reading
) {
    if (text.size() > expression_limit_octets) {
        ExpressionMistake mistake{
            expression_limit_octets,
            "the condition is longer than " + std::to_string(expression_limit_octets) + " octets",
            {}
        };
        return std::unexpected(std::vector{std::move(mistake)});
    }
    auto tokens = lex_expression(text);
    if (!tokens) return std::unexpected(std::vector{std::move(tokens.error())});
    return Parser(std::move(*tokens), dictionary, lists, reading).run();
}

}  // namespace wicket
