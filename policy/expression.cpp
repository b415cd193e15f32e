#include "policy/expression.hpp"

#include "base/text.hpp"
#include "policy/expression_program.hpp"
#include "policy/expression_values.hpp"
#include "policy/fact_lookup.hpp"

#include <algorithm>
#include <compare>
#include <limits>
#include <optional>
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

/// Which values an integer has for certain: count() of a list of which only a part is known has a range.
struct Range {
    std::int64_t least;
    std::int64_t most;
};

class Evaluation {
public:
    Evaluation(const ExpressionProgram& program, const FactLookup& facts)
        : program_(program), facts_(facts) {}

    // Recursion is as deep as the parser let parentheses, `not` and functions nest.
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
            case any_item:
            case all_items: return test_items(node);
            case compare_values: return test_values(node);
            default: break;
        }
        if (node.child == ExpressionNode::none) return test(node, facts_.get(node.fact));
        return test_computed(node);
    }

private:
    // Computed values need room of their own, which would make every call of run() slower: most have none.
    [[gnu::noinline]] Truth test_computed(const ExpressionNode& node) const {
        return test(node, value_of(node.child));
    }

    Truth test(const ExpressionNode& node, const FactValue& value) const {
        if (node.op == is_absent) return truth_of(std::holds_alternative<Absent>(value));
        if (node.op == is_unknown) return truth_of(is_unknown_value(node, value));
        if (std::holds_alternative<Absent>(value)) return Truth::no;
        if (node.op == in_fact) return test_in_fact(node, value);
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
            case has_fact:
            case has_listed: return test_has(node, value);
            default: return test_fact(node.comparison, node, value, facts_.get(node.other_fact));
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

    /// Time is a fact; where it is not given, no entry has expired.
    WallTime now() const {
        const auto* now = std::get_if<WallTime>(&facts_.get(id_of(CoreFact::time_now)));
        return now != nullptr ? *now : WallTime::min();
    }

    Truth test_list(const ExpressionNode& node, const FactValue& value) const {
        const NamedList& list = *program_.lists[node.first];
        if (const auto* address = std::get_if<IpAddress>(&value))
            return truth_of(list.contains(*address, now()));
        const auto* text = std::get_if<std::string>(&value);
        if (text == nullptr) return Truth::unknown;
        if (list.contains(*text, now())) return Truth::yes;
        return is_unknown_word(node, *text) ? Truth::unknown : Truth::no;
    }

    static Truth is_item(const TextList& list, std::string_view wanted) {
        const bool is_there = std::ranges::any_of(list.items, [&](const std::string& item) {
            return equal_ignoring_case(item, wanted);
        });
        if (is_there) return Truth::yes;
        return list.missing.empty() ? Truth::no : Truth::unknown;
    }

    Truth test_has(const ExpressionNode& node, const FactValue& value) const {
        const auto* list = std::get_if<TextList>(&value);
        if (list == nullptr) return Truth::unknown;
        const Truth otherwise = list->missing.empty() ? Truth::no : Truth::unknown;
        if (node.op == has_fact) {
            const FactValue& other = facts_.get(node.other_fact);
            if (std::holds_alternative<Absent>(other)) return Truth::no;
            const auto* wanted = std::get_if<std::string>(&other);
            return wanted == nullptr ? Truth::unknown : is_item(*list, *wanted);
        }
        if (node.op == has_listed) {
            const NamedList& named = *program_.lists[node.first];
            const WallTime time = now();
            const bool has_one = std::ranges::any_of(list->items, [&](const std::string& item) {
                return named.contains(item, time);
            });
            return has_one ? Truth::yes : otherwise;
        }
        const auto wanted = std::span(program_.texts).subspan(node.first, node.count);
        const bool has_one = std::ranges::any_of(wanted, [&](const std::string& item) {
            return is_item(*list, item) == Truth::yes;
        });
        return has_one ? Truth::yes : otherwise;
    }

    /// `value` may be unknown: nothing is in a list that is absent.
    Truth test_in_fact(const ExpressionNode& node, const FactValue& value) const {
        const FactValue& other = facts_.get(node.other_fact);
        if (std::holds_alternative<Absent>(other)) return Truth::no;
        const auto* list = std::get_if<TextList>(&other);
        const auto* text = std::get_if<std::string>(&value);
        if (list == nullptr || text == nullptr) return Truth::unknown;
        const Truth found = is_item(*list, *text);
        return found == Truth::no && is_unknown_word(node, *text) ? Truth::unknown : found;
    }

    Truth test_fact(
        Comparison comparison, const ExpressionNode& node, const FactValue& value, const FactValue& other
    ) const {
        if (std::holds_alternative<Absent>(value) || std::holds_alternative<Absent>(other)) return Truth::no;
        if (std::holds_alternative<Unknown>(value) || std::holds_alternative<Unknown>(other))
            return Truth::unknown;
        if (const auto* text = std::get_if<std::string>(&value)) {
            const auto* other_text = std::get_if<std::string>(&other);
            if (other_text == nullptr) return Truth::unknown;
            const bool is_equal = equal_ignoring_case(*text, *other_text);
            if (!is_equal && (is_unknown_word(node, *text) || is_unknown_word(node, *other_text)))
                return Truth::unknown;
            return compare_equality(comparison, is_equal);
        }
        if (value.index() != other.index()) return compare_mixed_numbers(comparison, value, other);
        if (const auto* integer = std::get_if<std::int64_t>(&value)) {
            return compare(comparison, *integer <=> std::get<std::int64_t>(other));
        }
        if (const auto* real = std::get_if<double>(&value)) {
            return compare(comparison, *real <=> std::get<double>(other));
        }
        if (const auto* time = std::get_if<WallTime>(&value)) {
            return compare(comparison, *time <=> std::get<WallTime>(other));
        }
        return compare_equality(comparison, value == other);
    }

    static Truth compare_mixed_numbers(
        Comparison comparison, const FactValue& value, const FactValue& other
    ) {
        const auto left = number_of(value);
        const auto right = number_of(other);
        return left && right ? compare(comparison, *left <=> *right) : Truth::unknown;
    }

    [[gnu::noinline]] Truth test_values(const ExpressionNode& node) const {
        const std::uint32_t left = node.child;
        const std::uint32_t right = program_.nodes[left].sibling;
        if (program_.nodes[left].op == count || program_.nodes[right].op == count) {
            const auto a = range_of(left);
            const auto b = range_of(right);
            if (a && b) return compare_ranges(node.comparison, *a, *b);
        }
        return test_fact(node.comparison, node, value_of(left), value_of(right));
    }

    static Truth compare_ranges(Comparison comparison, const Range& a, const Range& b) {
        // What holds for both ends, and for everything between them, holds.
        const auto all_less = truth_of(a.most < b.least);
        const auto all_greater = truth_of(a.least > b.most);
        const bool are_apart = all_less == Truth::yes || all_greater == Truth::yes;
        const bool are_points = a.least == a.most && b.least == b.most;
        const auto certain = [](bool always, bool never) {
            return always ? Truth::yes : (never ? Truth::no : Truth::unknown);
        };
        switch (comparison) {
            case Comparison::equal: return certain(are_points && !are_apart, are_apart);
            case Comparison::not_equal: return certain(are_apart, are_points && !are_apart);
            case Comparison::less: return certain(a.most < b.least, a.least >= b.most);
            case Comparison::less_or_equal: return certain(a.most <= b.least, a.least > b.most);
            case Comparison::greater: return certain(a.least > b.most, a.most <= b.least);
            case Comparison::greater_or_equal: return certain(a.least >= b.most, a.most < b.least);
        }
        std::unreachable();
    }

    /// Calls `see(truth)` for each element of the list fact, as long as it returns true.
    template <class See>
    void for_each_element(const FactValue& value, std::uint32_t condition, See see) const {
        Evaluation inner(program_, facts_);
        if (const auto* texts = std::get_if<TextList>(&value)) {
            for (const std::string& item : texts->items) {
                inner.item_ = &item;
                if (!see(inner.run(condition))) return;
            }
        } else if (const auto* results = std::get_if<ResultList>(&value)) {
            for (const ResultRow& row : results->rows) {
                inner.row_ = &row;
                if (!see(inner.run(condition))) return;
            }
        }
    }

    [[gnu::noinline]] Truth test_items(const ExpressionNode& node) const {
        const FactValue& value = facts_.get(node.fact);
        if (std::holds_alternative<Absent>(value)) return Truth::no;
        if (!is_list(value)) return Truth::unknown;
        const bool is_any = node.op == any_item;
        Truth joined = is_any ? Truth::no : Truth::yes;
        for_each_element(value, node.child, [&](Truth truth) {
            joined = is_any ? std::max(joined, truth) : std::min(joined, truth);
            return joined != (is_any ? Truth::yes : Truth::no);
        });
        // What is missing from the list may be otherwise.
        if (is_unknown_value(node, value))
            joined = is_any ? std::max(joined, Truth::unknown) : std::min(joined, Truth::unknown);
        return joined;
    }

    static bool is_list(const FactValue& value) {
        return std::holds_alternative<TextList>(value) || std::holds_alternative<ResultList>(value);
    }

    /// Of a value that is a whole number, or a count; nullopt for all else.
    std::optional<Range> range_of(std::uint32_t index) const {
        const ExpressionNode& node = program_.nodes[index];
        if (node.op != count) {
            const FactValue value = value_of(index);
            const auto* integer = std::get_if<std::int64_t>(&value);
            return integer != nullptr ? std::optional(Range{*integer, *integer}) : std::nullopt;
        }
        const FactValue& value = facts_.get(node.fact);
        if (!is_list(value)) return std::nullopt;
        Range range{0, 0};
        const auto count_element = [&range](Truth truth) {
            range.least += truth == Truth::yes ? 1 : 0;
            range.most += truth != Truth::no ? 1 : 0;
            return true;
        };
        if (node.child != ExpressionNode::none) {
            for_each_element(value, node.child, count_element);
        } else {
            const auto* texts = std::get_if<TextList>(&value);
            range.least = static_cast<std::int64_t>(
                texts != nullptr ? texts->items.size() : std::get<ResultList>(value).rows.size()
            );
            range.most = range.least;
        }
        if (is_unknown_value(node, value)) range.most = std::numeric_limits<std::int64_t>::max();
        return range;
    }

    FactValue value_of(std::uint32_t index) const {
        const ExpressionNode& node = program_.nodes[index];
        switch (node.op) {
            case value_fact: {
                const FactValue& value = facts_.get(node.fact);
                return is_unknown_value(node, value) ? FactValue(Unknown{}) : value;
            }
            case value_item: return item_ != nullptr ? FactValue(*item_) : FactValue();
            case value_field: return field(program_.texts[node.first]);
            case value_integer: return program_.integers[node.first];
            case value_real: return program_.reals[node.first];
            case value_text: return program_.texts[node.first];
            case value_time: return program_.times[node.first];
            case value_address: return program_.networks[node.first].address();
            case count: {
                if (std::holds_alternative<Absent>(facts_.get(node.fact))) return Absent{};
                const auto range = range_of(index);
                return range && range->least == range->most ? FactValue(range->least) : FactValue(Unknown{});
            }
            case minus: return calculate(subtract, std::int64_t{0}, value_of(node.child));
            case add:
            case subtract:
            case multiply:
            case divide:
                return calculate(node.op, value_of(node.child), value_of(program_.nodes[node.child].sibling));
            default: return apply_to_text(node.op, value_of(node.child));
        }
    }

    FactValue field(std::string_view name) const {
        if (row_ == nullptr) return Absent{};
        const auto found = std::ranges::find(*row_, name, &std::pair<std::string, std::string>::first);
        return found != row_->end() ? FactValue(found->second) : FactValue();
    }

    const ExpressionProgram& program_;
    const FactLookup& facts_;
    const std::string* item_ = nullptr;  // the element that any, all or count is at
    const ResultRow* row_ = nullptr;
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
    return evaluate(FactLookup(facts));
}

Truth Expression::evaluate(const FactLookup& facts) const {
    return wicket::evaluate(*program_, facts);
}

Truth evaluate(const ExpressionProgram& program, const FactLookup& facts) {
    return Evaluation(program, facts).run(program.root);
}

const std::vector<FactId>& Expression::facts() const {
    return program_->facts;
}

Stage Expression::stage() const {
    return program_->stage;
}

}  // namespace wicket
