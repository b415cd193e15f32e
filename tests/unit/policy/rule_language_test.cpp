// What rule files can say beyond single rules: skipping, lateness, folders that replace, and what the linter
// sees.
#include "policy/rules.hpp"
#include "policy/time_text.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace wicket {
namespace {

using Files = std::vector<std::pair<std::string, std::string>>;

std::string said_by(const Diagnostics& diagnostics) {
    std::string text;
    for (const Diagnostic& one : diagnostics.sorted())
        text += render(one) + '\n';
    return text;
}

std::shared_ptr<const RuleSet> made_of(const Files& files) {
    Diagnostics diagnostics;
    auto rules = compile_rules(files, diagnostics);
    if (rules == nullptr) ADD_FAILURE() << said_by(diagnostics);
    return rules;
}

Facts facts_of(const RuleSet& rules, const std::vector<std::pair<std::string, FactValue>>& values) {
    Facts facts;
    for (const auto& [name, value] : values)
        facts.set(rules.dictionary().find(name).value(), value);
    return facts;
}

constexpr std::string_view zen_that_defers =
    "[dnsbl.zen]\nzone = \"zen.example\"\nlisted = { xbl = \"127.0.0.4\", drop = "
    "\"127.0.0.9\" }\non_error = \"defer\"\n";

TEST(SkipRule, LeavesOutWhatReadsASkippedCheck) {
    const auto rules = made_of({
        {"a.toml",
         std::string(zen_that_defers) +
             "[[rule]]\nid = \"known\"\nwhen = 'client.ip == 192.0.2.1'\nthen = \"skip\"\nskip = "
             "[\"dnsbl.zen\", "
             "\"greylist\"]\n"
             "[[rule]]\nid = \"drop\"\nat = \"helo\"\nwhen = 'dnsbl.zen has drop'\nthen = \"reject\"\n"
             "[[rule]]\nid = \"not-xbl\"\nwhen = 'not dnsbl.zen has xbl'\nthen = \"tag\"\n"
             "[[rule]]\nid = \"either\"\nwhen = 'dnsbl.zen has xbl or spf.result == fail'\npoints = 3\n"
             "[[rule]]\nid = \"zen\"\npoints = { 'dnsbl.zen has xbl' = 5, 'spf.result == fail' = 1 }\n"
             "[[rule]]\nid = \"grey\"\nwhen = 'mail.is_null == false'\nthen = \"greylist\"\n"}
    });
    ASSERT_NE(rules, nullptr);
    const auto decided = [&](std::string_view ip, FactValue listed) {
        return decide(
            *rules,
            facts_of(
                *rules,
                {
                    {"client.ip",    *IpAddress::parse(ip)},
                    {"dnsbl.zen",    std::move(listed)    },
                    {"spf.result",   std::string("fail")  },
                    {"mail.is_null", false                }
        }
            ),
            Stage::end
        );
    };
    const Verdict listed = decided("192.0.2.2", TextList{{"drop"}, ""});
    EXPECT_EQ(listed.rule, "drop");
    EXPECT_TRUE(skipped_checks(*rules, listed).empty());

    const Verdict skipped = decided(
        "192.0.2.1",
        TextList{
            {"drop", "xbl"},
            ""
    }
    );
    EXPECT_EQ(skipped.action, Action::accept);
    EXPECT_EQ(skipped.points, 4);  // what another check says still counts
    ASSERT_EQ(skipped.hits.size(), 3U);
    EXPECT_EQ(skipped.hits[0].rule, "known");
    EXPECT_EQ(skipped.hits[1].rule, "either");
    EXPECT_EQ(skipped.hits[2].points, 1);
    EXPECT_TRUE(skipped.unknown_rules.empty());
    EXPECT_EQ(
        skipped_checks(*rules, skipped),
        (std::vector<std::pair<std::string, std::string>>{
            {"dnsbl.zen", "known"},
            {"greylist",  "known"}
    })
    );
    // A list that is skipped defers nobody, dead or not.
    const Verdict dead = decided("192.0.2.1", Unknown{"time-out"});
    EXPECT_EQ(dead.action, Action::accept);
    EXPECT_TRUE(dead.unknown_rules.empty());
    EXPECT_EQ(decided("192.0.2.2", Unknown{"time-out"}).action, Action::defer);
}

TEST(SkipRule, SkipsAllOfAFilterAndNothingInShadow) {
    const std::string text =
        std::string(zen_that_defers) +
        "[[rule]]\nid = \"known\"\nwhen = 'client.ip == 192.0.2.1'\nthen = \"skip\"\nskip = "
        "\"spf\"\n" +
        "[[rule]]\nid = \"spf-points\"\nwhen = 'spf.result == fail or spf.helo.result == "
        "fail'\npoints = 6\n";
    for (const bool is_shadow : {false, true}) {
        std::string with_mode = text;
        if (is_shadow) with_mode.insert(text.find("skip = \"spf\""), "mode = \"shadow\"\n");
        const auto rules = made_of({
            {"a.toml", with_mode}
        });
        const Facts facts = facts_of(
            *rules,
            {
                {"client.ip",       *IpAddress::parse("192.0.2.1")},
                {"spf.result",      std::string("fail")           },
                {"spf.helo.result", std::string("fail")           }
        }
        );
        EXPECT_EQ(decide(*rules, facts, Stage::end).action, is_shadow ? Action::junk : Action::accept);
    }
}

TEST(SkipRule, BeforeTheEndNoTotalAnswersThatASkipMayStillChange) {
    const std::string heavy =
        std::string(zen_that_defers) + "[[rule]]\nid = \"heavy\"\nwhen = 'dnsbl.zen has xbl'\npoints = 20\n";
    const std::string skip =
        "[[rule]]\nid = \"known\"\nwhen = 'dkim.pass has \"a.example\"'\nthen = \"skip\"\nskip = "
        "[\"dnsbl\"]\n";
    for (const bool may_skip : {false, true}) {
        const auto rules = made_of({
            {"a.toml", may_skip ? heavy + skip : heavy}
        });
        const Facts facts = facts_of(
            *rules,
            {
                {"dnsbl.zen", TextList{{"xbl"}, ""}}
        }
        );
        EXPECT_EQ(decide(*rules, facts, Stage::rcpt).action, may_skip ? Action::none : Action::reject);
    }
}

TEST(LateRule, AnswersAtTheEndOfData) {
    const auto rules = made_of({
        {"a.toml",
         std::string(zen_that_defers) +
             "[[rule]]\nid = \"drop\"\nwhen = 'dnsbl.zen has drop'\nthen = \"reject\"\nlate = "
             "\"data\"\nwhy = \"{from.domain} came from a bad place\"\n"}
    });
    const Facts facts = facts_of(
        *rules,
        {
            {"dnsbl.zen",   TextList{{"drop"}, ""}  },
            {"from.domain", std::string("a.example")}
    }
    );
    EXPECT_EQ(decide(*rules, facts, Stage::rcpt).action, Action::none);
    const Verdict verdict = decide(*rules, facts, Stage::end);
    EXPECT_EQ(verdict.action, Action::reject);
    EXPECT_EQ(verdict.reply.text, "a.example came from a bad place");
}

TEST(Folders, ALaterOneReplacesWhatItNames) {
    const std::string shipped =
        "[thresholds]\njunk = 4\nreject = 8\n" + std::string(zen_that_defers) +
        "[[list]]\nname = \"friends\"\nkind = \"ip\"\nfile = \"friends.txt\"\n"
        "[[rule]]\nid = \"first\"\nwhen = 'client.ip in list(friends)'\nthen = \"quarantine\"\n"
        "[[rule]]\nid = \"second\"\nwhen = 'dnsbl.zen has drop'\nthen = \"reject\"\n"
        "[[test]]\nname = \"as shipped\"\ngiven = { \"client.ip\" = \"192.0.2.1\" }\nexpect = { verdict = "
        "\"quarantine\" }\n";
    const std::string own =
        "[thresholds]\nreplace = true\njunk = 3\n"
        "[dnsbl.zen]\nreplace = true\nzone = \"other.example\"\nlisted = { bad = \"127.0.0.2\" }\n"
        "[[list]]\nname = \"friends\"\nkind = \"ip\"\nfile = \"mine.txt\"\nreplace = true\n"
        "[[rule]]\nid = \"first\"\nreplace = true\nwhen = 'client.ip in list(friends)'\nthen = \"accept\"\n"
        "[[rule]]\nid = \"second\"\nreplace = true\nwhen = 'dnsbl.zen has bad'\npoints = 3\n";
    const Files files = {
        {"a/a.toml",      shipped            },
        {"a/friends.txt", "192.0.2.1\n"      },
        {"b/a.toml",      own                },
        {"b/mine.txt",    "198.51.100.0/24\n"}
    };
    const auto rules = made_of(files);
    ASSERT_NE(rules, nullptr);
    EXPECT_EQ(rules->rule_count(), 2U);
    EXPECT_EQ(rules->origin_of("first"), "b/a.toml:14");
    ASSERT_EQ(rules->dns_lists().size(), 1U);
    EXPECT_EQ(rules->dns_lists()[0].zone, "other.example");
    const auto decided = [&](std::string_view ip, std::vector<std::string> listed) {
        const Facts facts = facts_of(
            *rules,
            {
                {"client.ip", *IpAddress::parse(ip)          },
                {"dnsbl.zen", TextList{std::move(listed), ""}}
        }
        );
        return decide(*rules, facts, Stage::end);
    };
    EXPECT_EQ(decided("198.51.100.7", {"bad"}).rule, "first");
    EXPECT_EQ(decided("192.0.2.1", {"bad"}).rule, "threshold:junk");
    // The tests of a folder are about the rules up to it.
    const auto results = run_rule_tests(*rules);
    ASSERT_EQ(results.size(), 1U);
    EXPECT_TRUE(results[0].passed) << results[0].difference;
    Diagnostics diagnostics;
    const auto again = recompile_rules(rules->sources(), diagnostics);
    ASSERT_NE(again, nullptr) << said_by(diagnostics);
    EXPECT_EQ(again->hash(), rules->hash());
}

struct Mistake {
    std::string_view name;
    std::string text;  // b/a.toml, behind a/a.toml with rule "first"
    std::uint32_t line, column;
    std::string_view message;
    Severity severity = Severity::error;
};

/// What is said of the second of two folders, of which the first is good.
TEST(RuleLint, TellsEveryMistakeOfARuleSetAtItsPlace) {
    const std::string rule_a = "[[rule]]\nid = \"a\"\nwhen = 'spf.result == fail'\nthen = \"reject\"\n";
    const std::string tested_b =
        "[[test]]\nname = \"b\"\ngiven = { \"client.port\" = 5 }\nexpect = { rule = \"b\" }\n";
    const auto rule_b = [](std::string_view when, std::string_view effect) {
        return "[[rule]]\nid = \"b\"\nwhen = '" + std::string(when) + "'\n" + std::string(effect) + "\n";
    };
    const std::vector<Mistake> mistakes = {
        {"replace in the same folder",
         rule_b("client.port == 5", "points = 1") + rule_b("client.port == 5", "points = 1\nreplace = true"),
         6, 6,
         "only what an earlier folder has"},
        {"replace without an earlier",
         rule_b("client.port == 5", "points = 1\nreplace = true"),
         5, 11,
         "no rule \"b\" to replace"},
        {"repeat without replace",
         "[[rule]]\nid = \"first\"\nwhen = 'client.port == 5'\npoints = 1\n", 2,
         6, "replace = true puts this one"},
        {"skip without checks",
         rule_b("client.port == 5", "then = \"skip\""),
         4, 8,
         "needs the checks to skip"},
        {"skip of nothing",
         rule_b("client.port == 5", "then = \"skip\"\nskip = []"),
         5, 8,
         "needs the checks to skip"},
        {"unknown check",
         rule_b("client.port == 5", "then = \"skip\"\nskip = [\"dnsbl.zne\"]"),
         5, 9,
         "unknown check"},
        {"not a check",
         rule_b("client.port == 5", "then = \"skip\"\nskip = [\"client.ip\"]"),
         5, 9,
         "it is no check"},
        {"skip elsewhere",
         rule_b("client.port == 5", "then = \"junk\"\nskip = [\"spf\"]"),
         5, 1,
         "no place in this rule"},
        {"late points",
         rule_b("client.port == 5", "points = 1\nlate = \"data\""),
         5, 8,
         "only a rule that decides"},
        {"late and at",
         rule_b("client.port == 5", "then = \"junk\"\nat = \"rcpt\"\nlate = \"data\""),
         6, 8,
         "\"at\" says otherwise"},
        {"late and now",
         rule_b("client.port == 5", "then = \"junk\"\nanswer = \"now\"\nlate = \"data\""),
         6, 8,
         "exclude each other"},
        {"late at no time", rule_b("client.port == 5", "then = \"junk\"\nlate = \"date\""), 5, 8, "late"},
        {"never true", rule_b("false and spf.result == fail", "then = \"junk\""), 3, 8, "can never hold"},
        {"two values at once",
         rule_b("spf.result == fail and spf.result == pass", "then = \"junk\""),
         3, 8,
         "can never hold"},
        {"an empty range",
         rule_b("client.port > 10 and client.port < 5", "points = 1"),
         3, 8,
         "can never hold"},
        {"absent and present",
         rule_b("helo.name is absent and helo.name == \"x\"", "points = 1"),
         3, 8,
         "can never hold"},
        {"a dead case",
         "[[rule]]\nid = \"b\"\npoints = { 'client.port == 5' = 1, 'not true' = 2 }\n", 3,
         36, "can never hold"},
        {"decided before",
         rule_a + rule_b("spf.result == fail", "then = \"junk\""),
         7, 8,
         "rule \"a\" at b/a.toml:2 decides"},
        {"a part is enough",
         rule_a + rule_b("mail.is_null or spf.result == fail", "then = \"junk\""),
         0, 0,
         ""},
        {"decided before by a part",
         rule_a + rule_b("mail.is_null  and spf.result  == fail", "then = \"junk\""),
         7, 8,
         "can never decide"},
        {"all parts decided",
         "[[rule]]\nid = \"a\"\nwhen = '(spf.result == fail) or client.port == 5'\nthen = \"reject\"\n" +
             rule_b("client.port == 5 and mail.is_null or spf.result == fail", "then = \"junk\""),
         7, 8,
         "can never decide"},
        {"one part is not",
         rule_a + rule_b("spf.result == fail or client.port == 5", "then = \"junk\""),
         0, 0,
         ""},
        {"another scope",
         "[[rule]]\nid = \"a\"\nwhen = 'spf.result == fail'\nthen = \"reject\"\nscope = { clients = "
         "[\"192.0.2.1\"] }\n" +
             rule_b("spf.result == fail", "then = \"junk\""),
         0, 0,
         ""},
        {"after everything",
         "[[rule]]\nid = \"a\"\nwhen = 'mail.is_null'\nthen = \"accept\"\n" +
             rule_b("mail.is_null and spf.result == fail", "then = \"tag\""),
         7, 8,
         "can never decide"},
        {"idle points",
         rule_a + rule_b("spf.result == fail", "points = 3"),
         7, 8,
         "decide nothing", Severity::warning},
        {"points twice",
         "[[rule]]\nid = \"b\"\npoints = { 'client.port == 5' = 1, 'client.port  == 5' = 2 }\n", 3,
         36, "stands twice"},
        {"in shadow it is reached",
         rule_a + rule_b("spf.result == fail", "then = \"junk\"\nmode = \"shadow\""),
         0, 0,
         ""},
        {"decides in shadow only",
         rule_a + "mode = \"shadow\"\n" + rule_b("spf.result == fail", "then = \"junk\""),
         0, 0,
         ""},
        {"expired", rule_b("client.port == 5", "points = 1\nexpires = 2001-01-31"), 5, 11, "has expired"},
        {"one list refuses",
         rule_b("dnsbl.zen has drop", "then = \"reject\""),
         3, 8,
         "alone = true", Severity::warning},
        {"one list of two parts",
         rule_b("dnsbl.zen has drop and rcpt.count > 1 or spf.result == fail", "then = \"reject\""),
         3, 8,
         "alone", Severity::warning},
        {"one list by points", rule_b("dnsbl.zen has drop", "points = 12"), 3, 8, "alone", Severity::warning},
        {"it is meant", rule_b("dnsbl.zen has drop", "then = \"reject\"\nalone = true"), 0, 0, ""},
        {"with other evidence",
         rule_b("dnsbl.zen has drop and spf.result == fail", "then = \"reject\""),
         0, 0,
         ""},
        {"overlapping lists",
         "[[list]]\nname = \"p\"\nkind = \"ip\"\nfile = \"p.txt\"\n[[list]]\nname = \"q\"\nkind = "
         "\"ip\"\nfile = \"q.txt\"\n", 0,
         0, "also in the list",
         Severity::warning},
        {"a pattern for nothing",
         "[[pattern]]\nid = \"p\"\nin = \"body\"\nmatch = 'x'\n" + rule_b("client.port == 5", "points = 1"),
         1, 1,
         "pattern.p is used by no rule", Severity::warning},
        {"no test",
         rule_b("client.port == 5", "points = 1"),
         2, 1,
         "no [[test]] makes it hit", Severity::warning},
        {"a recipient without a record",
         "[[test]]\nname = \"t\"\nrecipient = \"x\"\ngiven = { }\nexpect = { points = 0 }\n", 3,
         1, "this test has none"},
        {"no such record", "[[test]]\nname = \"t\"\nrecord = \"godo.json\"\n", 3, 10, "cannot read the record"
        },
        {"no record", "[[test]]\nname = \"t\"\nrecord = \"p.txt\"\n", 3, 10, "p.txt: no JSON"},
        {"no such recipient",
         "[[test]]\nname = \"t\"\nrecord = \"good.json\"\nrecipient = \"c@x.example\"\n", 4,
         13, "no recipient c@x.example"},
        {"which recipient", "[[test]]\nname = \"t\"\nrecord = \"good.json\"\n", 3, 10, "several recipients"},
        {"a fact of a record",
         "[[test]]\nname = \"t\"\nrecord = \"good.json\"\nrecipient = \"B@x.example\"\n", 3,
         10, "dnsbl.gone, which is not known here",
         Severity::warning},
    };
    const std::string earlier =
        std::string(zen_that_defers) +
        "[[rule]]\nid = \"first\"\nwhen = 'client.port == 7'\npoints = 1\n"
        "[[test]]\nname = \"first\"\ngiven = { \"client.port\" = 7 }\nexpect = { points = 1 }\n";
    for (const Mistake& one : mistakes) {
        SCOPED_TRACE(one.name);
        Diagnostics diagnostics;
        const auto rules = compile_rules(
            {
                {"a/a.toml",    earlier                                                 },
                {"b/a.toml",    one.text                                                },
                {"b/p.txt",     "192.0.2.0/24\n198.51.100.1\n198.51.100.2\n"            },
                {"b/q.txt",     "# ours\n  192.0.2.9\n198.51.100.1\n"                   },
                {"b/good.json",
                 R"({"facts":{"client.port":5,"dnsbl.gone":["x"]},"recipients":[{"address":"a@x.example"},)"
                 R"({"address":"b@x.example","facts":{"rcpt.address":"b@x.example"}}]})"},
        },
            diagnostics,
            RuleReading::for_check
        );
        EXPECT_EQ(rules == nullptr, diagnostics.has_errors());
        const auto said = diagnostics.sorted();
        const auto is_it = [&](const Diagnostic& found) {
            return found.severity == one.severity && found.message.contains(one.message) &&
                   (one.line == 0 || found.place == SourcePlace{"b/a.toml", one.line, one.column}) &&
                   !found.source_line.empty();
        };
        if (one.message.empty()) {
            EXPECT_FALSE(diagnostics.has_errors()) << said_by(diagnostics);
            EXPECT_TRUE(std::ranges::none_of(said, [](const Diagnostic& found) {
                return found.message.contains("alone");
            })) << said_by(diagnostics);
            continue;
        }
        EXPECT_TRUE(std::ranges::any_of(said, is_it)) << said_by(diagnostics);
        EXPECT_EQ(diagnostics.error_count(), one.severity == Severity::error ? 1U : 0U)
            << said_by(diagnostics);
    }
}

TEST(RuleLint, GivesAdviceOnlyInACheckAndLetsAServerStartWithWhatHasExpired) {
    const Files files = {
        {"a.toml",
         std::string(zen_that_defers) +
             "[[rule]]\nid = \"b\"\nwhen = 'dnsbl.zen has drop'\nthen = \"reject\"\nexpires = 2001-01-31\n"}
    };
    Diagnostics in_use;
    EXPECT_NE(compile_rules(files, in_use), nullptr);
    ASSERT_EQ(in_use.sorted().size(), 1U) << said_by(in_use);
    EXPECT_EQ(in_use.sorted()[0].severity, Severity::warning);
    Diagnostics in_check;
    EXPECT_EQ(compile_rules(files, in_check, RuleReading::for_check), nullptr);
    EXPECT_EQ(in_check.sorted().size(), 3U) << said_by(in_check);
}

TEST(RuleLint, FindsWhatItCanBesideOtherMistakes) {
    Diagnostics said;
    const Files files = {
        {"a.toml",
         "[[rule]]\nid = \"wrong\"\nwhen = 'spf.reslt == fail'\nthen = \"reject\"\n"
         "[[rule]]\nid = \"old\"\nwhen = 'client.port == 5'\npoints = 1\nexpires = 2001-01-31\n"
         "[[rule]]\nid = \"first\"\nwhen = 'spf.result == fail'\nthen = \"reject\"\n"
         "[[rule]]\nid = \"never\"\nwhen = 'spf.result == fail'\nthen = \"junk\"\n"}
    };
    EXPECT_EQ(compile_rules(files, said, RuleReading::for_check), nullptr);
    const std::string text = said_by(said);
    EXPECT_TRUE(text.contains("spf.result"));
    EXPECT_TRUE(text.contains("has expired")) << text;
    EXPECT_TRUE(text.contains("can never decide")) << text;
    EXPECT_EQ(said.error_count(), 3U) << text;
    EXPECT_FALSE(text.contains("has no test")) << "the test may be among what could not be read: " << text;
}

TEST(RuleTests, ReadTheFactsOfARecord) {
    const Files files = {
        {"a.toml",
         std::string(zen_that_defers) +
             "[[rule]]\nid = \"b\"\nwhen = 'dnsbl.zen has drop and rcpt.address == \"b@x.example\"'\npoints "
             "= 3\n"
             "[[test]]\nname = \"kept\"\nrecord = \"kept.json\"\nrecipient = \"b@x.example\"\nexpect = { "
             "points = 3 }\n"
             "[[test]]\nname = \"other\"\nrecord = \"kept.json\"\nrecipient = \"a@x.example\"\nexpect = { "
             "points = 0 }\n"
             "[[test]]\nname = \"changed\"\nrecord = \"kept.json\"\nrecipient = \"b@x.example\"\ngiven = { "
             "\"dnsbl.zen\" "
             "= [] }\nexpect = { points = 0 }\n"
             "[[test]]\nname = \"it can be decided\"\nrecord = \"kept.json\"\nrecipient = \"b@x.example\"\n"},
        {"kept.json",
         R"({"id":"X","facts":{"dnsbl.zen":["drop"],"spf.result":"pass"},"incomplete":{"dnsbl.zen":"time-out"},)"
         R"("recipients":[{"address":"a@x.example","facts":{"rcpt.address":"a@x.example"}},)"
         R"({"address":"b@x.example","facts":{"rcpt.address":"b@x.example"}}]})"                            }
    };
    const auto rules = made_of(files);
    ASSERT_NE(rules, nullptr);
    const auto results = run_rule_tests(*rules);
    ASSERT_EQ(results.size(), 4U);
    for (const RuleTestResult& one : results)
        EXPECT_TRUE(one.passed) << one.name << ": " << one.difference;
    EXPECT_EQ(rules->sources().size(), 2U);
}

}  // namespace
}  // namespace wicket
