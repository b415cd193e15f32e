// Runs the [[test]] blocks of a rule set: the same decide() as the server's.
#include "policy/compiled_rules.hpp"

#include <cmath>
#include <cstdio>

namespace wicket {
namespace {

std::string number_text(double number) {
    std::string text = std::to_string(number);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
    return text;
}

std::string difference_between(const RuleTest& test, const Verdict& verdict) {
    std::string difference;
    const auto note = [&difference](std::string_view what, std::string_view wanted, std::string_view got) {
        if (!difference.empty()) difference += ", ";
        difference += std::string(what) + " is " + std::string(got) + ", not " + std::string(wanted);
    };
    if (test.verdict && *test.verdict != verdict.action) {
        note("verdict", to_string(*test.verdict), to_string(verdict.action));
    }
    if (test.rule && *test.rule != verdict.rule)
        note("rule", *test.rule, verdict.rule.empty() ? "none" : verdict.rule);
    if (test.points && *test.points != std::llround(verdict.points * 1000)) {
        note("points", number_text(static_cast<double>(*test.points) / 1000), number_text(verdict.points));
    }
    if (difference.empty()) return difference;
    std::string hits;
    for (const RuleHit& hit : verdict.hits)
        hits += (hits.empty() ? "" : ", ") + hit.rule + ' ' + number_text(hit.points);
    return difference + (hits.empty() ? "; no rule hit" : "; hits: " + hits);
}

}  // namespace

std::vector<RuleTestResult> run_rule_tests(const RuleSet& rules) {
    std::vector<RuleTestResult> results;
    for (const RuleTest& test : compiled(rules).tests()) {
        std::string difference = difference_between(test, decide(rules, test.given, test.stage));
        results.push_back({test.name, test.place, difference.empty(), std::move(difference)});
    }
    return results;
}

}  // namespace wicket
