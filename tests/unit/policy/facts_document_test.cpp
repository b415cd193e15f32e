// docs/facts.md is made from the dictionary. WICKET_REGENERATE=1 build/dev/test_policy
// --gtest_filter='FactsDocument*' writes it anew.
#include "policy/rules.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace wicket {
namespace {

constexpr std::string_view head =
    "# Facts\n\n"
    "What rules can speak of ([rules.md](rules.md)). This page is made from the table that the program "
    "itself reads; a test fails\n"
    "if it is stale. `mailwicket facts` prints the same with the block lists and patterns of your own rules: "
    "each\n"
    "`[dnsbl.NAME]` adds the list of text `dnsbl.NAME`, each `[[pattern]]` the boolean `pattern.ID`.\n\n"
    "A fact is *absent* where it does not apply, and *unknown* where it could not be found out. A word in "
    "brackets compares as\n"
    "unknown with every other.\n\n"
    "| Fact | Type | Known from | Made by | Meaning |\n|---|---|---|---|---|\n";

std::string page_of(const FactDictionary& dictionary) {
    std::vector<FactDeclaration> rows = dictionary.rows();
    std::ranges::sort(rows, {}, &FactDeclaration::name);
    std::string page(head);
    for (const FactDeclaration& row : rows) {
        std::string words;
        for (const std::string& word : row.words)
            words += (words.empty() ? "" : ", ") + (word == row.unknown_word ? '[' + word + ']' : word);
        page += "| `" + row.name + "` | " + std::string(to_string(row.type)) + " | " +
                std::string(to_string(row.stage)) + " | " + row.filter + " | " + row.meaning +
                (words.empty() ? "" : ": " + words) + " |\n";
    }
    return page;
}

TEST(FactsDocument, IsWhatTheDictionarySays) {
    Diagnostics diagnostics;
    const auto rules = compile_rules(std::vector<std::pair<std::string, std::string>>{}, diagnostics);
    ASSERT_NE(rules, nullptr);
    const std::string want = page_of(rules->dictionary());
    const std::string path = std::string(WICKET_SOURCE_DIR) + "/docs/facts.md";
    if (std::getenv("WICKET_REGENERATE") != nullptr) std::ofstream(path) << want;
    std::ifstream file(path);
    std::stringstream found;
    found << file.rdbuf();
    EXPECT_EQ(found.str(), want) << "docs/facts.md is stale: the head of this test says how it is made";
}

}  // namespace
}  // namespace wicket
