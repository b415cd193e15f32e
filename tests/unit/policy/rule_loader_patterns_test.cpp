#include "policy/rules.hpp"

#include <gtest/gtest.h>

#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <string>

namespace wicket {
namespace {

std::string told(const Diagnostics& diagnostics) {
    std::string text;
    for (const Diagnostic& one : diagnostics.sorted())
        text += render(one) + '\n';
    return text;
}

std::shared_ptr<const RuleSet> compiled(const std::string& text, Diagnostics& diagnostics) {
    return compile_rules(
        {
            {"rules.toml", text}
    },
        diagnostics
    );
}

TEST(RuleLoaderPatterns, MakesAFactOfEach) {
    Diagnostics diagnostics;
    const auto rules = compiled(
        "[[pattern]]\nid = \"pills\"\nin = \"body\"\nmatch = ['cheap pills', 'no prescription']\nignore_case "
        "= true\n"
        "[[pattern]]\nid = \"winner\"\nin = \"headers\"\nfield = \"Subject\"\nmatch = '^You won'\n"
        "[[rule]]\nid = \"r\"\nwhen = 'pattern.pills and not pattern.winner'\npoints = 3\n",
        diagnostics
    );
    ASSERT_NE(rules, nullptr) << told(diagnostics);
    const auto set = rules->patterns();
    ASSERT_NE(set, nullptr);
    ASSERT_EQ(set->patterns.size(), 2U);
    const Pattern& pills = set->patterns[0];
    EXPECT_EQ(pills.part, PatternPart::body);
    EXPECT_EQ(pills.regexes, (std::vector<std::string>{"(?i)cheap pills", "(?i)no prescription"}));
    const FactDeclaration& row = rules->dictionary().row(pills.fact);
    EXPECT_EQ(row.name, "pattern.pills");
    EXPECT_EQ(row.type, FactType::boolean);
    EXPECT_EQ(row.stage, Stage::end);
    EXPECT_EQ(row.filter, "pattern");
    EXPECT_EQ(set->patterns[1].field, "subject");
    EXPECT_EQ(set->patterns[1].regexes, (std::vector<std::string>{"^You won"}));
}

TEST(RuleLoaderPatterns, AreNoneWithoutAny) {
    Diagnostics diagnostics;
    const auto rules = compiled("[thresholds]\njunk = 5\n", diagnostics);
    ASSERT_NE(rules, nullptr);
    EXPECT_EQ(rules->patterns(), nullptr);
}

TEST(RuleLoaderPatterns, CountAsAbsentWhereTheyDidNotMatch) {
    Diagnostics diagnostics;
    const auto rules = compiled(
        "[[pattern]]\nid = \"p\"\nin = \"raw\"\nmatch = 'x'\n"
        "[[rule]]\nid = \"with\"\nwhen = 'pattern.p'\npoints = 1\n"
        "[[rule]]\nid = \"without\"\nwhen = 'not pattern.p'\npoints = 2\n"
        "[[test]]\nname = \"matched\"\ngiven = { \"pattern.p\" = true }\nexpect = { points = 1 }\n"
        "[[test]]\nname = \"absent\"\ngiven = {}\nexpect = { points = 2 }\n"
        "[[test]]\nname = \"unknown\"\ngiven = { \"pattern.p\" = { unknown = \"late\" } }\n"
        "expect = { points = 0 }\n",
        diagnostics
    );
    ASSERT_NE(rules, nullptr) << told(diagnostics);
    for (const RuleTestResult& result : run_rule_tests(*rules))
        EXPECT_TRUE(result.passed) << result.name << ": " << result.difference;
}

TEST(RuleLoaderPatterns, TellMistakesAtTheirPlaces) {
    struct Case {
        std::string_view text;
        std::uint32_t line, column;
        std::string_view message;
        std::string_view suggestion = "";
    };
    const std::vector<Case> cases = {
        {"[[pattern]]\nid = \"a\"\nin = \"body\"\nmatch = 'ab(c'", 4, 10, "missing ): ab(c"},
        {"[[pattern]]\nid = \"a\"\nin = \"body\"\nmatch = 'ab**'", 4, 12, "bad repetition operator: **"},
        {"[[pattern]]\nid = \"a\"\nin = \"body\"\nmatch = ['ok', 'a[z-b]']", 4, 19, "range: z-b"},
        {"[[pattern]]\nid = \"a\"\nin = \"body\"\nmatch = '(?<=a)b'", 4, 10, "bad regular expression"},
        {"[[pattern]]\nid = \"a\"\nin = \"body\"\nmatch = 'a*'", 4, 10, "matches every text"},
        {"[[pattern]]\nid = \"a\"\nin = \"body\"\nmatch = ''", 4, 10, "an empty regular expression"},
        {"[[pattern]]\nid = \"a\"\nin = \"body\"\nmatch = []", 4, 9, "an empty list"},
        {"[[pattern]]\nid = \"a\"\nin = \"body\"\nmatch = 5", 4, 9, "must be"},
        {"[[pattern]]\nid = \"a\"\nin = \"boddy\"\nmatch = 'x'", 3, 6, "boddy", "body"},
        {"[[pattern]]\nid = \"a\"\nmatch = 'x'", 1, 1, "needs \"in\""},
        {"[[pattern]]\nin = \"raw\"\nmatch = 'x'", 1, 1, "needs \"id\""},
        {"[[pattern]]\nid = \"a\"\nin = \"raw\"", 1, 1, "needs \"match\""},
        {"[[pattern]]\nid = \"A b\"\nin = \"raw\"\nmatch = 'x'", 2, 6, "the name of a pattern"},
        {"[[pattern]]\nid = \"a\"\nin = \"raw\"\nmatch = 'x'\n[[pattern]]\nid = \"a\"\nin = \"raw\"\nmatch = "
         "'y'", 6,
         6, "stands already at rules.toml:2:6"},
        {"[[pattern]]\nid = \"a\"\nin = \"headers\"\nfield = \"Subject:\"\nmatch = 'x'",
         4, 9,
         "no name of a header", "Subject"},
        {"[[pattern]]\nid = \"a\"\nin = \"body\"\nfield = \"subject\"\nmatch = 'x'",
         4, 1,
         "only a pattern with"},
        {"[[pattern]]\nid = \"a\"\nin = \"raw\"\nmatsh = 'x'\nmatch = 'x'", 4, 1, "matsh", "match"},
        {"[[pattern]]\nid = \"pills\"\nin = \"raw\"\nmatch = 'x'\n[[rule]]\nid = \"r\"\nwhen = "
         "'pattern.pils'\npoints "
         "= 1", 7,
         9, "unknown fact",
         "pattern.pills"},
        {"[[pattern]]\nid = \"a\"\nin = \"raw\"\nmatch = 'x'\n[[rule]]\nid = \"r\"\nat = \"rcpt\"\nwhen = "
         "'pattern.a'\nthen = \"reject\"", 7,
         6, "pattern.a is known from end on",
         "end"},
    };
    for (const Case& one : cases) {
        SCOPED_TRACE(one.text);
        Diagnostics diagnostics;
        EXPECT_EQ(compiled(std::string(one.text), diagnostics), nullptr);
        const auto said = diagnostics.sorted();
        ASSERT_EQ(said.size(), 1U) << told(diagnostics);
        EXPECT_EQ(said[0].place, (SourcePlace{"rules.toml", one.line, one.column})) << told(diagnostics);
        EXPECT_NE(said[0].message.find(one.message), std::string::npos) << said[0].message;
        EXPECT_EQ(said[0].suggestion, one.suggestion);
    }
}

std::string many_patterns(std::size_t count, const std::string& regex) {
    std::string text;
    for (std::size_t at = 0; at < count; ++at)
        text += fmt::format("[[pattern]]\nid = \"p{}\"\nin = \"body\"\nmatch = '{}{}'\n", at, regex, at);
    return text;
}

TEST(RuleLoaderPatterns, AreLimited) {
    Diagnostics fits;
    EXPECT_NE(compiled(many_patterns(pattern_count_limit, "word"), fits), nullptr) << told(fits);
    for (const std::string& text :
         {many_patterns(pattern_count_limit + 1, "word"),
          many_patterns(pattern_octets_limit / 4000 + 1, std::string(4000, 'x')),
          many_patterns(100, "a.{1,900}b.{1,900}c")}) {
        Diagnostics diagnostics;
        EXPECT_EQ(compiled(text, diagnostics), nullptr);
        ASSERT_EQ(diagnostics.error_count(), 1U) << told(diagnostics);
        EXPECT_NE(diagnostics.sorted()[0].place.line, 0U);
    }
    Diagnostics too_long;
    EXPECT_EQ(compiled(many_patterns(1, std::string(pattern_regex_limit_octets, 'x')), too_long), nullptr);
    EXPECT_EQ(too_long.sorted()[0].place, (SourcePlace{"rules.toml", 4, 4106})) << told(too_long);
}

TEST(RuleLoaderPatterns, OfTheManualWork) {
    std::ifstream file(WICKET_SOURCE_DIR "/docs/rules.md");
    std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    text.erase(0, text.find("\n## Patterns"));
    const auto begin = text.find("```toml\n") + 8;
    const std::string example = text.substr(begin, text.find("```", begin) - begin);
    Diagnostics diagnostics;
    const auto rules = compiled(example, diagnostics);
    ASSERT_NE(rules, nullptr) << told(diagnostics);
    EXPECT_TRUE(diagnostics.empty()) << told(diagnostics);
    ASSERT_EQ(rules->patterns()->patterns.size(), 3U);
    const auto results = run_rule_tests(*rules);
    ASSERT_EQ(results.size(), 1U);
    EXPECT_TRUE(results[0].passed) << results[0].difference;
}

}  // namespace
}  // namespace wicket
