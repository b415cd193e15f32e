#include "policy/condition_logic.hpp"

#include "base/text.hpp"
#include "policy/condition_values.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

namespace wicket {
namespace {

using enum ExpressionOp;
using Literal = ConditionLiteral;
using Part = ConditionPart;
using Program = ExpressionProgram;

// What `and` joins of `or`s multiplies; beyond this the `or`s are compared as they stand.
constexpr std::size_t parts_limit = 64;

const ExpressionNode& node_of(const Literal& literal) {
    return literal.program->nodes[literal.node];
}

std::vector<std::uint32_t> children_of(const Program& program, const ExpressionNode& node) {
    std::vector<std::uint32_t> children;
    for (auto child = node.child; child != ExpressionNode::none; child = program.nodes[child].sibling)
        children.push_back(child);
    return children;
}

std::vector<std::string> texts_of(const Program& program, const ExpressionNode& node, std::size_t count) {
    std::vector<std::string> texts;
    for (const std::string& text : std::span(program.texts).subspan(node.first, count))
        texts.push_back(lower_case(text));
    return texts;
}

std::optional<std::string> unknown_word_of(const Program& program, const ExpressionNode& node) {
    if (node.unknown_word == ExpressionNode::none) return std::nullopt;
    return lower_case(program.texts[node.unknown_word]);
}

/// What the node compares with.
bool have_same_operand(const Program& a, const ExpressionNode& x, const Program& b, const ExpressionNode& y) {
    const auto same = [&](const auto& in_a, const auto& in_b, std::size_t count) {
        return std::ranges::equal(
            std::span(in_a).subspan(x.first, count), std::span(in_b).subspan(y.first, count)
        );
    };
    if (x.count != y.count) return false;
    switch (x.op) {
        case constant:
        case compare_boolean: return x.first == y.first;
        case compare_integer:
        case value_integer: return same(a.integers, b.integers, 1);
        case compare_real:
        case value_real: return same(a.reals, b.reals, 1);
        case in_reals: return same(a.reals, b.reals, x.count);
        case compare_text:
        case value_text:
        case value_field: return texts_of(a, x, 1) == texts_of(b, y, 1);
        case in_texts:
        case has_texts: return texts_of(a, x, x.count) == texts_of(b, y, x.count);
        case compare_address:
        case value_address: return same(a.networks, b.networks, 1);
        case in_networks: return same(a.networks, b.networks, x.count);
        case compare_time:
        case value_time: return same(a.times, b.times, 1);
        case in_list:
        case has_listed:
            // A list with mistakes is there as null: one of them is no other.
            return a.lists[x.first] != nullptr && same(a.lists, b.lists, 1);
        case matches: return a.patterns[x.first]->pattern() == b.patterns[y.first]->pattern();
        default: return true;
    }
}

bool is_same(const Program& a, std::uint32_t at, const Program& b, std::uint32_t other) {
    const ExpressionNode& x = a.nodes[at];
    const ExpressionNode& y = b.nodes[other];
    return x.op == y.op && x.comparison == y.comparison && x.fact == y.fact && x.other_fact == y.other_fact &&
           unknown_word_of(a, x) == unknown_word_of(b, y) && have_same_operand(a, x, b, y) &&
           std::ranges::equal(children_of(a, x), children_of(b, y), [&](std::uint32_t i, std::uint32_t j) {
               return is_same(a, i, b, j);
           });
}

bool is_same(const Literal& a, const Literal& b) {
    return a.is_negated == b.is_negated && is_same(*a.program, a.node, *b.program, b.node);
}

bool is_list_test(ExpressionOp op) {
    return op == has_texts || op == has_fact || op == has_listed || op == any_item || op == all_items;
}

std::optional<FactId> first_fact(const Program& program, std::uint32_t at) {
    const ExpressionNode& node = program.nodes[at];
    if (node.op == value_fact || node.op == count) return node.fact;
    for (const std::uint32_t child : children_of(program, node))
        if (const auto fact = first_fact(program, child)) return fact;
    return std::nullopt;
}

std::optional<ConditionSubject> subject_of(const Literal& literal) {
    const Program& program = *literal.program;
    const ExpressionNode& node = node_of(literal);
    switch (node.op) {
        case constant:
        case all_of:
        case any_of:
        case negate: return std::nullopt;
        case any_item:
        case all_items: return ConditionSubject{&program, node.fact, ExpressionNode::none};
        default: break;
    }
    if (node.child == ExpressionNode::none)
        return ConditionSubject{&program, node.fact, ExpressionNode::none};
    const auto fact = first_fact(program, node.child);
    return fact ? std::optional(ConditionSubject{&program, *fact, node.child}) : std::nullopt;
}

std::vector<ConditionRange> ranges_of(Comparison comparison, long double value) {
    const ConditionRange point{value, value, true, true};
    ConditionRange below;
    below.most = value;
    ConditionRange above;
    above.least = value;
    switch (comparison) {
        case Comparison::equal: return {point};
        case Comparison::not_equal: return outside_of({point});
        case Comparison::less: below.has_most = false; return {below};
        case Comparison::less_or_equal: return {below};
        case Comparison::greater: above.has_least = false; return {above};
        case Comparison::greater_or_equal: return {above};
    }
    std::unreachable();
}

/// The values of its subject for which a test is true, or false if it is negated. Not `exact`: these and
/// perhaps others for which it is not.
struct Meaning {
    ConditionValues values;
    bool is_exact = true;
};

class Meanings {
public:
    explicit Meanings(const Literal& literal)
        : program_(*literal.program), node_(node_of(literal)), is_negated_(literal.is_negated) {}

    Meaning find() const {
        switch (node_.op) {
            case is_true: return of_texts({"true"}, false);
            case compare_boolean: {
                const bool wanted = (node_.first != 0) == (node_.comparison == Comparison::equal);
                return of_texts({wanted ? "true" : "false"}, false);
            }
            case compare_text:
                return of_texts(texts_of(program_, node_, 1), node_.comparison == Comparison::not_equal);
            case in_texts: return of_texts(texts_of(program_, node_, node_.count), false);
            case compare_integer:
                return of_ranges(
                    ranges_of(node_.comparison, static_cast<long double>(program_.integers[node_.first]))
                );
            case compare_real: return of_ranges(ranges_of(node_.comparison, program_.reals[node_.first]));
            case in_reals: return of_points();
            case compare_time:
                return of_ranges(ranges_of(node_.comparison, micros(program_.times[node_.first])));
            case compare_address: return of_networks(1, node_.comparison == Comparison::not_equal);
            case in_networks: return of_networks(node_.count, false);
            case ExpressionOp::is_absent: return of_absence();
            case ExpressionOp::is_unknown: return of_ignorance();
            case compare_values: return of_comparison();
            default: return of_presence();
        }
    }

private:
    static long double micros(WallTime time) {
        return static_cast<long double>(time.time_since_epoch().count());
    }

    /// A comparison with what is absent is false, with what is unknown it is neither.
    ConditionValues known() const { return {.absent = is_negated_, .unknown = false}; }

    Meaning of_texts(std::vector<std::string> texts, bool are_left_out) const {
        Meaning made{known()};
        made.values.all_but_texts = are_left_out != is_negated_;
        const auto unknown = unknown_word_of(program_, node_);
        const bool is_named = !unknown || std::ranges::find(texts, *unknown) != texts.end();
        // It equals itself, and compares as unknown with every other.
        if (made.values.all_but_texts && !is_named) texts.push_back(*unknown);
        made.values.texts = std::move(texts);
        return made;
    }

    Meaning of_ranges(std::vector<ConditionRange> ranges) const {
        Meaning made{known()};
        made.values.ranges = is_negated_ ? outside_of(ranges) : std::move(ranges);
        return made;
    }

    Meaning of_points() const {
        std::vector<double> points;
        for (const double point : std::span(program_.reals).subspan(node_.first, node_.count))
            points.push_back(point);
        std::ranges::sort(points);
        std::vector<ConditionRange> ranges;
        for (const double point : points)
            ranges.push_back({point, point, true, true});
        return of_ranges(std::move(ranges));
    }

    Meaning of_networks(std::size_t count_of_networks, bool are_left_out) const {
        Meaning made{known()};
        const auto networks = std::span(program_.networks).subspan(node_.first, count_of_networks);
        made.values.networks.assign(networks.begin(), networks.end());
        made.values.all_but_networks = are_left_out != is_negated_;
        return made;
    }

    static ConditionValues nothing() { return {.absent = false, .unknown = false, .ranges = {}}; }

    Meaning of_absence() const {
        if (is_negated_) return {{.absent = false}};
        ConditionValues only = nothing();
        only.absent = true;
        return {only};
    }

    Meaning of_ignorance() const {
        // A count of what is not complete is unknown, and above some number all the same.
        if (node_.child != ExpressionNode::none) return {{}, false};
        // A list of which a part is missing is unknown, too, and has values.
        if (is_list_state())
            return {
                {.absent = is_negated_, .unknown = !is_negated_},
                false
            };
        const auto word = unknown_word_of(program_, node_);
        ConditionValues values;
        if (is_negated_) {
            values.unknown = false;
            if (word) values.texts = {*word};
            return {values};
        }
        values.absent = false;
        values.all_but_texts = false;
        if (word) values.texts = {*word};
        return {values};
    }

    bool is_list_state() const { return node_.count != 0; }

    /// Of what is computed with a number or time.
    Meaning of_comparison() const {
        const ExpressionNode& right = program_.nodes[program_.nodes[node_.child].sibling];
        switch (right.op) {
            case value_integer:
                return of_ranges(
                    ranges_of(node_.comparison, static_cast<long double>(program_.integers[right.first]))
                );
            case value_real: return of_ranges(ranges_of(node_.comparison, program_.reals[right.first]));
            case value_time:
                return of_ranges(ranges_of(node_.comparison, micros(program_.times[right.first])));
            default: return of_presence();
        }
    }

    /// Of all other tests: that there is something to look at. Of a list a part may be missing.
    Meaning of_presence() const {
        if (is_negated_) return {{}, false};
        return {
            {.absent = false, .unknown = is_list_test(node_.op)},
            false
        };
    }

    const Program& program_;
    const ExpressionNode& node_;
    bool is_negated_;
};

/// All values of a subject: a count is none below 0.
ConditionValues all_values_of(const ConditionSubject& subject) {
    ConditionValues values;
    const bool is_count =
        subject.value != ExpressionNode::none && subject.program->nodes[subject.value].op == count;
    if (is_count) values.ranges = ranges_of(Comparison::greater_or_equal, 0);
    return values;
}

bool have_members_of(const Literal& few, const Literal& many) {
    const auto texts = texts_of(*few.program, node_of(few), node_of(few).count);
    const auto others = texts_of(*many.program, node_of(many), node_of(many).count);
    return std::ranges::all_of(texts, [&](const std::string& text) {
        return std::ranges::find(others, text) != others.end();
    });
}

std::optional<ConditionMeaning> meaning_of(const Literal& literal) {
    const auto subject = subject_of(literal);
    if (!subject) return std::nullopt;
    Meaning meaning = Meanings(literal).find();
    return ConditionMeaning{*subject, std::move(meaning.values), meaning.is_exact};
}

std::vector<Part> split(const Literal& literal) {
    const Program& program = *literal.program;
    const ExpressionNode& node = node_of(literal);
    switch (node.op) {
        case constant: {
            const auto wanted = literal.is_negated ? Truth::no : Truth::yes;
            return std::vector<Part>(static_cast<Truth>(node.first) == wanted ? 1 : 0);
        }
        case negate: return split({&program, node.child, !literal.is_negated});
        case all_of:
        case any_of: break;
        default: return {{literal}};
    }
    const bool joins_all = (node.op == all_of) != literal.is_negated;
    std::vector<Part> parts;
    if (joins_all) parts.emplace_back();
    for (const std::uint32_t child : children_of(program, node)) {
        const Literal one{&program, child, literal.is_negated};
        std::vector<Part> more = split(one);
        if (!joins_all) {
            std::ranges::move(more, std::back_inserter(parts));
            continue;
        }
        if (more.size() > 1 && parts.size() * more.size() > parts_limit) more = {{one}};
        std::vector<Part> joined;
        for (const Part& left : parts)
            for (const Part& right : more) {
                joined.push_back(left);
                joined.back().insert(joined.back().end(), right.begin(), right.end());
            }
        parts = std::move(joined);
    }
    return parts;
}

/// The texts of which a subject must have one.
const std::vector<std::string>* few_texts(const ConditionValues& values) {
    return !values.all_but_texts && !values.absent && !values.unknown ? &values.texts : nullptr;
}

}  // namespace

std::vector<ConditionPart> parts_of(const ExpressionProgram& condition) {
    return split({&condition, condition.root, false});
}

bool ConditionSubject::is_same_as(const ConditionSubject& other) const {
    if (fact != other.fact || (value == ExpressionNode::none) != (other.value == ExpressionNode::none))
        return false;
    return value == ExpressionNode::none || is_same(*program, value, *other.program, other.value);
}

KnownPart::KnownPart(ConditionPart part) : part_(std::move(part)) {
    for (const Literal& one : part_) {
        const auto meaning = meaning_of(one);
        if (!meaning) continue;
        const auto is_about = [&](const Known& known) { return known.subject.is_same_as(meaning->subject); };
        auto known = std::ranges::find_if(known_, is_about);
        if (known == known_.end())
            known = known_.insert(known_.end(), {meaning->subject, all_values_of(meaning->subject)});
        known->values.intersect(meaning->values);
    }
}

bool KnownPart::can_hold() const {
    return std::ranges::none_of(part_, [&](const Literal& one) {
        return implies_node({one.program, one.node, !one.is_negated});
    });
}

bool KnownPart::implies(const ExpressionProgram& condition) const {
    return implies_node({&condition, condition.root, false});
}

bool KnownPart::may_imply(const ConditionMeaning& meaning) const {
    if (!meaning.is_exact) return true;
    const ConditionValues* known = values_of(meaning.subject);
    return known != nullptr ? known->is_subset_of(meaning.values)
                            : all_values_of(meaning.subject).is_subset_of(meaning.values);
}

const ConditionValues* KnownPart::values_of(const ConditionSubject& subject) const {
    const auto is_about = [&](const Known& known) { return known.subject.is_same_as(subject); };
    const auto found = std::ranges::find_if(known_, is_about);
    return found == known_.end() ? nullptr : &found->values;
}

bool KnownPart::has(const ConditionLiteral& literal) const {
    return std::ranges::any_of(part_, [&](const Literal& one) { return is_same(one, literal); });
}

bool KnownPart::implies_test(const ConditionLiteral& wanted) const {
    if (has(wanted)) return true;
    if (node_of(wanted).op == has_texts) {
        return std::ranges::any_of(part_, [&](const Literal& one) {
            const ExpressionNode& node = node_of(one);
            if (node.op != has_texts || node.fact != node_of(wanted).fact ||
                one.is_negated != wanted.is_negated)
                return false;
            return wanted.is_negated ? have_members_of(wanted, one) : have_members_of(one, wanted);
        });
    }
    const auto meaning = meaning_of(wanted);
    return meaning && meaning->is_exact && may_imply(*meaning);
}

bool KnownPart::implies_node(const ConditionLiteral& wanted) const {
    const ExpressionNode& node = node_of(wanted);
    const auto implies_child = [&](std::uint32_t child) {
        return implies_node({wanted.program, child, wanted.is_negated});
    };
    switch (node.op) {
        case constant: {
            const auto truth = static_cast<Truth>(node.first);
            return truth == (wanted.is_negated ? Truth::no : Truth::yes);
        }
        case negate: return implies_node({wanted.program, node.child, !wanted.is_negated});
        case all_of:
        case any_of: {
            const auto children = children_of(*wanted.program, node);
            const bool needs_all = (node.op == all_of) != wanted.is_negated;
            const bool is_implied = needs_all ? std::ranges::all_of(children, implies_child)
                                              : std::ranges::any_of(children, implies_child);
            return is_implied || has(wanted);
        }
        default: return implies_test(wanted);
    }
}

bool asks_for_unknown(const ConditionPart& part) {
    const auto asks = [](const Program& program, std::uint32_t at, auto& self) -> bool {
        const ExpressionNode& node = program.nodes[at];
        return node.op == ExpressionOp::is_unknown ||
               std::ranges::any_of(children_of(program, node), [&](std::uint32_t child) {
                   return self(program, child, self);
               });
    };
    return std::ranges::any_of(part, [&](const Literal& one) { return asks(*one.program, one.node, asks); });
}

ConditionClue clue_of(const ConditionPart& part) {
    for (const Literal& one : part) {
        auto meaning = meaning_of(one);
        if (!meaning) continue;
        ConditionClue clue;
        if (const auto* texts = few_texts(meaning->values)) {
            for (const std::string& text : *texts)
                clue.keys.push_back({meaning->subject.fact, text});
        } else {
            clue.keys.push_back({meaning->subject.fact, {}});
        }
        clue.meaning = std::move(meaning);
        return clue;
    }
    return {};
}

std::vector<ConditionKey> keys_to_look_for(const ConditionPart& part) {
    std::vector<ConditionKey> keys;
    for (const Literal& one : part) {
        const auto meaning = meaning_of(one);
        if (!meaning) continue;
        keys.push_back({meaning->subject.fact, {}});
        if (const auto* texts = few_texts(meaning->values))
            for (const std::string& text : *texts)
                keys.push_back({meaning->subject.fact, text});
    }
    std::ranges::sort(keys);
    const auto repeated = std::ranges::unique(keys);
    keys.erase(repeated.begin(), repeated.end());
    return keys;
}

}  // namespace wicket
