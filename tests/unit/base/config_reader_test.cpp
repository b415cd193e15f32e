#include "base/config_reader.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace wicket {
namespace {

using namespace std::chrono_literals;

/// Reads a document and gives the mistakes, one a line, as place, message, suggestion in parentheses.
std::string mistakes(std::string text, const std::function<void(ConfigTable&)>& read) {
    Diagnostics diagnostics;
    if (const auto document = ConfigDocument::parse(std::move(text), "f", diagnostics)) {
        ConfigTable root = document->root();
        read(root);
        root.finish();
    }
    std::string lines;
    for (const Diagnostic& item : diagnostics.sorted()) {
        lines += item.place.to_string() + ' ' + item.message;
        if (!item.suggestion.empty()) lines += " (" + item.suggestion + ')';
        lines += '\n';
    }
    return lines;
}

TEST(ConfigReader, GivesValuesOfTheTypeAskedFor) {
    const std::string found = mistakes(
        "t = \"x\"\ni = 7\nr = 1.5\nb = true\nd = '3s'\nl = ['a', \"b\"]\no = 'one'\nw = 'junk'\n",
        [](ConfigTable& root) {
            EXPECT_EQ(root.text("t"), "x");
            EXPECT_EQ(root.integer("i", 0, 10), 7);
            EXPECT_EQ(root.number("r"), 1.5);
            EXPECT_EQ(root.number("i"), 7.0);
            EXPECT_EQ(root.boolean("b"), true);
            EXPECT_EQ(root.duration("d"), 3s);
            EXPECT_EQ(root.texts("l").value().at(1).text, "b");
            EXPECT_EQ(root.texts("o", ConfigTable::OneOrList::one_or_list).value().at(0).text, "one");
            EXPECT_EQ(root.word("w", {"junk", "reject"}), "junk");
            EXPECT_EQ(root.text("absent"), std::nullopt);
            EXPECT_FALSE(root.table("none"));
            EXPECT_TRUE(root.tables("none").empty());
            EXPECT_TRUE(root.named_tables("none").empty());
        }
    );
    EXPECT_EQ(found, "");
}

TEST(ConfigReader, ReportsEveryMistakeWithItsPlace) {
    struct Row {
        std::string_view name, text;
        std::function<void(ConfigTable&)> read;
        std::string_view want;
    };
    const Row table[] = {
        {"a text that is none",
         "k = 5",                       [](ConfigTable& root) { root.text("k"); },
         "f:1:5 \"k\" must be a text, not an integer\n"                                                                                                                                         },
        {"an integer that is none",
         "k = 1.5",                     [](ConfigTable& root) { root.integer("k", 0, 9); },
         "f:1:5 \"k\" must be an integer, not a number\n"                                                                                                                                       },
        {"an integer out of range",
         "\nk = 70000",                 [](ConfigTable& root) { root.integer("k", 1, 65535); },
         "f:2:5 \"k\" must be between 1 and 65535, not 70000\n"                                                                                                                                 },
        {"a number that is none",
         "k = true",                    [](ConfigTable& root) { root.number("k"); },
         "f:1:5 \"k\" must be a number, not true or false\n"                                                                                                                                    },
        {"a number that is not finite",
         "k = nan",                     [](ConfigTable& root) { root.number("k"); },
         "f:1:5 \"k\" must be a finite number\n"                                                                                                                                                },
        {"a boolean that is none",
         "k = 'no'",                    [](ConfigTable& root) { root.boolean("k"); },
         "f:1:5 \"k\" must be true or false, not a text\n"                                                                                                                                      },
        {"a duration without a unit",
         "k = '10'",                    [](ConfigTable& root) { root.duration("k"); },
         "f:1:5 \"k\" must be a duration such as \"250ms\", \"3s\", \"5m\", \"2h\" or \"30d\"\n"                                                                                                },
        {"a list with something else in it",
         "k = ['a', 1]",                [](ConfigTable& root) { root.texts("k"); },
         "f:1:11 \"k\" must be a list of texts, not an integer\n"                                                                                                                               },
        {"a text in place of a list",
         "k = 'a'",                     [](ConfigTable& root) { root.texts("k"); },
         "f:1:5 \"k\" must be a list of texts, not a text\n"                                                                                                                                    },
        {"a word that is not one of them",
         "k = 'rejct'",                 [](ConfigTable& root) { root.word("k", {"junk", "reject"}); },
         "f:1:5 \"k\" must be one of junk, reject; it is \"rejct\" (reject)\n"                                                                                                                  },
        {"a table that is none",
         "k = 1",                       [](ConfigTable& root) { root.table("k"); },
         "f:1:5 \"k\" must be a table: [k], not an integer\n"                                                                                                                                   },
        {"one table in place of several",
         "[k]\n",                       [](ConfigTable& root) { root.tables("k"); },
         "f:1:1 \"k\" must be a list of tables: [[k]], not a table\n"                                                                                                                           },
        {"a list of something else",
         "k = [1]",                     [](ConfigTable& root) { root.tables("k"); },
         "f:1:6 \"k\" must be a list of tables: [[k]], not an integer\n"                                                                                                                        },
        {"a value among named tables",
         "[k]\nx = 1",                  [](ConfigTable& root) { root.named_tables("k"); },
         "f:2:5 \"k.x\" must be a table, not an integer\n"                                                                                                                                      },
        {"an unknown key",
         "hostnme = 'x'",               [](ConfigTable& root) { root.text("hostname"); },
         "f:1:1 unknown key \"hostnme\" (hostname)\n"                                                                                                                                           },
        {"an unknown key like nothing",
         "zzz = 'x'",                   [](ConfigTable& root) { root.text("hostname"); },
         "f:1:1 unknown key \"zzz\"\n"                                                                                                                                                          },
        {"an unknown table",
         "[[listn]]\nx = 1",            [](ConfigTable& root) { root.tables("listen"); },
         "f:1:3 unknown table \"listn\" (listen)\n"                                                                                                                                             },
        {"columns count octets",
         "'ä' = 1\n\"äö\" = { a = 2 }", [](ConfigTable& root) {
             root.text("ä");
             root.text("äö");
         },                                                     "f:1:8 \"ä\" must be a text, not an integer\nf:2:10 \"äö\" must be a text, not a table\n"},
    };
    for (const Row& row : table) {
        SCOPED_TRACE(row.name);
        EXPECT_EQ(mistakes(std::string(row.text), row.read), row.want);
    }
}

TEST(ConfigReader, ReportsSyntaxWithItsPlaceAndLine) {
    for (const auto* const text : {"a = \n", "a = 'x\n", "[t\n", "a = 1 b = 2\n", "x = \"\xFF\"\n"}) {
        SCOPED_TRACE(text);
        Diagnostics diagnostics;
        EXPECT_EQ(ConfigDocument::parse(text, "f", diagnostics), nullptr);
        ASSERT_EQ(diagnostics.error_count(), 1U);
        const Diagnostic error = diagnostics.sorted().front();
        EXPECT_FALSE(error.message.empty());
        EXPECT_EQ(error.place.file, "f");
        EXPECT_GT(error.place.line, 0U);
    }
    Diagnostics diagnostics;
    EXPECT_EQ(ConfigDocument::load("/nonexistent.toml", diagnostics), nullptr);
    EXPECT_TRUE(diagnostics.has_errors());
}

TEST(ConfigReader, KeepsDocumentOrder) {
    const std::string found = mistakes(
        "z = 1\na = 2\n[list.zen]\nx = 1\n[list.abc]\nx = 2\n[[rule]]\nid = 'q'\n[[rule]]\nid = 'b'\n"
        "[points]\n'b has x' = 5\n'a has x' = 4\n",
        [](ConfigTable& root) {
            EXPECT_EQ(root.keys(), (std::vector<std::string>{"z", "a", "list", "rule", "points"}));
            std::string names;
            for (auto& [name, table] : root.named_tables("list")) {
                names += name + std::to_string(table.integer("x", 0, 9).value()) + ' ';
                table.finish();
            }
            EXPECT_EQ(names, "zen1 abc2 ");
            std::string ids;
            for (ConfigTable& rule : root.tables("rule")) {
                ids += rule.text("id").value() + '@' + rule.place().to_string() + ' ';
                rule.finish();
            }
            EXPECT_EQ(ids, "q@f:7:1 b@f:9:1 ");
            const auto points = root.value("points").value();
            ASSERT_EQ(points.table.size(), 2U);
            EXPECT_EQ(points.table[0].key, "b has x");
            EXPECT_EQ(points.table[1].key, "a has x");
            EXPECT_EQ(points.table[1].real, 4);
            root.integer("z", 0, 9);
            root.integer("a", 0, 9);
        }
    );
    EXPECT_EQ(found, "");
}

TEST(ConfigReader, KnowsWhereATextBegins) {
    struct Row {
        std::string_view text;
        std::uint32_t line, column;
    };
    constexpr Row table[] = {
        {"k = 'a == b'",            1, 6}, // literal
        {"k = \"a == b\"",          1, 6}, // basic without escapes
        {"k = ''",                  1, 6}, // empty
        {"k = \"a \\\"b\"",         1, 5}, // escapes: the place of the value
        {"k = \"\"\"\na\"\"\"",     2, 1}, // several lines
        {"k = '''\r\na'''",         2, 1},
        {"k = '''\r\na\r\nb'''",    2, 1},
        {"k = '''a\nb'''",          1, 8},
        {"k = '''a'''",             1, 8}, // could be several lines
        {"k = '''\n\na'''",         2, 1}, // one line end belongs to the quotes
        {"k = \"\"\"a\\\n b\"\"\"", 1, 5}, // a line that is folded
        {"[k]\nv = 1",              1, 1},
    };
    for (const auto& [text, line, column] : table) {
        SCOPED_TRACE(text);
        const std::string found = mistakes(std::string(text), [&](ConfigTable& root) {
            const ConfigValue value = root.value("k").value();
            EXPECT_EQ(value.text_place, (SourcePlace{"f", line, column}));
        });
        EXPECT_EQ(found, "");
    }
}

TEST(ConfigReader, KnowsWhereAnOctetOfATextStands) {
    const std::string found = mistakes("\nk = '''\nab\n\n  cd'''\n", [](ConfigTable& root) {
        const ConfigValue value = root.value("k").value();
        EXPECT_EQ(value.place_of(0), (SourcePlace{"f", 3, 1}));
        EXPECT_EQ(value.place_of(1), (SourcePlace{"f", 3, 2}));
        EXPECT_EQ(value.place_of(2), (SourcePlace{"f", 3, 3}));  // the line end
        EXPECT_EQ(value.place_of(3), (SourcePlace{"f", 4, 1}));
        EXPECT_EQ(value.place_of(6), (SourcePlace{"f", 5, 3}));
        EXPECT_EQ(value.place_of(8), (SourcePlace{"f", 5, 5}));  // behind the last
    });
    EXPECT_EQ(found, "");
}

TEST(ConfigReader, ReadsDatesAsRfc3339) {
    struct Row {
        std::string_view text, want;
    };
    constexpr Row table[] = {
        {"k = 2027-01-31",                    "2027-01-31"                  },
        {"k = 2027-01-31T08:05:00Z",          "2027-01-31T08:05:00Z"        },
        {"k = 2027-01-31T08:05:00.250-07:30", "2027-01-31T08:05:00.25-07:30"},
        {"k = 2027-01-31T08:05:00",           "2027-01-31T08:05:00"         },
        {"k = 08:05:00",                      "08:05:00"                    },
    };
    for (const auto& [text, want] : table) {
        SCOPED_TRACE(text);
        const std::string found = mistakes(std::string(text), [&](ConfigTable& root) {
            const ConfigValue value = root.value("k").value();
            EXPECT_EQ(value.kind, ConfigValue::Kind::date);
            EXPECT_EQ(value.text, want);
        });
        EXPECT_EQ(found, "");
    }
}

TEST(ConfigReader, FindsPlacesOfKeysAndLines) {
    const std::string found = mistakes("[t]\r\nkey = 'v'\r\n", [](ConfigTable& root) {
        ConfigTable table = root.table("t").value();
        EXPECT_TRUE(table.has("key"));
        EXPECT_FALSE(table.has("other"));
        EXPECT_EQ(table.place().to_string(), "f:1:1");
        EXPECT_EQ(table.place_of("key").to_string(), "f:2:1");
        EXPECT_EQ(table.value_place("key").to_string(), "f:2:7");
        EXPECT_EQ(table.place_of("other"), table.place());
        EXPECT_EQ(table.source_line(table.place_of("key")), "key = 'v'");
        EXPECT_EQ(table.source_line({"other file", 1, 1}), "");
        EXPECT_EQ(table.source_line({"f", 99, 1}), "");
    });
    EXPECT_EQ(found, "");
}

TEST(ConfigReader, ReadsDurationsAndSizesStrictly) {
    EXPECT_EQ(parse_duration("250ms"), 250ms);
    EXPECT_EQ(parse_duration("0s"), 0s);
    EXPECT_EQ(parse_duration("5m"), 5min);
    EXPECT_EQ(parse_duration("2h"), 2h);
    EXPECT_EQ(parse_duration("30d"), 720h);
    for (const auto* const text :
         {"",
          "5",
          "s",
          "-5s",
          "+5s",
          "5 s",
          "1.5s",
          "5S",
          "5sec",
          "99999999999999999999s",
          "40000d",
          "18446744073709551615ms"}) {
        SCOPED_TRACE(text);
        EXPECT_EQ(parse_duration(text), std::nullopt);
    }
    EXPECT_EQ(parse_size("512"), 512U);
    EXPECT_EQ(parse_size("64K"), 65536U);
    EXPECT_EQ(parse_size("2G"), 2ULL << 30U);
    for (const auto* const text : {"", "K", "-1", "1k", "1KB", "1.5M", "9999999999999G"}) {
        SCOPED_TRACE(text);
        EXPECT_EQ(parse_size(text), std::nullopt);
    }
}

TEST(ConfigReader, GoesOnPastWhatStandsTwice) {
    Diagnostics diagnostics;
    const auto document = ConfigDocument::parse(
        "[a.x]\nkey = 1\n  key = \"\xc3\xbc\"\nother = 2\n[a.x] # again\nlost = 3\n\n[[b]]\nkey = "
        "4\n[b]\n[[b]]\nkey = 5\n",
        "a.toml",
        diagnostics
    );
    ASSERT_NE(document, nullptr);
    std::vector<std::string> places;
    for (const Diagnostic& one : diagnostics.sorted())
        places.push_back(one.place.to_string());
    EXPECT_EQ(places, (std::vector<std::string>{"a.toml:3:3", "a.toml:5:1", "a.toml:10:1"}));
    ConfigTable root = document->root();
    auto tables = root.named_tables("a");
    ASSERT_EQ(tables.size(), 1U);
    EXPECT_EQ(tables[0].second.keys(), (std::vector<std::string>{"key", "other"}));
    EXPECT_EQ(tables[0].second.place_of("other").line, 4U);
    EXPECT_EQ(root.tables("b").size(), 2U);
}

TEST(ConfigReader, TakesNothingApartThatStandsTwiceWithinAValue) {
    const std::vector<std::string> table = {
        "p = { 'a' = 1, 'a' = 2 }\n",
        "a = 1\na = [\n2]\n",
        "a = 1\na = \"\"\"\nx\"\"\"\n",
    };
    for (const std::string& text : table) {
        Diagnostics diagnostics;
        EXPECT_EQ(ConfigDocument::parse(text, "a.toml", diagnostics), nullptr) << text;
        EXPECT_EQ(diagnostics.error_count(), 1U) << text;
    }
    std::string many = "a = 0\n";
    for (int at = 0; at < 40; ++at)
        many += "a = 1\n";
    Diagnostics diagnostics;
    EXPECT_EQ(ConfigDocument::parse(many, "a.toml", diagnostics), nullptr);
    EXPECT_EQ(diagnostics.error_count(), 17U);
}

TEST(ConfigReader, MissesNoKeyThatIsThereMisspelt) {
    Diagnostics diagnostics;
    const auto document = ConfigDocument::parse("nmae = 1\n", "a.toml", diagnostics);
    ASSERT_NE(document, nullptr);
    ConfigTable root = document->root();
    root.need({"name"}, root.place(), "name is missing");
    root.need({"file", "files"}, root.place(), "file is missing");
    root.finish();
    ASSERT_EQ(diagnostics.error_count(), 2U);
    EXPECT_EQ(diagnostics.sorted()[0].suggestion, "name");
    EXPECT_EQ(diagnostics.sorted()[1].message, "file is missing");
}

}  // namespace
}  // namespace wicket
