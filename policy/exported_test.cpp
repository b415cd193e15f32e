#include "policy/exported_test.hpp"

#include "base/log.hpp"
#include "policy/record_facts.hpp"
#include "policy/toml_text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <vector>

namespace wicket {
namespace {

/// What a test says and expects.
struct Expected {
    Action verdict = Action::none;
    std::string comment = {};
    bool is_at_its_stage = false;  // else at the end, where rules of all stages are asked
};

bool is_by_policy(const Verdict& verdict) {
    return verdict.action != Action::none && !is_builtin_rule(verdict.rule);
}

Expected expected_of(
    const Verdict& then, std::string_view json, const std::string& recipient, const RuleSet* rules
) {
    if (rules == nullptr)
        return {then.action, "# The rules have mistakes now: it is not known whether they say this.\n"};
    const auto read = facts_from_record(json, recipient, rules->dictionary());
    if (!read)
        return {then.action, "# This record can be no test: " + escape_for_log(read.error().message) + ".\n"};
    const auto judged = [&](Stage stage) { return decide(*rules, read->facts, stage).action; };
    const Action now = judged(Stage::end);
    if (is_by_policy(then)) {
        if (now == then.action) return {then.action};
        if (judged(then.stage) == then.action) return {.verdict = then.action, .is_at_its_stage = true};
        return {
            now,
            fmt::format(
                "# It was {} then, by {}; the rules in force say this.\n",
                to_string(then.action),
                escape_for_log(then.rule)
            )
        };
    }
    const std::string why =
        then.action == Action::none
            ? std::string("Nothing was decided about it")
            : fmt::format("It was {} by {}", to_string(then.action), escape_for_log(then.rule));
    return {now, "# " + why + ", not by policy: this is what the rules would have said.\n"};
}

}  // namespace

std::string exported_tests(
    const DecisionRecord& record, std::string_view json, std::string_view file, const RuleSet* rules
) {
    std::string text;
    std::vector<std::string> told;
    const auto add = [&](const std::string& recipient, const Verdict& then) {
        const Expected expected = expected_of(then, json, recipient, rules);
        const std::string to = recipient.empty() ? "" : " to " + recipient;
        text += fmt::format(
            "{}{}[[test]]\nname   = {}\nrecord = {}\n",
            text.empty() ? "" : "\n",
            expected.comment,
            toml_text(record.id.to_string() + to),
            toml_text(file)
        );
        if (!recipient.empty()) text += fmt::format("recipient = {}\n", toml_text(recipient));
        if (expected.is_at_its_stage) text += fmt::format("at     = \"{}\"\n", to_string(then.stage));
        text += fmt::format("expect = {{ verdict = \"{}\" }}\n", to_string(expected.verdict));
    };
    if (record.recipients.size() < 2)
        add("", record.recipients.empty() ? record.verdict : record.recipients.front().verdict);
    else
        for (const RecordRecipient& one : record.recipients) {
            if (std::ranges::find(told, one.address) != told.end()) continue;
            told.push_back(one.address);
            add(one.address, one.verdict);
        }
    return text;
}

}  // namespace wicket
