#include "policy/expression.hpp"

#include "policy/time_text.hpp"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <string>
#include <vector>

namespace wicket {
namespace {

/// A dictionary with facts of every type; core facts serve where they can.
const FactDictionary& dictionary() {
    static const FactDictionary made = [] {
        FactDictionary facts;
        facts.declare({
            "dnsbl.zen", FactType::texts, Stage::connect, "dnsbl", "", {"sbl", "xbl", "drop"}
        });
        facts.declare({"test.real", FactType::real, Stage::connect, "test", ""});
        facts.declare({"test.flag", FactType::boolean, Stage::connect, "test", ""});
        return facts;
    }();
    return made;
}

const NamedLists& lists() {
    static const NamedLists made = [] {
        Diagnostics diagnostics;
        NamedLists all;
        all["partners"] = NamedList::parse(ListKind::ip, "192.0.2.0/24\n2001:db8::/32\n", "p", diagnostics);
        all["bad-domains"] =
            NamedList::parse(ListKind::domain, "spam.example # a comment\n", "d", diagnostics);
        return all;
    }();
    return made;
}

Facts sample_facts() {
    Facts facts;
    const auto set = [&facts](std::string_view name, FactValue value) {
        facts.set(dictionary().find(name).value(), std::move(value));
    };
    set("time.now", *parse_time("2026-06-01T12:00:00Z"));
    set("client.ip", *IpAddress::parse("192.0.2.7"));
    set("client.port", std::int64_t{2525});
    set("client.name", std::string("Mail.Example.org"));
    set("iprev.result", std::string("temperror"));
    set("spf.result", std::string("fail"));
    set("spf.helo.result", std::string("fail"));
    set("mail.from", std::string(""));
    set("mail.domain", std::string("example.org"));
    set("mail.is_null", true);
    set("mail.smtputf8", false);
    set("mail.size", Unknown{"time-out"});
    set("message.size", std::int64_t{10'485'760});
    set("from.domain", std::string("a.spam.example"));
    set("dkim.pass",
        TextList{
            {"example.org", "list.example"},
            ""
    });
    set("dnsbl.zen", TextList{{"xbl"}, "time-out"});
    set("header.missing", TextList{});
    set("test.real", 1.5);
    set("helo.resolves", Unknown{"time-out"});
    return facts;
}

struct TruthCase {
    std::string_view condition;
    Truth want;
};

void check(const std::vector<TruthCase>& cases) {
    const Facts facts = sample_facts();
    for (const auto& [condition, want] : cases) {
        SCOPED_TRACE(condition);
        const auto compiled = compile_expression(condition, dictionary(), lists());
        ASSERT_TRUE(compiled) << compiled.error().front().offset << ": " << compiled.error().front().message;
        EXPECT_EQ(compiled->evaluate(facts), want);
    }
}

constexpr Truth no = Truth::no;
constexpr Truth unknown = Truth::unknown;
constexpr Truth yes = Truth::yes;

TEST(Expression, ComparesValuesOfEveryType) {
    check({
        {"spf.result == fail",                    yes},
        {"spf.result == \"fail\"",                yes},
        {"spf.result != fail",                    no },
        {"spf.result == pass",                    no },
        {"spf.result == spf.helo.result",         yes},
        {"client.name == \"mail.example.ORG\"",   yes},
        {"client.name != \"mail.example.net\"",   yes},
        {"mail.from == \"\"",                     yes},
        {"mail.domain == from.domain",            no },
        {"client.port == 2525",                   yes},
        {"client.port >= 2525",                   yes},
        {"client.port > 2525",                    no },
        {"client.port < 2525.5",                  yes},
        {"client.port != -1",                     yes},
        {"client.port <= 2524",                   no },
        {"message.size == 10M",                   yes},
        {"message.size > 1G",                     no },
        {"client.port > 42m",                     yes}, // 2520 seconds
        {"test.real == 1.5",                      yes},
        {"test.real < 2",                         yes},
        {"test.real < client.port",               yes},
        {"client.ip == \"192.0.2.7\"",            yes},
        {"client.ip != \"192.0.2.8\"",            yes},
        {"time.now > 2026-01-01",                 yes},
        {"time.now < 2026-06-01T12:00:01Z",       yes},
        {"time.now >= 2026-06-01T14:00:00+02:00", yes},
        {"mail.is_null",                          yes},
        {"mail.is_null == true",                  yes},
        {"mail.is_null != true",                  no },
        {"mail.smtputf8",                         no },
        {"mail.smtputf8 == false",                yes},
        {"true",                                  yes},
        {"false",                                 no },
    });
}

TEST(Expression, LooksIntoListsAndNetworks) {
    check({
        {"client.ip in \"192.0.2.0/24\"",                     yes},
        {"client.ip in [\"198.51.100.0/24\", \"192.0.2.7\"]", yes},
        {"client.ip in \"2001:db8::/32\"",                    no },
        {"client.ip not in \"192.0.2.0/24\"",                 no },
        {"client.ip in 192.0.2.0/24",                         yes},
        {"client.ip in [198.51.100.0/24, 2001:db8::/32]",     no },
        {"client.ip in [fe80::/10, 192.0.2.7]",               yes},
        {"client.ip == 192.0.2.7",                            yes},
        {"client.ip != ::1",                                  yes},
        {"client.ip in list(partners)",                       yes},
        {"client.ip not in list(\"partners\")",               no },
        {"from.domain in list(bad-domains)",                  yes},
        {"mail.domain in list(bad-domains)",                  no },
        {"mail.domain in [\"example.net\", \"EXAMPLE.org\"]", yes},
        {"spf.result in [fail, softfail]",                    yes},
        {"spf.result in [pass]",                              no },
        {"client.port in [25, 2525]",                         yes},
        {"dkim.pass has \"example.org\"",                     yes},
        {"dkim.pass has \"EXAMPLE.ORG\"",                     yes},
        {"dkim.pass has mail.domain",                         yes},
        {"dkim.pass has from.domain",                         no },
        {"dkim.pass has [\"x.example\", \"list.example\"]",   yes},
        {"dkim.pass has \"x.example\"",                       no },
        {"header.missing has date",                           no },
        {"client.name matches \"(?i)^mail[.]\"",              yes},
        {"client.name matches \"^mail\"",                     no },
        {"client.name matches \"\\.org$\"",                   yes},
        {"spf.result matches \"^(soft)?fail$\"",              yes},
    });
}

TEST(Expression, ComparesDomainsInUnicodeByTheirALabels) {
    Facts facts = sample_facts();
    facts.set(id_of(CoreFact::mail_domain), std::string("xn--bcher-kva.test"));
    facts.set(id_of(CoreFact::mail_from), std::string("a@xn--bcher-kva.test"));
    for (const std::string_view condition :
         {"mail.domain == \"b\u00fccher.test\"",
          "mail.domain in [\"x.test\", \"B\u00dcCHER.test\"]",
          "mail.from == \"a@b\u00fccher.test\"",
          "mail.domain == \"xn--bcher-kva.test\""}) {
        SCOPED_TRACE(condition);
        const auto compiled = compile_expression(condition, dictionary(), lists());
        ASSERT_TRUE(compiled);
        EXPECT_EQ(compiled->evaluate(facts), yes);
    }
}

TEST(Expression, KeepsAbsentAndUnknownApart) {
    check({
        {"from.count == 1",           no     },
        {"from.count != 1",           no     }, // a comparison with what is absent is false
        {"not from.count == 1",       yes    },
        {"from.count is absent",      yes    },
        {"from.count is not absent",  no     },
        {"from.count is unknown",     no     },
        {"helo.name in [\"x\"]",      no     },
        {"helo.name matches \".\"",   no     },
        {"dkim.weak has \"x\"",       no     },
        {"test.flag",                 no     },
        {"not test.flag",             yes    },
        {"mail.domain == helo.name",  no     },
        {"helo.name == mail.domain",  no     },
        {"dkim.pass has helo.name",   no     },
        {"mail.size > 1",             unknown},
        {"mail.size is unknown",      yes    },
        {"mail.size is not unknown",  no     },
        {"mail.size is absent",       no     },
        {"helo.resolves",             unknown},
        {"not helo.resolves",         unknown},
        {"message.size > mail.size",  unknown},
        {"dnsbl.zen has xbl",         yes    },
        {"dnsbl.zen has drop",        unknown}, // the list is not complete
        {"dnsbl.zen is unknown",      yes    },
        {"header.missing is unknown", no     },
        {"header.missing is absent",  no     },
    });
}

TEST(Expression, TakesTemperrorAsUnknownUnlessItIsAskedFor) {
    check({
        {"iprev.result == fail",              unknown},
        {"iprev.result != fail",              unknown},
        {"iprev.result == temperror",         yes    },
        {"iprev.result != temperror",         no     },
        {"iprev.result in [fail, pass]",      unknown},
        {"iprev.result in [fail, temperror]", yes    },
        {"iprev.result matches \"temp\"",     unknown},
        {"iprev.result is unknown",           yes    },
        {"iprev.result == spf.result",        unknown},
        {"spf.result == iprev.result",        unknown},
        {"client.name == iprev.result",       unknown},
        {"spf.result == temperror",           no     },
    });
}

TEST(Expression, JoinsByKleenesTables) {
    // mail.is_null is yes, mail.smtputf8 is no, helo.resolves is unknown.
    const std::array<std::pair<std::string, Truth>, 3> values = {
        {{"mail.smtputf8", no}, {"helo.resolves", unknown}, {"mail.is_null", yes}}
    };
    const Facts facts = sample_facts();
    for (const auto& [left, left_truth] : values) {
        for (const auto& [right, right_truth] : values) {
            SCOPED_TRACE(left + " and/or " + right);
            const auto both = compile_expression(left + " and " + right, dictionary(), lists());
            const auto either = compile_expression(left + " or " + right, dictionary(), lists());
            ASSERT_TRUE(both && either);
            EXPECT_EQ(both->evaluate(facts), std::min(left_truth, right_truth));
            EXPECT_EQ(either->evaluate(facts), std::max(left_truth, right_truth));
        }
    }
    check({
        {"not mail.is_null",                                  no     },
        {"not not mail.is_null",                              yes    },
        {"mail.smtputf8 and helo.resolves or mail.is_null",   yes    },
        {"mail.smtputf8 and (helo.resolves or mail.is_null)", no     },
        {"not mail.smtputf8 and mail.is_null",                yes    },
        {"not (mail.smtputf8 and mail.is_null)",              yes    },
        {"helo.resolves or helo.resolves and mail.is_null",   unknown},
    });
}

TEST(Expression, KnowsWhichFactsItReadsAndFromWhenOn) {
    const auto compiled = compile_expression(
        "spf.result == fail and client.ip in \"192.0.2.0/24\" and spf.result != none", dictionary(), lists()
    );
    ASSERT_TRUE(compiled);
    EXPECT_EQ(
        compiled->facts(), (std::vector<FactId>{id_of(CoreFact::spf_result), id_of(CoreFact::client_ip)})
    );
    EXPECT_EQ(compiled->stage(), Stage::mail);
    EXPECT_EQ(compile_expression("dkim.pass has from.domain", dictionary(), lists())->stage(), Stage::end);
    EXPECT_EQ(Expression().evaluate(Facts()), Truth::yes);
}

TEST(Expression, TellsEveryMistakeWithItsPlace) {
    struct Case {
        std::string_view condition;
        std::size_t offset;
        std::string_view message;  // how it begins
        std::string_view suggestion;
    };
    const std::vector<Case> cases = {
        {"",                                              0,  "the condition is empty",                             ""           },
        {"   ",                                           3,  "the condition is empty",                             ""           },
        {"spf.reslt == fail",                             0,  "unknown fact \"spf.reslt\"",                         "spf.result" },
        {"mail.is_null and spf.reslt == fail",            17, "unknown fact \"spf.reslt\"",                         "spf.result" },
        {"spf.result == fial",                            14, "spf.result is never \"fial\"",                       "fail"       },
        {"spf.result in [pass, sofftail]",                21, "spf.result is never \"sofftail\"",                   "softfail"   },
        {"dnsbl.zen has dorp",                            14, "dnsbl.zen never has \"dorp\"",                       "drop"       },
        {"spf.result = fail",                             11, "values are compared with two signs",                 "=="         },
        {"mail.is_null && test.flag",                     13, "conditions are joined with a word",                  "and"        },
        {"mail.is_null || test.flag",                     13, "conditions are joined with a word",                  "or"         },
        {"!mail.is_null",                                 0,  "a condition is turned round",                        "not"        },
        {"spf.result == 'fail'",                          14, "texts stand in double quotes",                       ""           },
        {"client.name == \"x",                            15, "this text has no closing quote",                     ""           },
        {"spf.result",                                    0,  "spf.result is a word",                               ""           },
        {"client.port and mail.is_null",                  0,  "client.port is an integer",                          ""           },
        {"spf.result fail",                               11, "expected a comparison",                              ""           },
        {"dkim.pass hsa \"x\"",                           10, "expected a comparison",                              "has"        },
        {"client.port 25",                                12, "expected a comparison before",                       "=="         },
        {"spf.result == ",                                14, "expected a value",                                   ""           },
        {"spf.result < fail",                             11, "spf.result is a word, which has no order",           ""           },
        {"dkim.pass == \"x\"",                            10, "dkim.pass is a list of text",                        "has"        },
        {"dkim.results == \"x\"",                         13, "dkim.results is a list of results",                  ""           },
        {"client.name has \"x\"",                         16, "client.name is a text, not a list",                  "=="         },
        {"client.port == \"25\"",                         15, "expected a number",                                  ""           },
        {"client.port > 10X",                             14, "expected a number",                                  ""           },
        {"client.port in [25, x]",                        20, "expected a number",                                  ""           },
        {"client.ip == 192.0.2",                          13, "client.ip is an address",                            ""           },
        {"client.ip in 192.0.2.1/24",                     13, "expected an address or network",                     ""           },
        {"spf.result == hardfail",                        14, "spf.result is never \"hardfail\"; there",            ""           },
        {"client.ip in list(zzz)",                        18, "unknown list \"zzz\"; there is only",                ""           },
        {"client.ip == \"192.0.2.0/24\"",                 13, "client.ip is an address: a network",                 "in"         },
        {"client.ip in \"192.0.2.1/24\"",                 13, "expected an address or network",                     ""           },
        {"client.ip in [\"192.0.2.1\", \"x\"]",           27, "expected an address or network",                     ""           },
        {"client.ip matches \"^192\"",                    18, "client.ip is an address: only a text",               "in"         },
        {"client.ip in list(partnres)",                   18, "unknown list \"partnres\"",                          "partners"   },
        {"client.name in list(partners)",                 20, "client.name is a text, but the list",                ""           },
        {"client.name in list partners",                  15, "client.name is a text: expected a text",             "\"list\""   },
        {"client.name == exampel",                        15, "client.name is a text: expected a text",             "\"exampel\""},
        {"mail.domain == from.domian",                    15, "unknown fact \"from.domian\"",                       "from.domain"},
        {"mail.domain == client.port",                    15, "mail.domain is a text, but client.port",             ""           },
        {"dkim.pass has client.port",                     14, "client.port is an integer",                          ""           },
        {"dkim.pass has 5",                               14, "dkim.pass is a list of text: expected a",            "\"5\""      },
        {"dkim.pass has from.doman",                      14, "unknown fact \"from.doman\"",                        "from.domain"},
        {"dkim.pass has [from.doman]",                    15, "unknown fact \"from.doman\"",                        "from.domain"},
        {"dkim.pass has [\"a\", from.domain]",            20, "a fact cannot stand in [brackets]",                  ""           },
        {"dkim.pass has example",                         14, "dkim.pass is a list of text: expected a",            "\"example\""},
        {"mail.domain in [\"a\", from.doman]",            21, "unknown fact \"from.doman\"",                        "from.domain"},
        {"dnsbl.zen has 5",                               14, "dnsbl.zen is a list of text: expected a",            ""           },
        {"client.name matches \"a(b\"",                   21, "bad regular expression",                             ""           },
        {"client.name matches abc",                       20, "expected a regular expression",                      ""           },
        {"client.name in []",                             16, "an empty list",                                      ""           },
        {"client.name in [\"a\" \"b\"]",                  20, "expected \",\" or \"]\"",                            ""           },
        {"spf.result is absnt",                           14, "expected \"absent\" or \"unknown\"",                 "absent"     },
        {"(mail.is_null",                                 13, "expected \")\"",                                     ""           },
        {"mail.is_null)",                                 12, "expected \"and\", \"or\" or the end",                ""           },
        {"mail.is_null adn test.flag",                    13, "expected \"and\", \"or\" or the end",                "and"        },
        {"mail.is_null and",                              16, "expected a fact",                                    ""           },
        {"and mail.is_null",                              0,  "expected a fact",                                    ""           },
        {"mail.is_null == yes",                           16, "mail.is_null is a boolean",                          ""           },
        {"time.now > tomorrow",                           11, "time.now is a time: expected a date",                ""           },
        {"time.now > 2026-13-01",                         11, "time.now is a time: expected a date",                ""           },
        {"mail.is_null # x",                              13, "unexpected \"#\"",                                   ""           },
        {"mail.is_null \x01",                             13, "a character that has no place here",                 ""           },
        {"dkim.pass in [\"x\"]",                          14, "dkim.pass is a list of text, which",                 "has"        },
        {"5 > 3",                                         0,  "neither side of this comparison is a fact",          ""           },
        {"rcpt.count + mail.from > 3",                    13, "mail.from is a text, which cannot",                  ""           },
        {"rcpt.count + \"3\" > 3",                        13, "expected a number or a fact",                        ""           },
        {"rcpt.count + > 3",                              13, "expected a fact",                                    ""           },
        {"time.now + time.now > 3",                       9,  "time.now is a time and time.now is a time",          ""           },
        {"time.now - 5 > 3",                              15, "the result is a time: expected a date",              ""           },
        {"time.now * 2 > 2026-01-01",                     9,  "time.now is a time and 2",                           ""           },
        {"-mail.from == \"x\"",                           0,  "mail.from is a text, which has no opposite",         ""           },
        {"rcpt.count == mail.from + 1",                   14, "mail.from is a text, which cannot",                  ""           },
        {"rcpt.count == lower(mail.from)",                14, "rcpt.count is an integer, but lower()",              ""           },
        {"lower(client.port) == \"x\"",                   6,  "client.port is an integer: lower() takes a text",    ""           },
        {"lwer(mail.from) == \"x\"",                      0,  "unknown function \"lwer\"",                          "lower"      },
        {"lower(mail.from == \"x\"",                      16, "expected \")\"",                                     ""           },
        {"lower(mail.from) < \"x\"",                      17, "lower() is a text, which has no order",              ""           },
        {"lower(mail.from) == x",                         20, "lower() is a text: expected a text",                 "\"x\""      },
        {"lower(mail.from)",                              0,  "lower() is a text, so it cannot stand alone",        ""           },
        {"domain_of(mail.from) in list(partners)",        29, "domain_of() is a text, but the list",                ""           },
        {"count(mail.from) > 1",                          6,  "mail.from is a text, not a list",                    ""           },
        {"count(dkim.pas) > 1",                           6,  "unknown fact \"dkim.pas\"",                          "dkim.pass"  },
        {"count() > 1",                                   6,  "expected a fact that is a list",                     ""           },
        {"count(dkim.pass)",                              6,  "count() is an integer, so it cannot stand alone",    ""           },
        {"any(dkim.pass)",                                13, "expected \",\" and a condition",                     ""           },
        {"any(dkim.pass, itme == \"x\")",                 15, "unknown fact \"itme\"",                              ""           },
        {"any(dkim.results, reason == pass)",             28, "reason is a text: expected a text",                  "\"pass\""   },
        {"any(dkim.results, result == pas)",              28, "result is never \"pas\"",                            "pass"       },
        {"any(dkim.results, resutl == \"pass\")",         18, "unknown fact \"resutl\"",                            ""           },
        {"any(dnsbl.zen, item == xbll)",                  23, "item is never \"xbll\"",                             "xbl"        },
        {"any(dkim.pass, any(dkim.weak, item == \"x\"))", 15, "any(), all() and count() cannot",                    ""           },
        {"item == \"x\"",                                 0,  "unknown fact \"item\"",                              ""           },
        {"any(dkim.pass, item == \"x\"",                  26, "expected \")\"",                                     ""           },
        {"dkim.pass has list(partners)",                  19, "dkim.pass is a list of text, but the list partners", ""           },
        {"mail.from has list(bad-domains)",               19, "mail.from is a text, not a list of text",            "in"         },
        {"dkim.pass in list(bad-domains)",                18, "dkim.pass is a list of text, but the list",          "has"        },
        {"dkim.results has \"x\"",                        17, "dkim.results is a list of results",                  "any"        },
    };
    for (const auto& [condition, offset, message, suggestion] : cases) {
        SCOPED_TRACE(condition);
        const auto compiled = compile_expression(condition, dictionary(), lists());
        ASSERT_FALSE(compiled);
        const ExpressionMistake& first = compiled.error().front();
        EXPECT_EQ(first.offset, offset) << first.message;
        EXPECT_TRUE(first.message.starts_with(message)) << first.message;
        if (suggestion != "") EXPECT_EQ(first.suggestion, suggestion);
    }
}

TEST(Expression, TellsTheMistakeOfEachPart) {
    const std::vector<std::pair<std::string, std::vector<std::size_t>>> cases = {
        {"spf.reslt == fail and mail.is_nul or spf.result == fial",       {0, 22, 51}},
        {"spf.result fail and client.prt == 1",                           {11, 20}   },
        {"client.ip in list(partnres) and client.prt == 1",               {18, 32}   },
        {"(spf.reslt == fail or mail.is_nul) and client.prt == 1",        {1, 22, 39}},
        {"not (spf.reslt == fail) and not client.prt == 1",               {5, 32}    },
        {"any(dkim.pass, itm == \"x\" or item in \"y\") and mail.is_nul", {15, 46}   },
        {"any(dkim.pas, item == \"x\") and item == \"y\"",                {4, 31}    },
        {"count(dkim.pas) > 1 and count(dkim.pass) > x",                  {6, 41}    },
        {"spf.result == fail and and mail.is_nul",                        {23, 27}   },
        {"mail.is_null) and client.prt == 1",                             {12}       },
    };
    for (const auto& [condition, offsets] : cases) {
        const auto compiled = compile_expression(condition, dictionary(), lists());
        ASSERT_FALSE(compiled) << condition;
        std::vector<std::size_t> got;
        for (const ExpressionMistake& mistake : compiled.error())
            got.push_back(mistake.offset);
        EXPECT_EQ(got, offsets) << condition;
    }
}

TEST(Expression, TellsNoMoreMistakesThanAnybodyReads) {
    std::string condition = "a.b == 1";
    for (std::size_t at = 0; at < 2 * expression_mistakes_limit; ++at)
        condition += " or a.b == 1";
    EXPECT_EQ(compile_expression(condition, dictionary(), lists()).error().size(), expression_mistakes_limit);
}

std::string repeated(std::string_view text, std::size_t count) {
    std::string made;
    for (std::size_t at = 0; at < count; ++at)
        made += text;
    return made;
}

TEST(Expression, BoundsDepthAndLength) {
    const auto nested = [](std::size_t depth) {
        return repeated("(", depth) + "true" + repeated(")", depth);
    };
    EXPECT_TRUE(compile_expression(nested(expression_limit_depth), dictionary(), lists()));
    EXPECT_FALSE(compile_expression(nested(expression_limit_depth + 1), dictionary(), lists()));
    EXPECT_TRUE(compile_expression(repeated("not ", expression_limit_depth) + "true", dictionary(), lists()));
    EXPECT_FALSE(
        compile_expression(repeated("not ", expression_limit_depth + 1) + "true", dictionary(), lists())
    );
    // A long chain does not nest.
    const std::string chain = "true" + repeated(" and true", 400);
    const auto compiled = compile_expression(chain, dictionary(), lists());
    ASSERT_TRUE(compiled);
    EXPECT_EQ(compiled->evaluate(Facts()), Truth::yes);
    const std::string longest = "true" + std::string(expression_limit_octets - 4, ' ');
    EXPECT_TRUE(compile_expression(longest, dictionary(), lists()));
    EXPECT_FALSE(compile_expression(longest + ' ', dictionary(), lists()));
}

TEST(Expression, MatchesOnlyTheHeadOfALongValue) {
    const auto compiled = compile_expression("helo.name matches \"z\"", dictionary(), lists());
    ASSERT_TRUE(compiled);
    Facts facts;
    facts.set(id_of(CoreFact::helo_name), std::string(match_limit_octets - 1, 'a') + "z");
    EXPECT_EQ(compiled->evaluate(facts), yes);
    facts.set(id_of(CoreFact::helo_name), std::string(match_limit_octets, 'a') + "z");
    EXPECT_EQ(compiled->evaluate(facts), no);
}

TEST(Expression, TakesAValueOfTheWrongTypeAsUnknown) {
    const auto compiled = compile_expression("client.port == 1", dictionary(), lists());
    Facts facts;
    facts.set(id_of(CoreFact::client_port), std::string("1"));
    EXPECT_EQ(compiled->evaluate(facts), unknown);
}

const Facts& facts_with_rows() {
    static const Facts made = [] {
        Facts facts = sample_facts();
        facts.set(
            id_of(CoreFact::dkim_results),
            ResultList{
                {{{"domain", "example.org"}, {"selector", "s"}, {"result", "fail"}},
                 {{"domain", "a.spam.example"}, {"selector", "t"}, {"result", "pass"}},
                 {{"domain", "list.example"}, {"result", "pass"}}},
                ""
        }
        );
        facts.set(id_of(CoreFact::rcpt_address), std::string("A.B@Sub.Example.co.uk"));
        facts.set(id_of(CoreFact::rcpt_count), std::int64_t{3});
        facts.set(
            id_of(CoreFact::from_addresses),
            TextList{
                {"a@example.org", "b@spam.example"},
                "cut off"
        }
        );
        facts.set(id_of(CoreFact::rcpt_unknown_count), std::numeric_limits<std::int64_t>::max());
        return facts;
    }();
    return made;
}

void check_with_rows(const std::vector<TruthCase>& cases) {
    for (const auto& [condition, want] : cases) {
        SCOPED_TRACE(condition);
        const auto compiled = compile_expression(condition, dictionary(), lists());
        ASSERT_TRUE(compiled) << compiled.error().front().offset << ": " << compiled.error().front().message;
        EXPECT_EQ(compiled->evaluate(facts_with_rows()), want);
    }
}

TEST(Expression, Calculates) {
    check_with_rows({
        {"rcpt.count + 1 == 4",                            yes    },
        {"rcpt.count - 1 == 2",                            yes    },
        {"rcpt.count -1 == 2",                             yes    },
        {"rcpt.count * 2 + 1 == 7",                        yes    },
        {"1 + rcpt.count * 2 == 7",                        yes    },
        {"(1 + rcpt.count) * 2 == 8",                      yes    },
        {"((1 + rcpt.count)) * 2 == 8 and (mail.is_null)", yes    },
        {"rcpt.count / 2 == 1.5",                          yes    },
        {"rcpt.count - 10 < -5",                           yes    },
        {"-rcpt.count == -3",                              yes    },
        {"10 - 2 - rcpt.count == 5",                       yes    },
        {"5 > rcpt.count",                                 yes    },
        {"2 * rcpt.count in [6, 7]",                       yes    },
        {"message.size / 1M > 9.9",                        yes    },
        {"message.size > rcpt.count * 3M",                 yes    },
        {"test.real * 2 == 3",                             yes    },
        {"time.now - 2d > 2026-05-30",                     yes    },
        {"time.now - 2d > 2026-05-31",                     no     },
        {"time.now + 1h < 2026-06-01T13:00:01Z",           yes    },
        {"time.now - 2026-06-01 == 12h",                   yes    },
        // What cannot be reckoned is unknown; what is absent stays absent.
        {"rcpt.count / 0 > 1",                             unknown},
        {"rcpt.count / (rcpt.count - 3) > 1",              unknown},
        {"rcpt.unknown_count + 1 > 0",                     unknown},
        {"rcpt.unknown_count * 2 > 0",                     unknown},
        {"rcpt.unknown_count - 1 > 0",                     yes    },
        {"mail.size + 1 > 0",                              unknown},
        {"from.count + 1 > 0",                             no     },
        {"from.count / 0 > 0",                             no     },
        {"mail.size * from.count > 0",                     no     },
        {"(rcpt.count / 0) is unknown",                    yes    },
        {"(from.count + 1) is absent",                     yes    },
        {"rcpt.count / 0 > 1 or mail.is_null",             yes    },
    });
}

TEST(Expression, CallsFunctionsOfTexts) {
    check_with_rows({
        {"lower(client.name) matches \"^mail[.]example\"",                            yes    },
        {"client.name matches \"^mail[.]example\"",                                   no     },
        {"domain_of(rcpt.address) == \"sub.example.co.uk\"",                          yes    },
        {"domain-of(rcpt.address) == \"sub.example.co.uk\"",                          yes    },
        {"registrable_domain(domain_of(rcpt.address)) == \"example.co.uk\"",          yes    },
        {"registrable-domain(domain-of(rcpt.address)) in [\"a\", \"EXAMPLE.co.uk\"]", yes    },
        {"registrable_domain(from.domain) == registrable_domain(\"x.spam.example\")", yes    },
        {"registrable_domain(from.domain) == registrable_domain(mail.domain)",        no     },
        {"registrable_domain(\"co.uk\") == mail.domain",                              no     },
        {"registrable_domain(mail.domain) in list(bad-domains)",                      no     },
        {"registrable_domain(from.domain) in list(bad-domains)",                      yes    },
        {"domain_of(mail.from) is absent",                                            yes    },
        {"domain_of(mail.from) == \"\"",                                              no     },
        {"domain_of(rcpt.address) == \"b\u00fccher.example\"",                        no     },
        {"lower(iprev.result) == \"pass\"",                                           unknown},
        {"lower(spf.explanation) == \"x\"",                                           no     },
        {"mail.domain in dkim.pass",                                                  yes    },
        {"from.domain in dkim.pass",                                                  no     },
        {"registrable_domain(mail.domain) in dkim.pass",                              yes    },
        {"mail.domain not in dkim.pass",                                              no     },
        {"from.domain in from.addresses",                                             unknown},
        {"dkim.pass has list(bad-domains)",                                           no     },
        {"from.addresses has list(bad-domains)",                                      unknown},
    });
}

TEST(Expression, AsksOfTheElementsOfLists) {
    check_with_rows({
        {"any(dkim.results, domain == from.domain and result == \"pass\")",       yes    },
        {"any(dkim.results, domain == mail.domain and result == \"pass\")",       no     },
        {"all(dkim.results, result == \"pass\")",                                 no     },
        {"all(dkim.results, domain matches \"[.]\" and not result == permerror)", yes    },
        {"any(dkim.results, selector is absent)",                                 yes    },
        {"any(dkim.results, registrable_domain(domain) in list(bad-domains))",    yes    },
        {"any(dkim.pass, item == mail.domain)",                                   yes    },
        {"all(dkim.pass, item in [\"example.org\", \"list.example\"])",           yes    },
        {"any(dnsbl.zen, item == xbl)",                                           yes    },
        {"any(dnsbl.zen, item == sbl)",                                           unknown},
        {"all(dnsbl.zen, item == xbl)",                                           unknown},
        {"all(dnsbl.zen, item == sbl)",                                           no     },
        {"any(dkim.pass, mail.size > 3)",                                         unknown},
        {"any(dkim.pass, mail.size > 3 or item == mail.domain)",                  yes    },
        {"any(header.missing, item == date)",                                     no     },
        {"all(header.missing, item == date)",                                     yes    },
        {"any(dkim.weak, true)",                                                  no     },
        {"all(dkim.weak, true)",                                                  no     },
        {"not any(dkim.pass, item == \"x\") and any(dkim.pass, item != \"x\")",   yes    },
        {"count(dkim.pass) == 2",                                                 yes    },
        {"count(dkim.pass) + 1 > 2",                                              yes    },
        {"count(dkim.results) >= 3",                                              yes    },
        {"count(dkim.results, result == \"pass\") == 2",                          yes    },
        {"count(dkim.results, mail.size > 3) == 0",                               unknown},
        {"count(dkim.results, mail.size > 3) <= 3",                               yes    },
        {"count(dkim.results, mail.size > 3) > 3",                                no     },
        {"count(header.missing) == 0",                                            yes    },
        {"count(dkim.weak) == 0",                                                 no     },
        {"count(dkim.weak) is absent",                                            yes    },
        // Of a list of which a part is missing, at least as many are there as are there.
        {"count(dnsbl.zen) >= 1",                                                 yes    },
        {"count(dnsbl.zen) > 1",                                                  unknown},
        {"count(dnsbl.zen) < 1",                                                  no     },
        {"count(dnsbl.zen) == 1",                                                 unknown},
        {"count(dnsbl.zen) != 0",                                                 yes    },
        {"0 < count(dnsbl.zen)",                                                  yes    },
        {"count(dnsbl.zen) + 0 >= 1",                                             unknown},
        {"count(dnsbl.zen) is unknown",                                           yes    },
        {"count(dnsbl.zen) > count(header.missing)",                              yes    },
    });
}

/// Conditions made at random, of parts of every truth, obey Kleene's laws.
TEST(Expression, ObeysKleenesLaws) {
    const std::vector<std::string> parts = {
        "mail.is_null",
        "mail.smtputf8",
        "helo.resolves",
        "mail.size + 1 > 2",
        "any(dnsbl.zen, item == sbl)",
        "count(dkim.pass) > 1",
        "from.domain in list(bad-domains)",
        "rcpt.count / 0 == 1",
        "true",
        "false",
        "spf.explanation == \"x\"",
        "client.name matches \"x\"",
        "iprev.result != pass",
        "all(dkim.results, result == \"pass\")"
    };
    const auto truth_of = [](const std::string& text) {
        const auto compiled = compile_expression(text, dictionary(), lists());
        EXPECT_TRUE(compiled) << text << ": " << (compiled ? "" : compiled.error().front().message);
        return compiled ? compiled->evaluate(facts_with_rows()) : Truth::no;
    };
    std::uint32_t state = 1;
    const auto pick = [&state](std::size_t count) {
        state = state * 1664525U + 1013904223U;
        return (state >> 8U) % count;
    };
    const auto make = [&](auto&& self, int depth) -> std::string {
        if (depth == 0) return parts[pick(parts.size())];
        switch (pick(3)) {
            case 0: return "not (" + self(self, depth - 1) + ")";
            case 1: return "(" + self(self, depth - 1) + " and " + self(self, depth - 1) + ")";
            default: return "(" + self(self, depth - 1) + " or " + self(self, depth - 1) + ")";
        }
    };
    const auto opposite = [](Truth truth) { return truth == unknown ? unknown : (truth == yes ? no : yes); };
    for (int round = 0; round < 500; ++round) {
        const std::string a = make(make, 3), b = make(make, 2), c = make(make, 1);
        SCOPED_TRACE(a + " | " + b + " | " + c);
        const Truth of_a = truth_of(a), of_b = truth_of(b), of_c = truth_of(c);
        EXPECT_EQ(truth_of("not " + a), opposite(of_a));
        EXPECT_EQ(truth_of(a + " and " + b), std::min(of_a, of_b));
        EXPECT_EQ(truth_of(a + " or " + b), std::max(of_a, of_b));
        EXPECT_EQ(truth_of("not (" + a + " and " + b + ")"), truth_of("not " + a + " or not " + b));
        EXPECT_EQ(
            truth_of(a + " and (" + b + " or " + c + ")"),
            truth_of("(" + a + " and " + b + ") or (" + a + " and " + c + ")")
        );
        EXPECT_EQ(truth_of("not not " + a), of_a);
        EXPECT_EQ(truth_of(a + " or " + a + " and " + c), std::max(of_a, std::min(of_a, of_c)));
    }
}

}  // namespace
}  // namespace wicket
