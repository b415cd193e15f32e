// Runs the [[test]] blocks of a rule set: the same decide() as the server's.
#include "policy/compiled_rules.hpp"
#include "policy/rule_test_run.hpp"

#include <algorithm>
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

/// The test of that number among those of a folder.
const RuleTest* test_of(const CompiledRules& rules, std::size_t folder, std::size_t number) {
    for (const RuleTest& test : rules.tests()) {
        if (test.folder != folder) continue;
        if (number == 0) return &test;
        --number;
    }
    return nullptr;
}

}  // namespace

Verdict verdict_of_test(const CompiledRules& rules, const RuleTest& test) {
    return decide(rules, test.given, test.stage);
}

std::vector<RuleTestResult> run_rule_tests(const RuleSet& rules) {
    const CompiledRules& made = compiled(rules);
    std::size_t last_folder = 0;
    for (const Rule& rule : made.rules())
        last_folder = std::max(last_folder, rule.folder);
    for (const RuleTest& test : made.tests())
        last_folder = std::max(last_folder, test.folder);
    std::vector<RuleTestResult> results;
    std::shared_ptr<const RuleSet> base;
    std::size_t base_folder = last_folder;
    std::size_t in_folder = 0;  // tests of base_folder so far
    for (const RuleTest& test : made.tests()) {
        if (test.folder != base_folder) {
            base_folder = test.folder;
            in_folder = 0;
            Diagnostics ignored;
            base = base_folder == last_folder ? nullptr
                                              : recompile_rules(made.sources_up_to(base_folder), ignored);
        }
        // A folder that is no rule set without those behind it is judged with them.
        const RuleTest* own = base == nullptr ? nullptr : test_of(compiled(*base), base_folder, in_folder);
        ++in_folder;
        const Verdict verdict =
            own != nullptr ? verdict_of_test(compiled(*base), *own) : verdict_of_test(made, test);
        std::string difference = difference_between(test, verdict);
        results.push_back({test.name, test.place, difference.empty(), std::move(difference)});
    }
    return results;
}

}  // namespace wicket
