#include "base/diagnostic.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

TEST(Diagnostic, ShowsPlaceMessageSuggestionAndCaret) {
    const Diagnostic diagnostic{
        Severity::error, {"rules/10.toml", 3, 6},
         "unknown key \"thn\"", "then", "then = \"reject\""
    };
    EXPECT_EQ(
        render(diagnostic),
        "rules/10.toml:3:6: error: unknown key \"thn\"; did you mean \"then\"?\n"
        "    then = \"reject\"\n"
        "         ^"
    );
}

TEST(Diagnostic, PutsTheCaretUnderCharactersNotOctets) {
    const Diagnostic diagnostic{
        Severity::warning, {"f", 1, 6},
         "m", "", "\tä\x1B x"
    };
    EXPECT_EQ(render(diagnostic), "f:1:6: warning: m\n    \tä? x\n    \t   ^");
}

TEST(Diagnostic, ShowsNoOctetsThatAreNoCharacters) {
    const Diagnostic diagnostic{
        Severity::error, {"f", 1, 3},
         "m", "", "\xFF\xFE ä\xC3 x"
    };
    EXPECT_EQ(render(diagnostic), "f:1:3: error: m\n    ?? ä? x\n      ^");
}

TEST(Diagnostic, DoesWithoutAPlaceOrLine) {
    EXPECT_EQ(
        render({
            Severity::error, {"f", 0, 0},
             "gone", "", ""
    }),
        "f: error: gone"
    );
    EXPECT_EQ(
        render({
            Severity::error, {"f", 2, 9},
             "m", "", ""
    }),
        "f:2:9: error: m"
    );
    EXPECT_EQ(
        render({
            Severity::error, {"f", 2, 9},
             "m", "", "short"
    }),
        "f:2:9: error: m"
    );
}

TEST(Diagnostics, SortsByPlaceAndCountsErrorsAlone) {
    Diagnostics diagnostics;
    EXPECT_TRUE(diagnostics.empty());
    diagnostics.warning({"b", 1, 1}, "third");
    EXPECT_FALSE(diagnostics.has_errors());
    diagnostics.error({"a", 10, 1}, "second");
    diagnostics.error({"a", 9, 5}, "first");
    diagnostics.error({"b", 1, 1}, "fourth");
    EXPECT_EQ(diagnostics.error_count(), 3U);
    std::string order;
    for (const Diagnostic& item : diagnostics.sorted())
        order += item.message + ' ';
    EXPECT_EQ(order, "first second third fourth ");
}

TEST(Diagnostic, FindsTheNearestWordOrNone) {
    const std::vector<std::string> words = {"reject", "accept", "junk", "quarantine", "at"};
    struct Row {
        std::string_view word, want;
    };
    constexpr Row table[] = {
        {"rejct",      "reject"    },
        {"rejetc",     "reject"    }, // a swap counts one
        {"REJECT",     "reject"    },
        {"jnuk",       "junk"      },
        {"quarentene", "quarantine"},
        {"a",          "at"        },
        {"discard",    ""          },
        {"",           ""          },
    };
    for (const auto& [word, want] : table) {
        SCOPED_TRACE(word);
        EXPECT_EQ(nearest_word(word, words), want);
    }
    EXPECT_EQ(nearest_word(std::string(100'000, 'x'), words), "");
}

TEST(Diagnostic, IsOneLineForTheLog) {
    const Diagnostic diagnostic{
        Severity::error, {"a.toml", 3, 7},
         "unknown key", "then", "  tehn = 1"
    };
    EXPECT_EQ(render_line(diagnostic), "a.toml:3:7: error: unknown key; did you mean \"then\"?");
    EXPECT_TRUE(render(diagnostic).starts_with(render_line(diagnostic) + "\n"));
}

}  // namespace
}  // namespace wicket
