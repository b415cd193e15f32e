#include "policy/expression.hpp"

#include "base/text.hpp"
#include "policy/expression_program.hpp"

#include <algorithm>
#include <compare>
#include <span>
#include <utility>

namespace wicket {
namespace {

using enum ExpressionOp;

Truth truth_of(bool value) {
    return value ? Truth::yes : Truth::no;
}

Truth compare(Comparison comparison, std::partial_ordering order) {
    switch (comparison) {
        case Comparison::equal: return truth_of(order == 0);
        case Comparison::not_equal: return truth_of(order != 0);
        case Comparison::less: return truth_of(order < 0);
        case Comparison::less_or_equal: return truth_of(order <= 0);
        case Comparison::greater: return truth_of(order > 0);
        case Comparison::greater_or_equal: return truth_of(order >= 0);
    }
    std::unreachable();
}

Truth compare_equality(Comparison comparison, bool is_equal) {
    return truth_of(is_equal == (comparison == Comparison::equal));
}

class Evaluation {
public:
    Evaluation(const ExpressionProgram& program, const Facts& facts) : program_(program), facts_(facts) {}

    // Recursion is as deep as the parser let parentheses and `not` nest.
    Truth run(std::uint32_t index) const {
        const ExpressionNode& node = program_.nodes[index];
        switch (node.op) {
            case constant: return static_cast<Truth>(node.first);
            case negate: {
                const Truth inner = run(node.child);
                if (inner == Truth::unknown) return inner;
                return truth_of(inner == Truth::no);
            }
            case all_of: {
                Truth least = Truth::yes;
                for (auto child = node.child; child != ExpressionNode::none && least != Truth::no;
                     child = program_.nodes[child].sibling) {
                    least = std::min(least, run(child));
                }
                return least;
            }
            case any_of: {
                Truth greatest = Truth::no;
                for (auto child = node.child; child != ExpressionNode::none && greatest != Truth::yes;
                     child = program_.nodes[child].sibling) {
                    greatest = std::max(greatest, run(child));
                }
                return greatest;
            }
            default: return test(node, facts_.get(node.fact));
        }
    }

private:
    Truth test(const ExpressionNode& node, const FactValue& value) const {
        if (node.op == is_absent) return truth_of(std::holds_alternative<Absent>(value));
        if (node.op == is_unknown) return truth_of(is_unknown_value(node, value));
        if (std::holds_alternative<Absent>(value)) return Truth::no;
        if (std::holds_alternative<Unknown>(value)) return Truth::unknown;
        switch (node.op) {
            case is_true: return test_boolean(value, Comparison::equal, true);
            case compare_boolean: return test_boolean(value, node.comparison, node.first != 0);
            case compare_integer:
            case compare_real:
            case in_reals: return test_number(node, value);
            case compare_time: {
                const auto* time = std::get_if<WallTime>(&value);
                return time == nullptr ? Truth::unknown
                                       : compare(node.comparison, *time <=> program_.times[node.first]);
            }
            case compare_text:
            case in_texts:
            case matches: return test_text(node, value);
            case compare_address:
            case in_networks: return test_address(node, value);
            case in_list: return test_list(node, value);
            case has_texts:
            case has_fact: return test_has(node, value);
            default: return test_fact(node, value);
        }
    }

    bool is_unknown_value(const ExpressionNode& node, const FactValue& value) const {
        if (std::holds_alternative<Unknown>(value)) return true;
        if (const auto* texts = std::get_if<TextList>(&value)) return !texts->missing.empty();
        if (const auto* results = std::get_if<ResultList>(&value)) return !results->missing.empty();
        const auto* text = std::get_if<std::string>(&value);
        return text != nullptr && is_unknown_word(node, *text);
    }

    bool is_unknown_word(const ExpressionNode& node, std::string_view text) const {
        return node.unknown_word != ExpressionNode::none && program_.texts[node.unknown_word] == text;
    }

    // A value of another type than declared is a filter's bug; it counts as unknown, so that no rule hits by
    // it.
    static Truth test_boolean(const FactValue& value, Comparison comparison, bool wanted) {
        const auto* boolean = std::get_if<bool>(&value);
        return boolean == nullptr ? Truth::unknown : compare_equality(comparison, *boolean == wanted);
    }

    Truth test_number(const ExpressionNode& node, const FactValue& value) const {
        const auto* integer = std::get_if<std::int64_t>(&value);
        if (node.op == compare_integer && integer != nullptr) {
            return compare(node.comparison, *integer <=> program_.integers[node.first]);
        }
        const auto* real = std::get_if<double>(&value);
        if (integer == nullptr && real == nullptr) return Truth::unknown;
        const double number = real != nullptr ? *real : static_cast<double>(*integer);
        if (node.op == in_reals) {
            const auto wanted = std::span(program_.reals).subspan(node.first, node.count);
            return truth_of(std::ranges::find(wanted, number) != wanted.end());
        }
        const double wanted = node.op == compare_integer ? static_cast<double>(program_.integers[node.first])
                                                         : program_.reals[node.first];
        return compare(node.comparison, number <=> wanted);
    }

    Truth test_text(const ExpressionNode& node, const FactValue& value) const {
        const auto* text = std::get_if<std::string>(&value);
        if (text == nullptr) return Truth::unknown;
        if (node.op == matches) {
            if (is_unknown_word(node, *text)) return Truth::unknown;
            const auto head = std::string_view(*text).substr(0, match_limit_octets);
            return truth_of(re2::RE2::PartialMatch({head.data(), head.size()}, *program_.patterns[node.first])
            );
        }
        const std::size_t count = node.op == in_texts ? node.count : 1;
        const auto wanted = std::span(program_.texts).subspan(node.first, count);
        const bool is_among = std::ranges::any_of(wanted, [&](const std::string& item) {
            return equal_ignoring_case(item, *text);
        });
        // A word such as temperror equals itself, and compares as unknown with every other.
        if (!is_among && is_unknown_word(node, *text)) return Truth::unknown;
        return node.op == in_texts ? truth_of(is_among) : compare_equality(node.comparison, is_among);
    }

    Truth test_address(const ExpressionNode& node, const FactValue& value) const {
        const auto* address = std::get_if<IpAddress>(&value);
        if (address == nullptr) return Truth::unknown;
        if (node.op == compare_address) {
            return compare_equality(node.comparison, program_.networks[node.first].address() == *address);
        }
        const auto wanted = std::span(program_.networks).subspan(node.first, node.count);
        return truth_of(std::ranges::any_of(wanted, [&](const IpNetwork& item) {
            return item.contains(*address);
        }));
    }

    Truth test_list(const ExpressionNode& node, const FactValue& value) const {
        const NamedList& list = *program_.lists[node.first];
        if (const auto* address = std::get_if<IpAddress>(&value)) return truth_of(list.contains(*address));
        if (const auto* text = std::get_if<std::string>(&value)) return truth_of(list.contains(*text));
        return Truth::unknown;
    }

    Truth test_has(const ExpressionNode& node, const FactValue& value) const {
        const auto* list = std::get_if<TextList>(&value);
        if (list == nullptr) return Truth::unknown;
        const auto has = [&](std::string_view wanted) {
            return std::ranges::any_of(list->items, [&](const std::string& item) {
                return equal_ignoring_case(item, wanted);
            });
        };
        if (node.op == has_fact) {
            const FactValue& other = facts_.get(node.other_fact);
            if (std::holds_alternative<Absent>(other)) return Truth::no;
            const auto* wanted = std::get_if<std::string>(&other);
            if (wanted == nullptr) return Truth::unknown;
            if (has(*wanted)) return Truth::yes;
        } else if (std::ranges::any_of(std::span(program_.texts).subspan(node.first, node.count), has)) {
            return Truth::yes;
        }
        return list->missing.empty() ? Truth::no : Truth::unknown;
    }

    Truth test_fact(const ExpressionNode& node, const FactValue& value) const {
        const FactValue& other = facts_.get(node.other_fact);
        if (std::holds_alternative<Absent>(other)) return Truth::no;
        if (std::holds_alternative<Unknown>(other)) return Truth::unknown;
        if (const auto* text = std::get_if<std::string>(&value)) {
            const auto* other_text = std::get_if<std::string>(&other);
            if (other_text == nullptr) return Truth::unknown;
            const bool is_equal = equal_ignoring_case(*text, *other_text);
            if (!is_equal && (is_unknown_word(node, *text) || is_unknown_word(node, *other_text)))
                return Truth::unknown;
            return compare_equality(node.comparison, is_equal);
        }
        if (value.index() != other.index()) return compare_mixed_numbers(node.comparison, value, other);
        if (const auto* integer = std::get_if<std::int64_t>(&value)) {
            return compare(node.comparison, *integer <=> std::get<std::int64_t>(other));
        }
        if (const auto* real = std::get_if<double>(&value)) {
            return compare(node.comparison, *real <=> std::get<double>(other));
        }
        if (const auto* time = std::get_if<WallTime>(&value)) {
            return compare(node.comparison, *time <=> std::get<WallTime>(other));
        }
        return compare_equality(node.comparison, value == other);
    }

    static Truth compare_mixed_numbers(
        Comparison comparison, const FactValue& value, const FactValue& other
    ) {
        const auto number = [](const FactValue& fact, double& out) {
            if (const auto* integer = std::get_if<std::int64_t>(&fact))
                out = static_cast<double>(*integer);
            else if (const auto* real = std::get_if<double>(&fact))
                out = *real;
            else
                return false;
            return true;
        };
        double left = 0;
        double right = 0;
        if (!number(value, left) || !number(other, right)) return Truth::unknown;
        return compare(comparison, left <=> right);
    }

    const ExpressionProgram& program_;
    const Facts& facts_;
};

std::shared_ptr<const ExpressionProgram> always() {
    auto program = std::make_shared<ExpressionProgram>();
    program->nodes.push_back({.op = constant, .first = static_cast<std::uint32_t>(Truth::yes)});
    return program;
}

}  // namespace

Expression::Expression() : program_(always()) {}
Expression::Expression(std::shared_ptr<const ExpressionProgram> program) : program_(std::move(program)) {}

Truth Expression::evaluate(const Facts& facts) const {
    return Evaluation(*program_, facts).run(program_->root);
}

const std::vector<FactId>& Expression::facts() const {
    return program_->facts;
}

Stage Expression::stage() const {
    return program_->stage;
}

}  // namespace wicket
