// What is told of rule files in one run: every mistake at its place, and none that only follows from another.
#include "policy/rules.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/stat.h>
#include <utility>
#include <vector>

namespace wicket {
namespace {

using Files = std::vector<std::pair<std::string, std::string>>;

struct Told {
    std::string place;  // file:line:column
    std::string words;  // that the message or its suggestion has
};

std::vector<Diagnostic> errors_of(const Files& files, RuleReading reading = RuleReading::for_check) {
    Diagnostics diagnostics;
    static_cast<void>(compile_rules(files, diagnostics, reading));
    auto said = diagnostics.sorted();
    std::erase_if(said, [](const Diagnostic& one) { return one.severity == Severity::warning; });
    return said;
}

void expect_told(const Files& files, const std::vector<Told>& want) {
    const auto said = errors_of(files);
    std::string all;
    for (const Diagnostic& one : said)
        all += render(one) + '\n';
    ASSERT_EQ(said.size(), want.size()) << all;
    for (std::size_t at = 0; at < want.size(); ++at) {
        EXPECT_EQ(said[at].place.to_string(), want[at].place) << all;
        EXPECT_TRUE(said[at].message.contains(want[at].words) || said[at].suggestion == want[at].words)
            << all;
    }
}

std::string rule_with(const std::string& lines) {
    return "[[rule]]\nid = \"r\"\n" + lines;
}

const std::string zen =
    "[dnsbl.zen]\nzone = \"zen.example\"\nlisted = { xbl = \"127.0.0.4\", sbl = \"127.0.0.2\" }\n";

struct Case {
    std::string name;
    Files files;
    std::vector<Told> want;
};

TEST(RuleMistakes, AreAllToldInOneRun) {
    const std::vector<Case> cases = {
        {"every part of a rule",
         {{"a.toml",
           rule_with("when = 'spf.reslt == fail'\nthen = \"reject\"\nwhy = \"{x.y}\"\nfix = \"{z.y}\"\nat = "
                     "\"cnnect\"\nmode = \"shaddow\"\nreply = \"250 ok\"\n")}},
         {{"a.toml:3:9", "spf.result"},
          {"a.toml:5:9", "x.y"},
          {"a.toml:6:9", "z.y"},
          {"a.toml:7:6", "connect"},
          {"a.toml:8:8", "shadow"},
          {"a.toml:9:9", "reply code"}}                                                                    },
        {"the date of a rule with mistakes",
         {{"a.toml", rule_with("when = 'spf.reslt == fail'\npoints = 1\nexpires = 2001-01-31\n")}},
         {{"a.toml:3:9", "spf.result"}, {"a.toml:5:11", "has expired"}}                                    },
        {"points and texts",
         {{"a.toml", rule_with("when = 'spf.result == fail'\npoints = \"3\"\nwhy = \"{x.y}\"\n")}},
         {{"a.toml:4:10", "number"}, {"a.toml:5:9", "x.y"}}                                                },
        {"an action that nobody knows has no consequences",
         {{"a.toml",
           rule_with(
               "when = 'spf.result == fail'\nthen = \"rejct\"\nreply = \"550 5.7.1\"\nlate = \"data\"\nwhy "
               "= \"{x.y}\"\nheader = \"X: y\"\n"
           )}},
         {{"a.toml:4:8", "reject"}, {"a.toml:7:9", "x.y"}}                                                 },
        {"all facts of a text",
         {{"a.toml",
           rule_with("when = 'spf.result == fail'\nthen = \"reject\"\nwhy = \"{x.y} and {spf.reslt} }\"\n")}},
         {{"a.toml:5:9", "x.y"}, {"a.toml:5:19", "spf.result"}, {"a.toml:5:30", "closing brace"}}          },
        {"all words of a list",
         {{"a.toml",
           zen + rule_with("when = 'spf.result in [fial, pss] and dnsbl.zen has [xlb, slb]'\npoints = 1\n")}},
         {{"a.toml:6:24", "fail"}, {"a.toml:6:30", "pass"}, {"a.toml:6:54", "xbl"}, {"a.toml:6:59", "sbl"}}},
        {"all networks and numbers of a list",
         {{"a.toml",
           rule_with(
               "when = 'client.ip in [\"192.0.2.1/24\", \"x\"] or client.port in [1X, 2Y]'\npoints = 1\n"
           )}},
         {{"a.toml:3:23", "host bits"},
          {"a.toml:3:39", "host bits"},
          {"a.toml:3:63", "number"},
          {"a.toml:3:67", "number"}}                                                                       },
        {"all items of a test",
         {{"a.toml",
           zen + "[[test]]\nname = \"t\"\ngiven = { \"dnsbl.zen\" = [\"xlb\", \"slb\"] }\nexpect = { points "
                 "= 0 }\n"}},
         {{"a.toml:6:26", "xbl"}, {"a.toml:6:33", "sbl"}}                                                  },
        {"a table that stands twice",
         {{"a.toml",
           zen + "[dnsbl.zen]\nzone = \"b.example\"\n\n[[rule]]\nid = \"r\"\nwhen = 'spf.reslt == "
                 "fail'\npoints = 1\n"},
          {"b.toml", "[[rule]]\nid = \"s\"\nwhen = 'dnsbl.zen has xlb'\npoints = 1\n"}},
         {{"a.toml:4:1", "this table stands"}, {"a.toml:9:9", "spf.result"}, {"b.toml:3:23", "xbl"}}       },
        {"a key that stands twice",
         {{"a.toml", rule_with("when = 'spf.reslt == fail'\npoints = 1\n  points = 2\nmod = \"off\"\n")}},
         {{"a.toml:3:9", "spf.result"}, {"a.toml:5:3", "this key stands"}, {"a.toml:6:1", "mode"}}         },
    };
    for (const Case& one : cases) {
        SCOPED_TRACE(one.name);
        expect_told(one.files, one.want);
    }
}

TEST(RuleMistakes, AreNotToldForWhatOnlyFollowsFromThem) {
    const std::string uses =
        "[[rule]]\nid = \"s\"\nwhen = 'dnsbl.zen has xbl and client.ip in list(partners) or "
        "pattern.p'\npoints = 1\n"
        "why = \"{dnsbl.zen}\"\n"
        "[[rule]]\nid = \"t\"\nwhen = 'helo.is_ours'\nthen = \"skip\"\nskip = [\"dnsbl.zen\"]\n"
        "[[override]]\nrecipients = [\"a@*\"]\nmodes = { r = \"off\" }\n"
        "[[test]]\nname = \"t\"\ngiven = { \"dnsbl.zen\" = [\"xbl\"] }\nexpect = { rule = \"r\" }\n";
    const std::vector<Case> cases = {
        {"a file that does not parse",
         {{"a.toml", "[[rule]\n"}, {"b.toml", uses}},
         {{"a.toml:1:8", "expected"}}                                                                                                      },
        {"but other names are told",
         {{"a.toml", "[[rule]\n"}, {"b.toml", rule_with("when = 'spf.reslt == fail'\npoints = 1\n")}},
         {{"a.toml:1:8", "expected"}, {"b.toml:3:9", "spf.result"}}                                                                        },
        {"a replaced rule of a file that does not parse",
         {{"a/a.toml", "[[rule]\n"},
          {"b/a.toml", rule_with("replace = true\nwhen = 'helo.is_ours'\npoints = 1\n")}},
         {{"a/a.toml:1:8", "expected"}}                                                                                                    },
        {"a bad code of a list",
         {{"a.toml",
           "[dnsbl.a]\nzone = \"a.example\"\nlisted = { x = \"127.0.0.256\" }\n" +
               rule_with("when = 'dnsbl.a has x'\npoints = 1\n")}},
         {{"a.toml:3:16", "expected a code"}}                                                                                              },
        {"a list without codes",
         {{"a.toml", "[dnsbl.a]\nzone = \"a.example\"\n" + rule_with("when = 'dnsbl.a has x'\npoints = 1\n")}
         },                                                                                            {{"a.toml:1:1", "needs \"listed\""}}},
        {"a misspelt key is there",
         {{"a.toml",
           rule_with("wen = 'helo.is_ours'\npoint = 3\n") +
               "[[override]]\nrecipient = [\"a@*\"]\nwrost = \"junk\"\n"
               "[[test]]\nnam = \"t\"\ngivn = { }\nexpct = { points = 0 }\n"}},
         {{"a.toml:3:1", "when"},
          {"a.toml:4:1", "points"},
          {"a.toml:6:1", "recipients"},
          {"a.toml:7:1", "worst"},
          {"a.toml:9:1", "name"},
          {"a.toml:10:1", "given"},
          {"a.toml:11:1", "expect"}}                                                                                                       },
        {"a misspelt replace",
         {{"a/a.toml", rule_with("when = 'helo.is_ours'\npoints = 1\n")},
          {"b/a.toml", rule_with("repalce = true\nwhen = 'helo.is_ours'\npoints = 1\n")}},
         {{"b/a.toml:3:1", "replace"}}                                                                                                     },
        {"one table for many",                            {{"a.toml", "[rule]\nid = \"r\"\n"}},        {{"a.toml:1:1", "[[rule]]"}}        },
    };
    for (const Case& one : cases) {
        SCOPED_TRACE(one.name);
        expect_told(one.files, one.want);
    }
}

TEST(RuleMistakes, AreWordsAndKindsThatNeverMatch) {
    const std::string lists =
        "[[list]]\nname = \"people\"\nkind = \"address\"\nfile = \"p.txt\"\n"
        "[[list]]\nname = \"firms\"\nkind = \"domain\"\nfile = \"f.txt\"\n";
    const auto files = [&](const std::string& condition) {
        return Files{
            {"a.toml", lists + rule_with("when = '" + condition + "'\npoints = 1\n")},
            {"p.txt",  "a@example.org\n"                                            },
            {"f.txt",  "example.org\n"                                              }
        };
    };
    struct Condition {
        std::string text;
        std::uint32_t column;  // 0: none is wrong
        std::string words;
    };
    const std::vector<Condition> conditions = {
        {"any(dkim.results, result == \"pas\")",           37, "pass"                          },
        {"any(dkim.results, result == pas)",               37, "pass"                          },
        {"any(dkim.results, result in [pass, fial])",      44, "fail"                          },
        {"any(dkim.results, domian == \"a.example\")",     27, "domain"                        },
        {"mail.domain in list(people)",                    29, "kind address: it never has one"},
        {"dkim.pass has list(people)",                     28, "kind address: it never has one"},
        {"mail.from in list(firms)",                       27, "mail.domain in list(firms)"    },
        {"rcpt.address in list(firms)",                    30, "rcpt.domain in list(firms)"    },
        {"mail.domain in list(firms)",                     0,  ""                              },
        {"rcpt.count > mesage.size",                       22, "message.size"                  },
        {"message.size > rcpt.cuont * 3M",                 24, "rcpt.count"                    },
        {"client.ip == listener.adress",                   22, "listener.address"              },
        {"spf.result == spf.helo.reslut",                  23, "spf.helo.result"               },
        {"helo.is_ours == helo.resloves",                  25, "helo.resolves"                 },
        {"time.now > tme.now",                             20, "time.now"                      },
        {"5 < rcpt.cuont",                                 13, "rcpt.count"                    },
        {"count(dkim.pass) > rcpt.cuont",                  28, "rcpt.count"                    },
        {"mail.domain == from.domian",                     24, "from.domain"                   },
        {"any(dkim.results, result == pass)",              0,  ""                              },
        {"any(dkim.results, result == \"PASS\")",          0,  ""                              },
        {"any(dkim.results, key_bits < 1024)",             0,  ""                              },
        {"any(dkim.results, key_bits in [512, 768])",      0,  ""                              },
        {"any(dkim.results, key_bits == \"1024\")",        0,  ""                              },
        {"any(dkim.results, algorithm == \"rsa-sha512\")", 0,  ""                              },
        {"mail.from in list(people)",                      0,  ""                              },
        {"message.size > 1.5K",                            24, "1536"                          },
        {"greylist.age > 1.5h",                            24, "5400"                          },
    };
    for (const auto& [text, column, words] : conditions) {
        SCOPED_TRACE(text);
        if (column == 0)
            expect_told(files(text), {});
        else
            expect_told(
                files(text),
                {
                    {"a.toml:11:" + std::to_string(column), words}
            }
            );
    }
    // What was in force once is taken as it was.
    EXPECT_TRUE(errors_of(files("any(dkim.results, result == \"pas\")"), RuleReading::as_it_was).empty());
    EXPECT_TRUE(errors_of(files("mail.domain in list(people)"), RuleReading::as_it_was).empty());
    EXPECT_TRUE(errors_of(files("mail.from in list(firms)"), RuleReading::as_it_was).empty());
}

TEST(RuleMistakes, CompareNumbersOfResults) {
    Diagnostics diagnostics;
    const auto rules = compile_rules(
        {
            {"a.toml",
             rule_with("when = 'any(dkim.results, key_bits < 1024)'\npoints = 2\n") +
                 "[[test]]\nname = \"short\"\ngiven = { \"dkim.results\" = [{ key_bits = 512 }] }\nexpect = "
                 "{ "
                 "points = 2 }\n"
                 "[[test]]\nname = \"long\"\ngiven = { \"dkim.results\" = [{ key_bits = 2048 }, { domain = "
                 "\"a\" }] "
                 "}\nexpect = { points = 0 }\n"
                 "[[test]]\nname = \"none\"\ngiven = { \"dkim.results\" = [{ key_bits = \"few\" }] }\nexpect "
                 "= { "
                 "points = 0 }\n"}
    },
        diagnostics
    );
    ASSERT_NE(rules, nullptr) << render(diagnostics.sorted().front());
    for (const RuleTestResult& one : run_rule_tests(*rules))
        EXPECT_TRUE(one.passed) << one.name << ": " << one.difference;
}

TEST(RuleMistakes, OfLessWeight) {
    const std::vector<Case> cases = {
        {"a date in quotes",
         {{"a.toml", rule_with("when = 'helo.is_ours'\npoints = 1\nexpires = \"2099-01-01\"\n")}},
         {{"a.toml:5:11", "without quotes"}}                                                                                                                         },
        {"a test twice",
         {{"a.toml",
           "[[test]]\nname = \"t\"\ngiven = { }\nexpect = { points = 0 }\n"
           "[[test]]\nname = \"t\"\ngiven = { }\nexpect = { points = 0 }\n"}},
         {{"a.toml:6:8", "a.toml:2:8"}}                                                                                                                              },
        {"a header that is not ours to add",
         {{"a.toml", rule_with("when = 'helo.is_ours'\nthen = \"add-header\"\nheader = \"Received: x\"\n")}},
         {{"a.toml:5:10", "not for rules"}}                                                                                                                          },
        {"a header's facts",
         {{"a.toml",
           rule_with("when = 'helo.is_ours'\nthen = \"add-header\"\nheader = \"X-Spf: {spf.reslt} {x.y}\"\n")}
         },                                                                                                   {{"a.toml:5:19", "spf.result"}, {"a.toml:5:31", "x.y"}}},
    };
    for (const Case& one : cases) {
        SCOPED_TRACE(one.name);
        expect_told(one.files, one.want);
    }
    EXPECT_TRUE(errors_of(cases[0].files, RuleReading::as_it_was).empty());
    EXPECT_TRUE(errors_of(cases[1].files, RuleReading::as_it_was).empty());
    EXPECT_TRUE(errors_of(cases[2].files, RuleReading::as_it_was).empty());
    Files folder = {
        {"a.toml", "[[list]]\nname = \"l\"\nkind = \"ip\"\nfile = \"lists\"\n"},
    };
    const auto root = std::filesystem::path(testing::TempDir()) / "wicket-list-folder";
    std::filesystem::create_directories(root / "lists");
    std::ofstream(root / "a.toml") << folder.front().second;
    Diagnostics diagnostics;
    EXPECT_EQ(load_rules({root.string()}, diagnostics), nullptr);
    ASSERT_EQ(diagnostics.error_count(), 1U);
    EXPECT_EQ(diagnostics.sorted().front().suggestion, "");
    std::filesystem::remove_all(root);
}

TEST(RuleMistakes, AreNoneOfWhatFollowsFromOthers) {
    const std::string list = "[[list]]\nkind = \"ip\"\nname = ";
    const Files broken_lists = {
        {"a.toml",
         list + "\"l\"\nfile = \"l.txt\"\n" + list + "\"m\"\nfile = \"m.txt\"\n" +
             rule_with("when = 'client.ip in list(l)'\nthen = \"reject\"\n") +
             "[[rule]]\nid = \"s\"\nwhen = 'client.ip in list(m)'\nthen = \"accept\"\n"},
        {"l.txt",  "x\n"                                                               },
        {"m.txt",  "x\n"                                                               }
    };
    expect_told(
        broken_lists,
        {
            {"l.txt:1:1", "expected an address"},
            {"m.txt:1:1", "expected an address"}
    }
    );
    const std::string one = rule_with("when = 'helo.is_ours'\nthen = \"reject\"\n");
    expect_told(
        {
            {"a.toml", one + one}
    },
        {{"a.toml:6:6", "stands already"}}
    );
}

TEST(RuleMistakes, AreNotWordsInAnotherCase) {
    EXPECT_TRUE(errors_of({
                              {"a.toml", rule_with("when = 'client.behaviour has \"HTTP\"'\npoints = 1\n")}
    }
    ).empty());
    // Without quotes it is the name of a value.
    EXPECT_FALSE(errors_of({
                               {"a.toml", rule_with("when = 'client.behaviour has HTTP'\npoints = 1\n")}
    }
    ).empty());
}

TEST(RuleMistakes, AreNoChecksOfWhichThereIsNone) {
    EXPECT_TRUE(
        errors_of({
                      {"a.toml",
                       rule_with("when = 'helo.is_ours'\nthen = \"skip\"\nskip = [\"dnsbl\", \"pattern\"]\n")}
    }
        ).empty()
    );
}

TEST(RuleMistakes, AreShownWithoutAVeryLongLine) {
    std::string recipients;
    for (int i = 0; i < 2000; ++i)
        recipients += "\"" + std::to_string(i) + "\", ";
    const auto said = errors_of({
        {"a.toml",
         rule_with("when = 'helo.is_ours'\npoints = 1\nscope = { recipients = [" + recipients + "] }\n")}
    });
    ASSERT_EQ(said.size(), 2000U);
    EXPECT_TRUE(std::ranges::all_of(said, [](const Diagnostic& one) { return one.source_line.empty(); }));
}

TEST(RuleMistakes, SpoilNoTerminal) {
    const auto said = errors_of({
        {"a.toml", "\"\\u001b[31m\\nx\" = 1\n"}
    });
    ASSERT_EQ(said.size(), 1U);
    EXPECT_TRUE(said.front().message.contains("\"?[31m?x\"")) << said.front().message;
}

TEST(RuleMistakes, BesideFilesThatAreNone) {
    const auto root = std::filesystem::path(testing::TempDir()) / "wicket-no-files";
    std::filesystem::remove_all(root);
    std::filesystem::create_directories(root);
    // A fact that another file may declare: with this one's name wrong nobody knows.
    std::ofstream(
        root / "a.toml"
    ) << rule_with("when = 'pattern.foo'\nthen = \"reject\"\n")
      << "[[rule]]\nid = \"s\"\nwhen = 'client.name matches \"(\"'\nthen = \"junk\"\n";
    std::ofstream(root / "b.tml") << "";
    Diagnostics misnamed;
    EXPECT_EQ(load_rules({root.string()}, misnamed), nullptr);
    std::vector<std::string> places;
    for (const Diagnostic& one : misnamed.sorted())
        places.push_back(one.place.to_string());
    EXPECT_EQ(
        places,
        (std::vector<std::string>{(root / "a.toml").string() + ":7:30", (root / "b.tml").string() + ":1:1"})
    );

    std::filesystem::remove(root / "b.tml");
    std::filesystem::create_directory(root / "b.toml");
    std::ofstream(root / "a.toml") << rule_with("when = 'pattern.foo'\nthen = \"reject\"\n");
    Diagnostics folder;
    EXPECT_EQ(load_rules({root.string()}, folder), nullptr);
    EXPECT_EQ(folder.error_count(), 1U);

    // A pipe is not waited for.
    std::filesystem::remove(root / "b.toml");
    std::ofstream(root / "a.toml") << "";
    ASSERT_EQ(::mkfifo((root / "z.toml").c_str(), 0600), 0);
    Diagnostics pipe;
    EXPECT_EQ(load_rules({root.string()}, pipe), nullptr);
    ASSERT_EQ(pipe.error_count(), 1U);
    EXPECT_EQ(pipe.sorted().front().place.file, (root / "z.toml").string());
    std::filesystem::remove_all(root);
}

TEST(RuleMistakes, AreNoLeftOversOfEditorsAndPackages) {
    const auto root = std::filesystem::path(testing::TempDir()) / "wicket-left-overs";
    std::filesystem::remove_all(root);
    std::filesystem::create_directories(root);
    for (const char* name :
         {"a.toml",
          "#a.toml#",
          "a.toml.old",
          "a.toml.rpmnew",
          "a.toml.ucf-dist",
          "a.toml.save",
          "a.toml.disabled",
          "a.toml.tmp"})
        std::ofstream(root / name) << "";
    Diagnostics diagnostics;
    EXPECT_NE(load_rules({root.string()}, diagnostics), nullptr);
    EXPECT_EQ(diagnostics.error_count(), 0U);
    std::filesystem::remove_all(root);
}

TEST(RuleMistakes, AreFilesThatNobodyReads) {
    const auto root = std::filesystem::path(testing::TempDir()) / "wicket-unread";
    std::filesystem::remove_all(root);
    std::filesystem::create_directories(root / "lists");
    std::filesystem::create_directories(root / "site");
    std::filesystem::create_directories(root / "more");
    const auto write = [&](const std::string& name, const std::string& text) {
        std::ofstream(root / name) << text;
    };
    write(
        "a.toml",
        "[[list]]\nname = \"l\"\nkind = \"ip\"\nfile = \"l.txt\"\n[[list]]\nname = \"m\"\nkind = "
        "\"ip\"\nfile = "
        "\"lists/m.txt\"\n"
    );
    write("l.txt", "192.0.2.1\n");
    write("lists/m.txt", "192.0.2.2\n");
    write("site/s.toml", "");
    for (const char* name : {"b.conf", "b.yaml", "b.rules", "b.toml.bak", "b.toml~", "b", "more/e.toml"})
        write(name, "");
    for (const char* name : {".a.toml.swp", "README.md", "lists/old.txt"})
        write(name, "");
    const std::vector<std::string> folders = {root.string(), (root / "site").string()};
    Diagnostics diagnostics;
    EXPECT_NE(load_rules(folders, diagnostics, RuleReading::for_check), nullptr);
    std::vector<std::string> unread;
    for (const Diagnostic& one : diagnostics.sorted())
        if (one.message.starts_with("not read:")) unread.push_back(one.place.to_string());
    std::vector<std::string> want;
    for (const char* name : {"b", "b.conf", "b.rules", "b.toml.bak", "b.toml~", "b.yaml", "more/e.toml"})
        want.push_back((root / name).string() + ":1:1");
    EXPECT_EQ(unread, want);
    Diagnostics in_use;
    EXPECT_NE(load_rules(folders, in_use), nullptr);
    EXPECT_TRUE(in_use.empty());

    write("c.tml", "");
    Diagnostics misnamed;
    EXPECT_EQ(load_rules(folders, misnamed), nullptr);
    ASSERT_EQ(misnamed.error_count(), 1U);
    EXPECT_EQ(misnamed.sorted().front().place.to_string(), (root / "c.tml").string() + ":1:1");
    std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace wicket
