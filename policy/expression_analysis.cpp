// What can be said of a condition without any facts: for the linter.
#include "policy/condition_logic.hpp"
#include "policy/expression_program.hpp"

#include <algorithm>

namespace wicket {
namespace {

using enum ExpressionOp;

class Analysis {
public:
    explicit Analysis(const ExpressionProgram& program) : program_(program) {}

    void collect_facts(std::uint32_t index, std::vector<FactId>& out) const {
        const ExpressionNode& node = program_.nodes[index];
        const auto note = [&out](FactId fact) {
            if (std::ranges::find(out, fact) == out.end()) out.push_back(fact);
        };
        if (reads_fact(node)) note(node.fact);
        if (node.op == compare_fact || node.op == has_fact || node.op == in_fact) note(node.other_fact);
        for_each_child(node, [&](std::uint32_t child) { collect_facts(child, out); });
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

    const ExpressionProgram& program_;
};

}  // namespace

bool Expression::can_hold() const {
    const auto holds = [](const ConditionPart& part) { return KnownPart(part).can_hold(); };
    return std::ranges::any_of(parts_of(*program_), holds);
}

std::vector<std::vector<FactId>> Expression::facts_of_parts() const {
    std::vector<std::vector<FactId>> facts;
    for (const ConditionPart& part : parts_of(*program_)) {
        auto& of_part = facts.emplace_back();
        for (const ConditionLiteral& one : part)
            Analysis(*program_).collect_facts(one.node, of_part);
    }
    return facts;
}

}  // namespace wicket
