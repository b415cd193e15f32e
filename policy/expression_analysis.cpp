// What can be said of a condition without any facts: for the linter.
#include "base/text.hpp"
#include "policy/expression_lexer.hpp"
#include "policy/expression_program.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <span>

namespace wicket {
namespace {

using enum ExpressionOp;

/// The truths that a node may have.
struct Possible {
    bool no = true;
    bool unknown = true;
    bool yes = true;
};

/// What the tests of one fact that must all hold leave of its values.
struct Remaining {
    std::optional<std::vector<std::string>> texts;
    double least = -std::numeric_limits<double>::infinity();
    double most = std::numeric_limits<double>::infinity();
    bool has_value = false;
    bool is_absent = false;

    void keep_texts(std::span<const std::string> wanted) {
        std::vector<std::string> kept;
        for (const std::string& text : wanted) {
            const std::string lower_text = lower_case(text);
            if (!texts || std::ranges::find(*texts, lower_text) != texts->end()) kept.push_back(lower_text);
        }
        texts = std::move(kept);
    }
    bool is_nothing() const { return (texts && texts->empty()) || least > most || (has_value && is_absent); }
};

class Analysis {
public:
    explicit Analysis(const ExpressionProgram& program) : program_(program) {}

    Possible possible(std::uint32_t index) const {
        const ExpressionNode& node = program_.nodes[index];
        switch (node.op) {
            case constant: {
                const auto truth = static_cast<Truth>(node.first);
                return {truth == Truth::no, truth == Truth::unknown, truth == Truth::yes};
            }
            case negate: {
                const Possible inner = possible(node.child);
                return {inner.yes, inner.unknown, inner.no};
            }
            case all_of: {
                Possible joined{false, true, true};
                for_each_child(node, [&](std::uint32_t child) {
                    const Possible one = possible(child);
                    joined.no |= one.no;
                    joined.yes &= one.yes;
                });
                if (joined.yes && excludes_itself(node)) joined.yes = false;
                return joined;
            }
            case any_of: {
                Possible joined{true, true, false};
                for_each_child(node, [&](std::uint32_t child) {
                    const Possible one = possible(child);
                    joined.no &= one.no;
                    joined.yes |= one.yes;
                });
                return joined;
            }
            default: return {};
        }
    }

    void collect_facts(std::uint32_t index, std::vector<FactId>& out) const {
        const ExpressionNode& node = program_.nodes[index];
        const auto note = [&out](FactId fact) {
            if (std::ranges::find(out, fact) == out.end()) out.push_back(fact);
        };
        if (reads_fact(node)) note(node.fact);
        if (node.op == compare_fact || node.op == has_fact || node.op == in_fact) note(node.other_fact);
        for_each_child(node, [&](std::uint32_t child) { collect_facts(child, out); });
    }

    void collect_parts(std::uint32_t index, std::vector<std::vector<FactId>>& out) const {
        const ExpressionNode& node = program_.nodes[index];
        if (node.op == any_of)
            for_each_child(node, [&](std::uint32_t child) { collect_parts(child, out); });
        else
            collect_facts(index, out.emplace_back());
    }

private:
    template <class See>
    void for_each_child(const ExpressionNode& node, See see) const {
        for (auto child = node.child; child != ExpressionNode::none; child = program_.nodes[child].sibling)
            see(child);
    }

    static bool reads_fact(const ExpressionNode& node) {
        switch (node.op) {
            case constant:
            case all_of:
            case any_of:
            case negate:
            case compare_values: return false;
            case any_item:
            case all_items:
            case value_fact:
            case count: return true;
            default: return !is_value_op(node.op) && node.child == ExpressionNode::none;
        }
    }

    /// Whether tests that must all hold leave no value for some fact.
    bool excludes_itself(const ExpressionNode& node) const {
        std::map<FactId, Remaining> facts;
        for_each_child(node, [&](std::uint32_t child) { narrow(program_.nodes[child], facts); });
        return std::ranges::any_of(facts, [](const auto& one) { return one.second.is_nothing(); });
    }

    void narrow(const ExpressionNode& node, std::map<FactId, Remaining>& facts) const {
        if (!reads_fact(node) || is_value_op(node.op) || node.op == any_item || node.op == all_items) return;
        Remaining& fact = facts[node.fact];
        if (node.op == is_absent)
            fact.is_absent = true;
        else if (node.op != is_unknown)
            fact.has_value = true;
        const std::span texts(program_.texts);
        if (node.op == compare_text && node.comparison == Comparison::equal)
            fact.keep_texts(texts.subspan(node.first, 1));
        else if (node.op == in_texts)
            fact.keep_texts(texts.subspan(node.first, node.count));
        else if (node.op == compare_integer)
            bound(fact, node.comparison, static_cast<double>(program_.integers[node.first]));
        else if (node.op == compare_real)
            bound(fact, node.comparison, program_.reals[node.first]);
    }

    static void bound(Remaining& fact, Comparison comparison, double value) {
        using enum Comparison;
        if (comparison == equal || comparison == less_or_equal) fact.most = std::min(fact.most, value);
        if (comparison == equal || comparison == greater_or_equal) fact.least = std::max(fact.least, value);
        if (comparison == less) fact.most = std::min(fact.most, std::nextafter(value, value - 1));
        if (comparison == greater) fact.least = std::max(fact.least, std::nextafter(value, value + 1));
    }

    const ExpressionProgram& program_;
};

using Kind = ExpressionToken::Kind;
using Tokens = std::span<const ExpressionToken>;

/// Without parentheses around all of it.
Tokens unwrapped(Tokens tokens) {
    while (tokens.size() >= 2 && tokens.front().source == "(" && tokens.back().source == ")") {
        std::size_t depth = 0;
        for (std::size_t at = 0; at + 1 < tokens.size(); ++at) {
            if (tokens[at].kind == Kind::symbol && tokens[at].source == "(") ++depth;
            if (tokens[at].kind == Kind::symbol && tokens[at].source == ")") --depth;
            if (depth == 0) return tokens;
        }
        tokens = tokens.subspan(1, tokens.size() - 2);
    }
    return tokens;
}

/// The pieces between the words `joint` that stand in no parentheses.
std::vector<Tokens> pieces_of(Tokens tokens, std::string_view joint) {
    std::vector<Tokens> pieces;
    std::size_t depth = 0;
    std::size_t begin = 0;
    for (std::size_t at = 0; at < tokens.size(); ++at) {
        const ExpressionToken& token = tokens[at];
        if (token.kind == Kind::symbol && token.source == "(") ++depth;
        if (token.kind == Kind::symbol && token.source == ")") --depth;
        if (depth != 0 || token.kind != Kind::word || token.source != joint) continue;
        pieces.push_back(tokens.subspan(begin, at - begin));
        begin = at + 1;
    }
    pieces.push_back(tokens.subspan(begin));
    return pieces;
}

void add_conjuncts(Tokens tokens, std::vector<std::string>& out) {
    tokens = unwrapped(tokens);
    const auto pieces = pieces_of(tokens, "and");
    if (pieces.size() > 1 && pieces_of(tokens, "or").size() == 1) {
        for (const Tokens piece : pieces)
            add_conjuncts(piece, out);
        return;
    }
    std::string text;
    for (const ExpressionToken& token : tokens) {
        if (!text.empty()) text += ' ';
        text += token.kind == Kind::text ? lower_case(token.text) + '"' : std::string(token.source);
    }
    if (text != "true") out.push_back(std::move(text));
}

void add_parts(Tokens tokens, std::vector<std::vector<std::string>>& out) {
    tokens = unwrapped(tokens);
    const auto pieces = pieces_of(tokens, "or");
    if (pieces.size() > 1) {
        for (const Tokens piece : pieces)
            add_parts(piece, out);
        return;
    }
    std::vector<std::string>& part = out.emplace_back();
    add_conjuncts(tokens, part);
    std::ranges::sort(part);
    const auto repeated = std::ranges::unique(part);
    part.erase(repeated.begin(), repeated.end());
}

}  // namespace

bool Expression::can_hold() const {
    return Analysis(*program_).possible(program_->root).yes;
}

std::vector<std::vector<FactId>> Expression::facts_of_parts() const {
    std::vector<std::vector<FactId>> parts;
    Analysis(*program_).collect_parts(program_->root, parts);
    return parts;
}

std::vector<std::vector<std::string>> parts_of_condition(std::string_view text) {
    const auto tokens = lex_expression(text);
    std::vector<std::vector<std::string>> parts;
    if (tokens) add_parts(Tokens(*tokens).first(tokens->size() - 1), parts);
    return parts;
}

}  // namespace wicket
