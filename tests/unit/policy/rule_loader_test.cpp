#include "policy/rules.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace wicket {
namespace {

std::string all_of(const Diagnostics& diagnostics) {
    std::string text;
    for (const Diagnostic& one : diagnostics.sorted())
        text += render(one) + '\n';
    return text;
}

TEST(RuleLoader, ReadsThePolicyExampleOfTheContract) {
    const std::string example = R"(
[thresholds]
junk   = 5
reject = 12

[dnsbl.zen]
zone     = "zen.spamhaus.org"
of       = "client.ip"
listed   = { sbl = "127.0.0.2", css = "127.0.0.3", xbl = "127.0.0.4-7", drop = "127.0.0.9", pbl = "127.0.0.10-11" }
on_error = "skip"                       # skip | defer
timeout  = "3s"

[[rule]]
id     = "spamhaus-drop"
at     = "connect"
when   = 'dnsbl.zen has drop'
then   = "reject"
why    = "{client.ip} is on the Spamhaus DROP list of hijacked networks"
fix    = "See https://check.spamhaus.org/query/ip/{client.ip}"

[[rule]]
id     = "spamhaus-zen"
points = { 'dnsbl.zen has xbl' = 5, 'dnsbl.zen has sbl' = 4, 'dnsbl.zen has pbl' = 4, 'dnsbl.zen has css' = 3 }

[[rule]]
id     = "dmarc-strict"
when   = 'dmarc.result == fail and dmarc.policy == reject and not arc.trusted'
then   = "reject"
mode   = "shadow"
why    = "{from.domain} asks receivers to refuse mail that is not authenticated"
fix    = "Sign with DKIM as {from.domain}, or send from a host that its SPF record names"

[[rule]]
id      = "partner-exception"
when    = 'dkim.pass has "partner.example" and rcpt.domain == "example.test"'
then    = "accept"
expires = 2099-01-31

[[override]]
recipients = ["postmaster@*", "abuse@*"]
worst      = "junk"

[[test]]
name   = "a DROP-listed host is refused"
given  = { "client.ip" = "203.0.113.9", "dnsbl.zen" = ["drop"] }
expect = { verdict = "reject", rule = "spamhaus-drop" }
)";
    Diagnostics diagnostics;
    const auto rules = compile_rules(
        {
            {"policy.toml", example}
    },
        diagnostics
    );
    ASSERT_NE(rules, nullptr) << all_of(diagnostics);
    EXPECT_EQ(rules->rule_count(), 4U);
    EXPECT_EQ(rules->origin_of("spamhaus-drop"), "policy.toml:14");
    EXPECT_EQ(rules->origin_of("nothing"), "");
    EXPECT_EQ(rules->hash().size(), 64U);
    ASSERT_EQ(rules->dns_lists().size(), 1U);
    const DnsList& zen = rules->dns_lists()[0];
    EXPECT_EQ(zen.zone, "zen.spamhaus.org");
    EXPECT_EQ(zen.of, id_of(CoreFact::client_ip));
    EXPECT_EQ(rules->dictionary().row(zen.fact).name, "dnsbl.zen");
    EXPECT_EQ(rules->dictionary().row(zen.fact).stage, Stage::connect);
    ASSERT_EQ(zen.listed.size(), 5U);
    EXPECT_EQ(zen.listed[2].name, "xbl");
    EXPECT_EQ(zen.listed[2].first, 0x7F000004U);
    EXPECT_EQ(zen.listed[2].last, 0x7F000007U);
    EXPECT_EQ(zen.timeout, std::chrono::seconds{3});
    const auto results = run_rule_tests(*rules);
    ASSERT_EQ(results.size(), 1U);
    EXPECT_TRUE(results[0].passed) << results[0].difference;
    // The checks behind the strict rule are not there yet: that is said, at each place.
    const auto said = diagnostics.sorted();
    ASSERT_EQ(said.size(), 3U) << all_of(diagnostics);
    EXPECT_EQ(said[0].severity, Severity::warning);
    EXPECT_EQ(said[0].place, (SourcePlace{"policy.toml", 27, 11}));
}

constexpr std::string_view list_prelude =
    "[dnsbl.zen]\nzone = \"zen.example.org\"\nlisted = { sbl = \"127.0.0.2\", drop = \"127.0.0.9\" }\n"
    "[[rule]]\nid = \"first-rule\"\nwhen = 'dnsbl.zen has drop'\nthen = \"reject\"\n";
constexpr std::uint32_t prelude_lines = 7;

TEST(RuleLoader, TellsEveryMistakeAtItsPlace) {
    struct Case {
        std::string_view text;  // after the prelude
        std::uint32_t line, column;
        std::string_view message;  // what it contains
        std::string_view suggestion;
    };
    const std::vector<Case> cases = {
        // rules
        {"[[rule]]\nid = \"a\"\nwhen = '''\nmail.is_null\n  and spf.reslt == fail'''\nthen = \"reject\"",
         5,                                                                                                       7,
         "unknown fact",                                                                                                                               "spf.result"        },
        {"[[rule]]\nid = \"a\"\nwhen = 'spf.reslt == fail'\nthen = \"reject\"",
         3,                                                                                                       9,
         "unknown fact",                                                                                                                               "spf.result"        },
        {"[[rule]]\nid = \"a\"\nwhen = 'spf.result == fial'\nthen = \"reject\"",
         3,                                                                                                       23,
         "never \"fial\"",                                                                                                                             "fail"              },
        {"[[rule]]\nid = \"a\"\nwhen = \"dnsbl.zen has dorp\"\nthen = \"reject\"",                             3, 23, "never has",                     "drop"
        },
        {"[[rule]]\nid = \"a\"\nwhen = 'dnsbl.zne has drop'\nthen = \"reject\"",
         3,                                                                                                       9,
         "unknown fact",                                                                                                                               "dnsbl.zen"         },
        {"[[rule]]\nid = \"a\"\nwhen = 'mail.is_null'\nthen = \"rejcet\"",                                     4, 8,  "rejcet",                        "reject"            },
        {"[[rule]]\nid = \"a\"\nwhen = 'mail.is_null'\nthen = \"redirect\"",                                   4, 8,  "redirect",                      ""                  },
        {"[[rule]]\nid = \"a\"\nwhen = 'mail.is_null'\nthen = \"reject\"\nmod = \"off\"",                      5, 1,  "mod",                           "mode"
        },
        {"[[rule]]\nid = \"a\"\nwhen = 'mail.is_null'\nthen = \"reject\"\nmode = \"shaddow\"",
         5,                                                                                                       8,
         "",                                                                                                                                           "shadow"            },
        {"[[rule]]\nid = \"a\"\nwhen = 'mail.is_null'\nthen = \"reject\"\nat = \"connct\"",
         5,                                                                                                       6,
         "",                                                                                                                                           "connect"           },
        {"[[rule]]\nid = \"a\"\nwhen = 'mail.is_null'\nthen = \"reject\"\nat = \"connect\"",
         5,                                                                                                       6,
         "mail.is_null is known from mail on",                                                                                                         "mail"              },
        {"[[rule]]\nid = \"a\"\nwhen = 'mail.is_null'\nthen = \"reject\"\npoints = 3",                         4, 8,  "either",                        ""                  },
        {"[[rule]]\nid = \"a\"\nwhen = 'mail.is_null'",                                                        1, 1,  "needs \"points\" or \"then\"",  ""                  },
        {"[[rule]]\nid = \"a\"\nthen = \"reject\"",                                                            3, 8,  "needs \"when\"",                ""                  },
        {"[[rule]]\nid = \"a\"\npoints = 3",                                                                   3, 10, "needs \"when\"",                ""                  },
        {"[[rule]]\nwhen = 'mail.is_null'\npoints = 3",                                                        1, 1,  "needs \"id\"",                  ""                  },
        {"[[rule]]\nid = \"first-rule\"\nwhen = 'mail.is_null'\npoints = 3",
         2,                                                                                                       6,
         "stands already at rules.toml:5:6",                                                                                                           ""                  },
        {"[[rule]]\nid = \"A b\"\nwhen = 'mail.is_null'\npoints = 3",                                          2, 6,  "name of a rule",                ""                  },
        {"[[rule]]\nid = \"default\"\nwhen = 'mail.is_null'\npoints = 3",                                      2, 6,  "default",                       ""                  },
        {"[[rule]]\nid = \"a\"\nwhen = 'mail.is_null'\npoints = \"3\"",                                        4, 10, "must be a number",              ""                  },
        {"[[rule]]\nid = \"a\"\nwhen = 'mail.is_null'\npoints = 0.0001",                                       4, 10, "three decimals",                ""                  },
        {"[[rule]]\nid = \"a\"\nwhen = 'mail.is_null'\npoints = 5000",                                         4, 10, "between",                       ""                  },
        {"[[rule]]\nid = \"a\"\npoints = { 'mail.is_null' = 1, 'spf.result = fail' = 2 }",
         3,                                                                                                       44,
         "two signs",                                                                                                                                  "=="                },
        {"[[rule]]\nid = \"a\"\npoints = { 'mail.is_null' = \"x\" }",                                          3, 29, "must be a number",              ""                  },
        {"[[rule]]\nid = \"a\"\nwhen = 'mail.is_null'\npoints = { 'mail.is_null' = 1 }",                       4, 10, "no place",                      ""
        },
        {"[[rule]]\nid = \"a\"\nwhen = 'client.name matches \"(\"'\npoints = 1",
         3,                                                                                                       30,
         "bad regular expression",                                                                                                                     ""                  },
        {"[[rule]]\nid = \"a\"\nwhen = 'client.port == 5'\nthen = \"reject\"\nwhy = \"{client.pi}\"",
         5,                                                                                                       9,
         "unknown fact",                                                                                                                               "client.ip"         },
        {"[[rule]]\nid = \"a\"\nwhen = 'client.port == 5'\nthen = \"reject\"\nwhy = \"a {client.ip\"",
         5,                                                                                                       10,
         "no closing",                                                                                                                                 ""                  },
        {"[[rule]]\nid = \"a\"\nwhen = 'client.port == 5'\nthen = \"reject\"\nfix = \"{from.domain}\"",
         5,                                                                                                       9,
         "known from end on",                                                                                                                          ""                  },
        {"[[rule]]\nid = \"a\"\nwhen = 'client.port == 5'\nthen = \"reject\"\nanswer = \"now\"\nwhy = "
         "\"{mail.from}\"",                                                                           6,
         9,                                                                                                           "known from mail on",
         ""                                                                                                                                                                },
        {"[[rule]]\nid = \"a\"\nwhen = 'mail.is_null'\nthen = \"reject\"\nanswer = \"later\"",                 5, 10, "",                              ""                  },
        {"[[rule]]\nid = \"a\"\nwhen = 'mail.is_null'\nthen = \"reject\"\non_unknown = \"defr\"",
         5,                                                                                                       14,
         "",                                                                                                                                           "defer"             },
        {"[[rule]]\nid = \"a\"\nwhen = 'mail.is_null'\nthen = \"reject\"\nexpires = \"soon\"",
         5,                                                                                                       11,
         "expected a date",                                                                                                                            ""                  },
        {"[[rule]]\nid = \"a\"\nwhen = 'mail.is_null'\nthen = \"reject\"\nreply = \"450 4.7.1\"",
         5,                                                                                                       9,
         "5xx",                                                                                                                                        ""                  },
        {"[[rule]]\nid = \"a\"\nwhen = 'mail.is_null'\nthen = \"reject\"\nreply = \"550 4.7.1\"",
         5,                                                                                                       9,
         "one class",                                                                                                                                  ""                  },
        {"[[rule]]\nid = \"a\"\nwhen = 'mail.is_null'\nthen = \"accept\"\nreply = \"550 5.7.1\"",
         5,                                                                                                       9,
         "only a rule that",                                                                                                                           ""                  },
        {"[[rule]]\nid = \"a\"\nwhen = 'mail.is_null'\nthen = \"add-header\"",
         1,                                                                                                       1,
         "add-header needs header",                                                                                                                    ""                  },
        {"[[rule]]\nid = \"a\"\nwhen = 'mail.is_null'\nthen = \"reject\"\nscope = { domans = [\"x\"] }",
         5,                                                                                                       11,
         "domans",                                                                                                                                     "domains"           },
        {"[[rule]]\nid = \"a\"\nwhen = 'mail.is_null'\nthen = \"reject\"\nat = \"mail\"\nscope = { domains = "
         "[\"x\"] }",                                                                                 5,
         6,                                                                                                           "scope is known from rcpt",
         "rcpt"                                                                                                                                                            },
        {"[[rule]]\nid = \"a\"\nwhen = 'client.ip in list(partnres)'\npoints = -1",                            3, 27, "unknown list",                  ""
        },
        {"[[rule]]\nid = \"a\"\nwhen = 5\npoints = -1",                                                        3, 8,  "text in quotes",                ""                  },
        {"[[ruel]]\nid = \"a\"",                                                                               1, 3,  "ruel",                          "rule"              },
        // thresholds
        {"[thresholds]\njnk = 5",                                                                              2, 1,  "jnk",                           "junk"              },
        {"[thresholds]\njunk = 15",                                                                            1, 1,  "above the junk threshold",      ""                  },
        {"[thresholds]\njunk = 5\nreject = 5",                                                                 3, 10, "above the junk threshold",      ""                  },
        {"[thresholds]\njunk = 0",                                                                             2, 8,  "above 0",                       ""                  },
        {"[thresholds]\nreject = -12\njunk = 5",                                                               2, 10, "above 0",                       ""                  },
        {"[thresholds]\njunk = \"x\"",                                                                         2, 8,  "must be a number",              ""                  },
        // block lists
        {"[dnsbl.b]\nlisted = { x = \"127.0.0.2\" }",                                                          1, 1,  "needs \"zone\"",                ""                  },
        {"[dnsbl.b]\nzone = \"b.example\"",                                                                    1, 1,  "needs \"listed\"",              ""                  },
        {"[dnsbl.b]\nzone = \"b example\"\nlisted = { x = \"127.0.0.2\" }",                                    2, 8,  "no name of a DNS zone",         ""
        },
        {"[dnsbl.b]\nzone = \"b.example\"\nof = \"client.pi\"\nlisted = { x = \"127.0.0.2\" }",
         3,                                                                                                       6,
         "unknown fact",                                                                                                                               "client.ip"         },
        {"[dnsbl.b]\nzone = \"b.example\"\nof = \"client.port\"\nlisted = { x = \"127.0.0.2\" }",
         3,                                                                                                       6,
         "no list can be asked",                                                                                                                       ""                  },
        {"[dnsbl.b]\nzone = \"b.example\"\nlisted = { x = \"127.0.0\" }",                                      3, 16, "expected a code",               ""                  },
        {"[dnsbl.b]\nzone = \"b.example\"\nlisted = { x = \"127.0.0.7-4\" }",                                  3, 16, "expected a code",               ""                  },
        {"[dnsbl.b]\nzone = \"b.example\"\nlisted = { x = \"10.0.0.2\" }",                                     3, 16, "127.0.0.0/8",                   ""                  },
        {"[dnsbl.b]\nzone = \"b.example\"\nlisted = { x = \"127.*.*.2\" }",                                    3, 16, "more than",                     ""                  },
        {"[dnsbl.b]\nzone = \"b.example\"\nlisted = { x = \"127.0.0.2-4\", y = \"127.0.0.4\" }",
         3,                                                                                                       10,
         "overlap",                                                                                                                                    ""                  },
        {"[dnsbl.b]\nzone = \"b.example\"\nlisted = { x = \"127.255.255.254\" }",
         3,                                                                                                       10,
         "127.255.255.0/24",                                                                                                                           ""                  },
        {"[dnsbl.b]\nzone = \"dbl.spamhaus.org\"\nof = \"mail.domain\"\nlisted = { x = \"127.0.1.2-255\" }",
         4,                                                                                                       10,
         "127.0.1.255 says",                                                                                                                           ""                  },
        {"[dnsbl.b]\nzone = \"b.example\"\nlisted = { x = \"127.0.0.2\" }\non_error = \"ignore\"",
         4,                                                                                                       12,
         "",                                                                                                                                           ""                  },
        {"[dnsbl.b]\nzone = \"b.example\"\nlisted = { x = \"127.0.0.2\" }\ntimeout = \"3\"",
         4,                                                                                                       11,
         "duration",                                                                                                                                   ""                  },
        {"[dnsbl.b]\nzone = \"b.example\"\nlisted = { x = \"127.0.0.2\" }\ntimeout = \"5m\"",
         4,                                                                                                       11,
         "between 50ms and 20s",                                                                                                                       ""                  },
        {"[dnsbl.b]\nzone = \"b.example\"\nlisted = { x = \"127.0.0.2\" }\nprivat = true",
         4,                                                                                                       1,
         "privat",                                                                                                                                     "private"           },
        // lists
        {"[[list]]\nname = \"p\"\nkind = \"ip\"\nfile = \"lists/partnres.txt\"",
         4,                                                                                                       8,
         "cannot read the list file",                                                                                                                  "lists/partners.txt"},
        {"[[list]]\nname = \"p\"\nkind = \"ips\"\nfile = \"lists/partners.txt\"",                              3, 8,  "",                              "ip"                },
        {"[[list]]\nname = \"p\"\nkind = \"ip\"",                                                              1, 1,  "needs \"file\"",                ""                  },
        // overrides
        {"[[override]]\nworst = \"junk\"",                                                                     1, 1,  "an override needs \"domains\"", ""                  },
        {"[[override]]\nrecipients = [\"a@*\"]",                                                               1, 1,  "changes nothing",               ""                  },
        {"[[override]]\nrecipients = [\"postmaster\"]\nworst = \"junk\"",
         2,                                                                                                       14,
         "matches no address",                                                                                                                         "postmaster@*"      },
        {"[[override]]\nrecipients = []\nworst = \"junk\"",                                                    2, 14, "match nobody",                  ""                  },
        {"[[override]]\nclients = [\"192.0.2.1/24\"]\nworst = \"junk\"",                                       2, 12, "expected an address",           ""                  },
        {"[[override]]\nlisteners = [\"smpt\"]\nworst = \"junk\"",                                             2, 14, "neither a service",             "smtp"              },
        {"[[override]]\nrecipients = [\"a@*\"]\nworst = \"jnuk\"",                                             3, 9,  "",                              "junk"              },
        {"[[override]]\nrecipients = [\"a@*\"]\nmodes = { frist-rule = \"off\" }",
         3,                                                                                                       11,
         "unknown rule",                                                                                                                               "first-rule"        },
        {"[[override]]\nrecipients = [\"a@*\"]\nmodes = { first-rule = \"on\" }",
         3,                                                                                                       24,
         "expected enforce",                                                                                                                           ""                  },
        {"[[override]]\nrecipients = [\"a@*\"]\nthresholds = { junk = 20 }",                                   3, 14, "above",                         ""                  },
        // tests
        {"[[test]]\nname = \"t\"\ngiven = { \"client.pi\" = \"192.0.2.1\" }\nexpect = { verdict = \"junk\" }",
         3,                                                                                                       12,
         "unknown fact",                                                                                                                               "client.ip"         },
        {"[[test]]\nname = \"t\"\ngiven = { \"client.ip\" = \"x\" }\nexpect = { verdict = \"junk\" }",
         3,                                                                                                       25,
         "address",                                                                                                                                    ""                  },
        {"[[test]]\nname = \"t\"\ngiven = { \"spf.result\" = \"fial\" }\nexpect = { verdict = \"junk\" }",
         3,                                                                                                       26,
         "never",                                                                                                                                      "fail"              },
        {"[[test]]\nname = \"t\"\ngiven = { \"dnsbl.zen\" = [\"dorp\"] }\nexpect = { verdict = \"junk\" }",
         3,                                                                                                       26,
         "never has",                                                                                                                                  "drop"              },
        {"[[test]]\nname = \"t\"\ngiven = { }\nexpect = { verdict = \"jnuk\" }",
         4,                                                                                                       22,
         "unknown verdict",                                                                                                                            "junk"              },
        {"[[test]]\nname = \"t\"\ngiven = { }\nexpect = { rule = \"frist-rule\" }",
         4,                                                                                                       19,
         "unknown rule",                                                                                                                               "first-rule"        },
        {"[[test]]\nname = \"t\"\ngiven = { }\nexpect = { rul = \"first-rule\" }",
         4,                                                                                                       12,
         "unknown key",                                                                                                                                "rule"              },
        {"[[test]]\nname = \"t\"\ngiven = { }",                                                                1, 1,  "needs \"expect\"",              ""                  },
    };
    EXPECT_GE(cases.size(), 60U);
    for (const auto& [text, line, column, message, suggestion] : cases) {
        SCOPED_TRACE(text);
        Diagnostics diagnostics;
        const auto rules = compile_rules(
            {
                {"rules.toml",         std::string(list_prelude) + std::string(text)},
                {"lists/partners.txt", "192.0.2.1\n"                                }
        },
            diagnostics
        );
        EXPECT_EQ(rules, nullptr);
        const auto said = diagnostics.sorted();
        ASSERT_EQ(said.size(), 1U) << all_of(diagnostics);
        EXPECT_EQ(said[0].place, (SourcePlace{"rules.toml", prelude_lines + line, column}))
            << all_of(diagnostics);
        EXPECT_NE(said[0].message.find(message), std::string::npos) << said[0].message;
        if (suggestion != "") EXPECT_EQ(said[0].suggestion, suggestion) << said[0].message;
        EXPECT_FALSE(said[0].source_line.empty());
    }
}

TEST(RuleLoader, TellsAllMistakesOfAllFilesAtOnce) {
    Diagnostics diagnostics;
    const auto rules = compile_rules(
        {
            {"a.toml", "[thresholds]\njunk = 1\n[[rule]]\nid = \"a\"\nwhen = 'mail.is_nul'\npoints = 1\n" },
            {"b.toml", "[thresholds]\njunk = 2\n[[rule]]\nid = \"a\"\nwhen = 'mail.is_null'\npoints = 1\n"},
            {"c.toml", "[[rule]\n"                                                                        }
    },
        diagnostics
    );
    EXPECT_EQ(rules, nullptr);
    const auto said = diagnostics.sorted();
    ASSERT_EQ(said.size(), 4U) << all_of(diagnostics);
    EXPECT_EQ(said[0].place, (SourcePlace{"a.toml", 5, 9}));
    EXPECT_NE(said[1].message.find("stands already at a.toml:1:1"), std::string::npos) << said[1].message;
    EXPECT_NE(said[2].message.find("stands already at a.toml:4:6"), std::string::npos) << said[2].message;
    EXPECT_EQ(said[3].place.file, "c.toml");
}

TEST(RuleLoader, SuggestsFactsOfChecksThatAreComing) {
    for (const auto& [written, meant] :
         {std::pair("dmarc.reslt", "dmarc.result"),
          std::pair("dmarc.polcy", "dmarc.policy"),
          std::pair("arc.trustd", "arc.trusted")}) {
        Diagnostics diagnostics;
        const std::string condition = std::string(written) + " is absent";
        EXPECT_EQ(
            compile_rules(
                {
                    {"a.toml", "[[rule]]\nid = \"a\"\nwhen = '" + condition + "'\npoints = 1\n"}
        },
                diagnostics
            ),
            nullptr
        );
        ASSERT_EQ(diagnostics.sorted().size(), 1U);
        EXPECT_EQ(diagnostics.sorted()[0].suggestion, meant);
    }
}

TEST(RuleLoader, WarnsWhereARuleNamesAListThatIsNotAsked) {
    Diagnostics diagnostics;
    const auto rules = compile_rules(
        {
            {"a.toml",
             "[dnsbl.bl]\nzone = \"bl.test\"\nlisted = { bad = \"127.0.0.2\" }\nenabled = false\n"
             "[[rule]]\nid = \"a\"\nwhen = 'dnsbl.bl has bad'\nthen = \"reject\"\n"}
    },
        diagnostics
    );
    ASSERT_NE(rules, nullptr);
    ASSERT_EQ(diagnostics.sorted().size(), 1U);
    EXPECT_EQ(diagnostics.sorted()[0].severity, Severity::warning);
    EXPECT_EQ(diagnostics.sorted()[0].place, (SourcePlace{"a.toml", 7, 9}));
}

TEST(RuleLoader, AsksListsOnlyAboutWhatTheyKnow) {
    for (const auto& [of, suggestion] :
         {std::pair("rcpt.domain", ""),
          std::pair("mail.from", ""),
          std::pair("client.nam", "client.name"),
          std::pair("helo.nam", "helo.name")}) {
        SCOPED_TRACE(of);
        Diagnostics diagnostics;
        EXPECT_EQ(
            compile_rules(
                {
                    {"a.toml",
                     "[dnsbl.bl]\nzone = \"bl.test\"\nof = \"" + std::string(of) +
                         "\"\nlisted = { bad = \"127.0.0.2\" }\n"}
        },
                diagnostics
            ),
            nullptr
        );
        ASSERT_EQ(diagnostics.sorted().size(), 1U) << all_of(diagnostics);
        EXPECT_EQ(diagnostics.sorted()[0].place, (SourcePlace{"a.toml", 3, 6}));
        EXPECT_EQ(diagnostics.sorted()[0].suggestion, suggestion);
    }
}

TEST(RuleLoader, WarnsOfAnExpiredRule) {
    Diagnostics diagnostics;
    const auto rules = compile_rules(
        {
            {"a.toml", "[[rule]]\nid = \"old\"\nwhen = 'true'\nthen = \"accept\"\nexpires = 2001-01-31\n"}
    },
        diagnostics
    );
    ASSERT_NE(rules, nullptr);
    const auto said = diagnostics.sorted();
    ASSERT_EQ(said.size(), 1U);
    EXPECT_EQ(said[0].severity, Severity::warning);
    EXPECT_EQ(said[0].place, (SourcePlace{"a.toml", 5, 11}));
}

TEST(RuleLoader, KnowsTheRefusalCodesOfWellKnownLists) {
    Diagnostics diagnostics;
    const auto rules = compile_rules(
        {
            {"a.toml",
             "[dnsbl.w]\nzone = \"List.DNSWL.org.\"\nlisted = { low = \"127.0.2-9.1\" }\nrefused = "
             "[\"127.0.0.254\"]\n"
             "private = true\nprobe = false\non_error = \"defer\"\n"
             "[dnsbl.off]\nzone = \"off.example\"\nlisted = { x = [\"127.0.0.2\", \"127.0.0.8\"] }\nenabled "
             "= false\n"
             "[[rule]]\nid = \"off\"\nwhen = 'dnsbl.off has x'\npoints = 1\n"}
    },
        diagnostics
    );
    ASSERT_NE(rules, nullptr) << all_of(diagnostics);
    ASSERT_EQ(rules->dns_lists().size(), 1U);  // a list that is off has a fact, which is absent
    const DnsList& list = rules->dns_lists()[0];
    EXPECT_EQ(list.zone, "list.dnswl.org");
    EXPECT_EQ(list.listed.size(), 8U);
    ASSERT_EQ(list.refused.size(), 3U);
    EXPECT_EQ(list.refused[0].first, 0x7F0000FFU);
    EXPECT_EQ(list.refused[1].last, 0x7F000AFFU);
    EXPECT_EQ(list.refused[2].first, 0x7F0000FEU);
    EXPECT_TRUE(list.asks_private);
    EXPECT_FALSE(list.probes);
    EXPECT_EQ(list.on_error, DnsListOnError::defer);
}

TEST(RuleLoader, HashesContentsAndLists) {
    const std::string list = "[[list]]\nname = \"p\"\nkind = \"ip\"\nfile = \"p.txt\"\n";
    const auto hash_of = [](const std::vector<std::pair<std::string, std::string>>& files) {
        Diagnostics diagnostics;
        const auto rules = compile_rules(files, diagnostics);
        return rules == nullptr ? std::string() : rules->hash();
    };
    const std::string hash = hash_of({
        {"a.toml", list         },
        {"p.txt",  "192.0.2.1\n"}
    });
    EXPECT_EQ(
        hash,
        hash_of({
            {"a.toml", list         },
            {"p.txt",  "192.0.2.1\n"}
    })
    );
    EXPECT_NE(
        hash,
        hash_of({
            {"a.toml", list         },
            {"p.txt",  "192.0.2.2\n"}
    })
    );
    EXPECT_NE(
        hash,
        hash_of({
            {"b.toml", list         },
            {"p.txt",  "192.0.2.1\n"}
    })
    );
    EXPECT_NE(
        hash,
        hash_of({
            {"a.toml", list + "\n"  },
            {"p.txt",  "192.0.2.1\n"}
    })
    );
}

TEST(RuleLoader, ReadsFoldersInOrder) {
    const std::filesystem::path root = std::filesystem::path(testing::TempDir()) / "wicket-rule-folders";
    std::filesystem::remove_all(root);
    std::filesystem::create_directories(root / "one" / "lists");
    std::filesystem::create_directories(root / "two");
    const auto write = [](const std::filesystem::path& path, std::string_view text) {
        std::ofstream(path) << text;
    };
    write(root / "one" / "b.toml", "[[rule]]\nid = \"b\"\nwhen = 'client.ip in list(p)'\npoints = 1\n");
    write(root / "one" / "a.toml", "[[list]]\nname = \"p\"\nkind = \"ip\"\nfile = \"lists/p.txt\"\n");
    write(root / "one" / "lists" / "p.txt", "192.0.2.1\n");
    write(root / "one" / ".a.toml", "broken");
    write(root / "one" / "a.toml~", "broken");
    write(root / "two" / "a.toml", "[[rule]]\nid = \"c\"\nwhen = 'true'\npoints = 1\n");
    const std::string one = root / "one";
    const std::string two = root / "two";
    Diagnostics diagnostics;
    const auto rules = load_rules({one, two}, diagnostics);
    ASSERT_NE(rules, nullptr) << all_of(diagnostics);
    EXPECT_EQ(rules->origin_of("b"), one + "/b.toml:2");
    EXPECT_EQ(rules->origin_of("c"), two + "/a.toml:2");
    EXPECT_TRUE(diagnostics.empty());
    std::vector<std::string> source_names;
    for (const RuleSource& source : rules->sources())
        source_names.push_back(source.name);
    EXPECT_EQ(source_names, (std::vector<std::string>{"a.toml", "b.toml", "2/a.toml", "lists/p.txt"}));
    EXPECT_EQ(rules->sources().back().content, "192.0.2.1\n");
    const auto again = recompile_rules(rules->sources(), diagnostics);
    ASSERT_NE(again, nullptr) << all_of(diagnostics);
    EXPECT_EQ(again->hash(), rules->hash());
    EXPECT_EQ(again->sources(), rules->sources());
    EXPECT_EQ(again->origin_of("c"), "2/a.toml:2");

    for (const std::string_view name : {"more.tom", "more.tml", "more.TOML", "more.toml.txt"}) {
        SCOPED_TRACE(name);
        write(root / "two" / name, "");
        Diagnostics misnamed;
        EXPECT_EQ(load_rules({one, two}, misnamed), nullptr);
        ASSERT_EQ(misnamed.sorted().size(), 1U);
        EXPECT_EQ(misnamed.sorted()[0].place.file, two + "/" + std::string(name));
        EXPECT_EQ(misnamed.sorted()[0].suggestion, "more.toml");
        std::filesystem::remove(root / "two" / name);
    }

    EXPECT_EQ(load_rules({one, root / "three"}, diagnostics), nullptr);
    ASSERT_EQ(diagnostics.error_count(), 1U);
    EXPECT_EQ(diagnostics.sorted()[0].place.file, root / "three");

    std::filesystem::rename(root / "one" / "lists" / "p.txt", root / "one" / "lists" / "pp.txt");
    Diagnostics missing;
    EXPECT_EQ(load_rules({one}, missing), nullptr);
    ASSERT_EQ(missing.sorted().size(), 1U) << all_of(missing);
    EXPECT_EQ(missing.sorted()[0].place, (SourcePlace{one + "/a.toml", 4, 8}));
    std::filesystem::remove_all(root);
}

TEST(RuleLoader, RunsTestsAndTellsTheDifference) {
    Diagnostics diagnostics;
    const auto rules = compile_rules(
        {
            {"a.toml",
             "[[rule]]\nid = \"a\"\nwhen = 'spf.result == fail'\npoints = 2.5\n"
             "[[test]]\nname = \"right\"\ngiven = { \"spf.result\" = \"fail\" }\nexpect = { verdict = "
             "\"accept\", points = 2.5 }\n"
             "[[test]]\nname = \"wrong\"\ngiven = { \"spf.result\" = \"fail\" }\nexpect = { verdict = "
             "\"junk\", rule = \"a\", points = 3 }\n"}
    },
        diagnostics
    );
    ASSERT_NE(rules, nullptr) << all_of(diagnostics);
    const auto results = run_rule_tests(*rules);
    ASSERT_EQ(results.size(), 2U);
    EXPECT_TRUE(results[0].passed);
    EXPECT_FALSE(results[1].passed);
    EXPECT_EQ(
        results[1].difference,
        "verdict is accept, not junk, rule is default, not a, points is 2.5, not 3; hits: a 2.5"
    );
    EXPECT_EQ(results[1].place.line, 9U);
}

TEST(ShippedRules, LoadWithoutAWordAndPassTheirOwnTests) {
    Diagnostics diagnostics;
    const auto rules =
        load_rules({std::string(WICKET_SOURCE_DIR) + "/rules"}, diagnostics, RuleReading::for_check);
    ASSERT_NE(rules, nullptr) << all_of(diagnostics);
    EXPECT_TRUE(diagnostics.empty()) << all_of(diagnostics);
    const auto results = run_rule_tests(*rules);
    EXPECT_GE(results.size(), 20U);
    for (const RuleTestResult& result : results)
        EXPECT_TRUE(result.passed) << result.place.to_string() << ": " << result.name << ": "
                                   << result.difference;
}

TEST(ShippedRules, RefuseNobodyForWhatDnsCouldNotTell) {
    Diagnostics diagnostics;
    const auto rules = load_rules({std::string(WICKET_SOURCE_DIR) + "/rules"}, diagnostics);
    ASSERT_NE(rules, nullptr);
    Facts facts;
    for (std::size_t at = 0; at < rules->dictionary().rows().size(); ++at) {
        const FactDeclaration& row = rules->dictionary().rows()[at];
        const bool is_of_dns = row.filter == "dnsbl" || row.filter == "iprev" || row.filter == "spf" ||
                               row.filter == "dkim" || row.filter == "helo";
        if (is_of_dns) facts.set(static_cast<FactId>(at), Unknown{"time-out"});
    }
    facts.set(id_of(CoreFact::client_ip), *IpAddress::parse("203.0.113.9"));
    facts.set(id_of(CoreFact::from_count), std::int64_t{1});
    for (const Stage stage :
         {Stage::connect, Stage::helo, Stage::mail, Stage::rcpt, Stage::data, Stage::end}) {
        const Verdict verdict = decide(*rules, facts, stage);
        EXPECT_EQ(verdict.action, stage == Stage::end ? Action::accept : Action::none) << to_string(stage);
        if (stage == Stage::end) EXPECT_FALSE(verdict.unknown_rules.empty());
    }
}

TEST(RuleLoader, HidesTheKeyInTheZoneOfAList) {
    const std::pair<std::string, std::string> table[] = {
        {"zone = \"zen.spamhaus.org\"",                       "zen.spamhaus.org"                    },
        {"zone = \"abc123.zen.dq.spamhaus.net\"",             "(key).zen.dq.spamhaus.net"           },
        {"zone = \"dbl.dq.spamhaus.net\"",                    "dbl.dq.spamhaus.net"                 },
        {"zone = \"abc123.black.mail.abusix.zone.\"",         "(key).black.mail.abusix.zone"        },
        {"zone = \"abcdefghijklmnopqrstuvwxyz.zen.dq.test\"", "(key).zen.dq.test"                   },
        {"zone = \"a-rather-long-name-of-a-list.example\"",   "a-rather-long-name-of-a-list.example"},
        {"zone = \"lists.s3cret.example\"\nkey = \"S3cret\"", "lists.(key).example"                 },
    };
    for (const auto& [lines, shown] : table) {
        SCOPED_TRACE(lines);
        Diagnostics diagnostics;
        const auto rules = compile_rules(
            {
                {"a.toml", "[dnsbl.one]\n" + lines + "\nlisted = { bad = \"127.0.0.2\" }\n"}
        },
            diagnostics
        );
        ASSERT_NE(rules, nullptr) << all_of(diagnostics);
        EXPECT_EQ(rules->dns_lists().front().shown_zone, shown);
        const FactDictionary& dictionary = rules->dictionary();
        EXPECT_TRUE(dictionary.row(*dictionary.find("dnsbl.one")).meaning.contains(" " + shown + " "));
    }
}

}  // namespace
}  // namespace wicket
