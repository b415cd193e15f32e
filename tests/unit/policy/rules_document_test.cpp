// docs/rules.md teaches by examples: all of them are rules here, and their tests pass.
#include "policy/rules.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace wicket {
namespace {

struct Example {
    std::string language;  // behind the opening fence
    std::string text;
    std::string section;
};

std::vector<Example> examples_of(const std::string& page) {
    std::ifstream file(std::string(WICKET_SOURCE_DIR) + "/docs/" + page);
    std::vector<Example> found;
    std::string line, section;
    bool is_inside = false;
    while (std::getline(file, line)) {
        if (line.starts_with("```")) {
            is_inside = !is_inside;
            if (is_inside) found.push_back({line.substr(3), "", section});
        } else if (is_inside) {
            found.back().text += line + '\n';
        } else if (line.starts_with('#')) {
            section = line.substr(line.find_first_not_of("# "));
        }
    }
    return found;
}

const std::vector<std::pair<std::string, std::string>>& files_beside() {
    static const std::vector<std::pair<std::string, std::string>> files = {
        {"rules/lists/partners.txt",   "192.0.2.0/24\n"                                      },
        {"rules/records/invoice.json",
         R"({"id":"1OMP6CV5GK5G2H8A0000","facts":{"client.ip":"198.51.100.7","spf.result":"softfail"},)"
         R"("recipients":[{"address":"alice@example.test"},{"address":"bob@example.test"}]})"},
    };
    return files;
}

TEST(RulesDocument, IsARuleSetThatPassesItsTests) {
    auto files = files_beside();
    std::size_t number = 0;
    for (const Example& example : examples_of("rules.md")) {
        if (example.language != "toml") continue;
        const bool is_later = example.text.starts_with("# site/");
        const std::string name = std::to_string(100 + number++) + ".toml";
        files.emplace_back((is_later ? "site/" : "rules/") + name, example.text);
    }
    std::ranges::sort(files, {}, [](const auto& file) { return file.first.starts_with("site/"); });
    EXPECT_GE(number, 8U);
    Diagnostics diagnostics;
    const auto rules = compile_rules(files, diagnostics);
    for (const Diagnostic& one : diagnostics.sorted())
        ADD_FAILURE() << render(one);
    ASSERT_NE(rules, nullptr);
    const auto results = run_rule_tests(*rules);
    EXPECT_GE(results.size(), 5U);
    for (const RuleTestResult& one : results)
        EXPECT_TRUE(one.passed) << one.place.to_string() << ": " << one.name << ": " << one.difference;
}

TEST(RulesDocument, ShowsConditionsThatCompile) {
    std::size_t count = 0;
    for (const Example& example : examples_of("rules.md")) {
        if (example.section != "Conditions" || !example.language.empty()) continue;
        std::istringstream lines(example.text);
        for (std::string line; std::getline(lines, line);) {
            // What stands behind several blanks explains.
            const std::string condition = line.substr(0, line.find("   "));
            if (condition.empty()) continue;
            ++count;
            Diagnostics diagnostics;
            const auto rules = compile_rules(
                {
                    {"rules/a.toml",
                     "[dnsbl.zen]\nzone = \"zen.example\"\nlisted = { xbl = \"127.0.0.4\", css = "
                     "\"127.0.0.3\", drop = "
                     "\"127.0.0.9\" "
                     "}\n[[list]]\nname = \"partners\"\nkind = \"ip\"\nfile = "
                     "\"lists/partners.txt\"\n[[list]]\n"
                     "name = \"domains\"\nkind = \"domain\"\nfile = \"d.txt\"\n[[rule]]\nid = \"x\"\nwhen = "
                     "'" +
                         condition + "'\npoints = 1\n"},
                    files_beside().front(),
                    {"rules/d.txt",  "example.org\n"  }
            },
                diagnostics
            );
            EXPECT_NE(rules, nullptr) << condition;
            for (const Diagnostic& one : diagnostics.sorted())
                ADD_FAILURE() << render(one);
        }
    }
    EXPECT_GE(count, 20U);
}

}  // namespace
}  // namespace wicket
