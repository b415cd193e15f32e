#include "policy/condition_logic.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {
namespace {

const FactDictionary& dictionary() {
    static const FactDictionary with_list = [] {
        FactDictionary made;
        made.declare({
            .name = "dnsbl.zen",
            .type = FactType::texts,
            .stage = Stage::connect,
            .filter = "dnsbl",
            .meaning = "",
            .words = {"xbl", "sbl", "css"}
        });
        return made;
    }();
    return with_list;
}

Expression compiled_condition(std::string_view text) {
    auto compiled = compile_expression(text, dictionary(), {});
    EXPECT_TRUE(compiled.has_value()) << text << ": " << compiled.error().front().message;
    return compiled.value_or(Expression());
}

/// Whether `later` is true only where `earlier` is.
bool follows(std::string_view later, std::string_view earlier) {
    const Expression condition = compiled_condition(later);
    const Expression decider = compiled_condition(earlier);
    return std::ranges::all_of(parts_of(condition.program()), [&](const ConditionPart& part) {
        return KnownPart(part).implies(decider.program());
    });
}

struct Pair {
    std::string_view later, earlier;
};

const std::vector<Pair> following = {
    {"spf.result == fail",                                    "spf.result == fail"                             },
    {"spf.result == \"FAIL\"",                                "spf.result in [fail, softfail]"                 },
    {"spf.result in [fail, softfail]",                        "spf.result in [softfail, none, fail]"           },
    {"spf.result in [fail, pass] and spf.result != pass",     "spf.result == fail"                             },
    {"spf.result == fail",                                    "spf.result != pass"                             },
    {"spf.result == fail",                                    "spf.result not in [pass, none]"                 },
    {"spf.result not in [pass, none]",                        "spf.result not in [pass]"                       },
    {"spf.result == fail",                                    "spf.result is not absent"                       },
    {"spf.result == fail",                                    "not (spf.result is unknown)"                    },
    {"helo.name is absent",                                   "not (helo.name == \"a\")"                       },
    {"mail.domain == \"a.example\"",                          "not (mail.domain == \"b.example\")"             },
    {"message.size > 10M",                                    "message.size > 1M"                              },
    {"message.size > 1M",                                     "message.size >= 1M"                             },
    {"message.size == 5",                                     "message.size in [4, 5]"                         },
    {"message.size == 5",                                     "message.size < 6 and message.size > 4.5"        },
    {"message.size > 5",                                      "message.size != 5"                              },
    {"10 < message.size",                                     "message.size > 5"                               },
    {"time.now > 2027-02-01",                                 "time.now > 2027-01-31"                          },
    {"client.ip in 192.0.2.7",                                "client.ip in 192.0.2.0/24"                      },
    {"client.ip == \"192.0.2.7\"",                            "client.ip in [\"192.0.2.0/25\", \"10.0.0.0/8\"]"},
    {"client.ip in 2001:db8:1::/48",                          "client.ip in 2001:db8::/32"                     },
    {"client.ip in 192.0.2.0/24",                             "client.ip not in 198.51.100.0/24"               },
    {"client.ip not in 192.0.2.0/24",                         "client.ip not in 192.0.2.0/25"                  },
    {"dnsbl.zen has xbl",                                     "dnsbl.zen has [sbl, xbl]"                       },
    {"dnsbl.zen has xbl",                                     "dnsbl.zen is not absent"                        },
    {"not (dnsbl.zen has [sbl, xbl])",                        "not (dnsbl.zen has xbl)"                        },
    {"mail.is_null and spf.result == fail",                   "mail.is_null"                                   },
    {"mail.is_null",                                          "mail.is_null == true"                           },
    {"mail.is_null",                                          "mail.is_null or helo.is_ours"                   },
    {"mail.is_null and (helo.is_ours or spf.result == fail)",
     "mail.is_null and helo.is_ours or mail.is_null and spf.result in [fail, softfail]"                        },
    {"not (mail.is_null or helo.is_ours)",                    "not mail.is_null"                               },
    {"not (mail.is_null or helo.is_ours)",                    "not (mail.is_null and spf.result == fail)"      },
    {"helo.is_ours",                                          "true"                                           },
    {"count(dkim.pass) > 3",                                  "count(dkim.pass) > 1"                           },
    {"count(dkim.results, result == pass) == 2",              "count(dkim.results, result == pass) >= 1"       },
    {"lower(client.name) == \"a\"",                           "lower(client.name) in [\"a\", \"b\"]"           },
    {"any(dkim.pass, item == \"A\")",                         "any(dkim.pass, item == \"a\")"                  },
    {"client.name matches \"x\" and helo.is_ours",            "client.name matches \"x\""                      },
    {"client.name matches \"x\"",                             "client.name is not absent"                      },
    {"dkim.pass has from.domain and helo.is_ours",            "dkim.pass has from.domain"                      },
};

TEST(ConditionLogic, SeesWhatFollows) {
    for (const auto& [later, earlier] : following) {
        SCOPED_TRACE(std::string(later) + " => " + std::string(earlier));
        EXPECT_TRUE(follows(later, earlier));
        const Expression condition = compiled_condition(later);
        EXPECT_TRUE(condition.can_hold());
    }
}

const std::vector<Pair> not_following = {
    {"spf.result == fail",                      "spf.result == pass"                      },
    {"spf.result in [fail, softfail]",          "spf.result == fail"                      },
    {"spf.result != pass",                      "spf.result == fail"                      },
    // What is absent makes `not` true, and no comparison; temperror compares as unknown.
    {"not (spf.result == pass)",                "spf.result != pass"                      },
    {"spf.result == temperror",                 "spf.result != pass"                      },
    {"spf.result == temperror",                 "not (spf.result == pass)"                },
    {"spf.result is unknown",                   "not (spf.result == pass)"                },
    {"spf.result == temperror",                 "not (spf.result is unknown)"             },
    {"not mail.is_null",                        "mail.is_null == false"                   },
    {"message.size > 1M",                       "message.size > 10M"                      },
    {"message.size >= 1M",                      "message.size > 1M"                       },
    {"message.size < 5 or message.size > 7",    "message.size != 6.5 and message.size < 6"},
    {"message.size in [4, 9]",                  "message.size < 9"                        },
    {"client.ip in 192.0.2.0/24",               "client.ip in 192.0.2.0/25"               },
    {"client.ip in 192.0.2.0/24",               "client.ip not in 192.0.2.0/25"           },
    {"client.ip in 192.0.2.0/24",               "client.ip in 2001:db8::/32"              },
    {"client.ip not in 192.0.2.0/25",           "client.ip not in 192.0.2.0/24"           },
    {"dnsbl.zen has [sbl, xbl]",                "dnsbl.zen has xbl"                       },
    {"not (dnsbl.zen has xbl)",                 "not (dnsbl.zen has [sbl, xbl])"          },
    {"dnsbl.zen has xbl",                       "not (dnsbl.zen is unknown)"              },
    {"mail.is_null",                            "mail.is_null and dnsbl.zen has xbl"      },
    {"mail.is_null or helo.is_ours",            "mail.is_null"                            },
    {"not (mail.is_null and helo.is_ours)",     "not mail.is_null"                        },
    {"count(dkim.pass) > 1",                    "count(dkim.pass) > 3"                    },
    {"count(dkim.pass) > 3",                    "not (count(dkim.pass) is unknown)"       },
    {"count(dkim.results, result == pass) > 1", "count(dkim.results, result == fail) > 1" },
    {"count(dkim.results) > 1",                 "count(dkim.results, result == pass) > 1" },
    {"lower(client.name) == \"a\"",             "client.name == \"a\""                    },
    {"any(dkim.pass, item == \"a\")",           "all(dkim.pass, item == \"a\")"           },
    {"client.name matches \"x\"",               "client.name matches \"X\""               },
    {"client.name matches \"x\"",               "helo.name matches \"x\""                 },
    {"dkim.pass has from.domain",               "dkim.pass has mail.domain"               },
};

TEST(ConditionLogic, NeverSeesWhatDoesNotFollow) {
    for (const auto& [later, earlier] : not_following) {
        SCOPED_TRACE(std::string(later) + " => " + std::string(earlier));
        EXPECT_FALSE(follows(later, earlier));
    }
}

const std::vector<std::string_view> impossible = {
    "false",
    "not true",
    "helo.is_ours and not helo.is_ours",
    "helo.is_ours and helo.is_ours == false",
    "spf.result == fail and spf.result == pass",
    "spf.result in [pass, none] and spf.result == fail",
    "spf.result == fail and spf.result != fail",
    "spf.result == fail and spf.result is absent",
    "spf.result == fail and spf.result is unknown",
    "helo.name == \"a\" and helo.name is unknown",
    "client.ip in 192.0.2.0/24 and client.ip in 198.51.100.0/24",
    "client.ip in 192.0.2.0/25 and client.ip not in 192.0.2.0/24",
    "client.ip in 192.0.2.0/24 and client.ip in 2001:db8::/32",
    "message.size > 10M and message.size < 1M",
    "message.size > 5 and message.size < 5.0",
    "message.size == 5 and message.size > 10",
    "message.size == 5 and message.size != 5",
    "count(dkim.pass) < 0",
    "0 > count(dkim.results, result == pass)",
    "dnsbl.zen has xbl and not (dnsbl.zen has [xbl, sbl])",
    "dnsbl.zen has xbl and dnsbl.zen is absent",
    "client.name matches \"x\" and client.name is absent",
    "dkim.pass has from.domain and not (dkim.pass has from.domain)",
    "helo.is_ours and (mail.is_null or spf.result == fail) and not mail.is_null and spf.result == pass",
};
const std::vector<std::string_view> possible = {
    "true",
    "helo.is_ours and not mail.is_null",
    "spf.result != fail and spf.result != pass",
    "spf.result == temperror and spf.result is unknown",
    "not (spf.result == fail) and spf.result is absent",
    "client.ip in 192.0.2.0/24 and client.ip not in 192.0.2.0/25",
    "client.ip in 192.0.2.0/24 and client.ip in [\"192.0.2.7\", \"10.0.0.0/8\"]",
    "message.size >= 5 and message.size <= 5",
    "message.size != 5 and message.size > 4",
    "count(dkim.pass) <= 0",
    "count(dkim.results) > 2 and count(dkim.results) is unknown",
    "dnsbl.zen has xbl and dnsbl.zen is unknown",
    "dnsbl.zen has xbl and dnsbl.zen has sbl and not (dnsbl.zen has css)",
    "dkim.pass has \"a.example\" and dkim.pass has \"b.example\"",
    "mail.is_null and spf.result == fail or helo.is_ours and not helo.is_ours",
};

TEST(ConditionLogic, KnowsWhatCanHold) {
    for (const std::string_view text : impossible)
        EXPECT_FALSE(compiled_condition(text).can_hold()) << text;
    for (const std::string_view text : possible)
        EXPECT_TRUE(compiled_condition(text).can_hold()) << text;
}

/// Facts as they may be, absent and unknown ones among them: always the same, drawn by a small generator.
Facts drawn_facts(std::uint32_t& seed) {
    const auto one_of = [&seed](const std::vector<FactValue>& values) {
        seed = seed * 1664525U + 1013904223U;
        return values[(seed >> 16U) % values.size()];
    };
    const auto address = [](std::string_view text) { return FactValue(*IpAddress::parse(text)); };
    const auto text = [](std::string value) { return FactValue(std::move(value)); };
    const auto integer = [](std::int64_t value) { return FactValue(value); };
    const auto texts = [](std::vector<std::string> items, std::string missing = {}) {
        return FactValue(TextList{std::move(items), std::move(missing)});
    };
    const auto results = [](std::size_t passes, std::size_t fails, std::string missing = {}) {
        ResultList list{{}, std::move(missing)};
        for (std::size_t at = 0; at < passes + fails; ++at)
            list.rows.push_back({
                {"result", at < passes ? "pass" : "fail"}
            });
        return FactValue(std::move(list));
    };
    const FactValue unknown = Unknown{"time-out"};
    Facts facts;
    const auto set = [&](std::string_view name, std::vector<FactValue> values) {
        values.emplace_back();
        values.push_back(unknown);
        facts.set(*dictionary().find(name), one_of(values));
    };
    set("spf.result", {text("pass"), text("fail"), text("softfail"), text("temperror"), text("none")});
    for (const std::string_view name : {"helo.name", "client.name", "mail.domain", "from.domain"})
        set(name, {text("a"), text("x"), text("X"), text("a.example"), text("b.example")});
    for (const std::string_view name : {"mail.is_null", "helo.is_ours"})
        set(name, {FactValue(true), FactValue(false)});
    set("message.size",
        {integer(4),
         integer(5),
         integer(6),
         integer(7),
         integer(9),
         integer(10),
         integer(11),
         integer(1 << 20),
         integer(20 << 20)});
    set("time.now", {FactValue(WallTime::min()), FactValue(WallTime::max())});
    set("client.ip",
        {address("192.0.2.7"),
         address("192.0.2.200"),
         address("198.51.100.1"),
         address("10.0.0.1"),
         address("2001:db8:1::1"),
         address("2001:db8:2::1")});
    for (const std::string_view name : {"dnsbl.zen", "dkim.pass"})
        set(name,
            {texts({}),
             texts({"xbl"}),
             texts({"sbl", "css"}),
             texts({}, "late"),
             texts({"xbl"}, "late"),
             texts({"a"}),
             texts({"a", "a.example", "b.example", "x"}),
             texts({"a", "x", "b", "c"}, "late")});
    set("dkim.results", {results(0, 0), results(1, 2), results(2, 0), results(3, 1, "late"), results(0, 3)});
    return facts;
}

// What is said to follow is put to the test: each of the conditions above against each other.
TEST(ConditionLogic, SaysNothingThatFactsBelie) {
    std::vector<std::string_view> texts;
    for (const std::vector<Pair>* table : {&following, &not_following})
        for (const auto& [later, earlier] : *table)
            texts.insert(texts.end(), {later, earlier});
    texts.insert(texts.end(), impossible.begin(), impossible.end());
    texts.insert(texts.end(), possible.begin(), possible.end());
    constexpr std::size_t draws = 3000;
    std::uint32_t seed = 1;
    std::vector<Facts> drawn;
    for (std::size_t at = 0; at < draws; ++at)
        drawn.push_back(drawn_facts(seed));
    std::vector<Expression> conditions;
    std::vector<std::vector<bool>> truths;
    for (const std::string_view text : texts) {
        conditions.push_back(compiled_condition(text));
        std::vector<bool>& holds = truths.emplace_back();
        for (const Facts& facts : drawn)
            holds.push_back(conditions.back().evaluate(facts) == Truth::yes);
        if (!conditions.back().can_hold()) EXPECT_EQ(std::ranges::count(holds, true), 0) << text;
    }
    std::size_t implications = 0;
    for (std::size_t at = 0; at < texts.size(); ++at) {
        std::vector<KnownPart> parts;
        for (const ConditionPart& part : parts_of(conditions[at].program()))
            parts.emplace_back(part);
        for (std::size_t other = 0; other < texts.size(); ++other) {
            const bool follows = std::ranges::all_of(parts, [&](const KnownPart& part) {
                return part.implies(conditions[other].program());
            });
            if (!follows) continue;
            ++implications;
            for (std::size_t draw = 0; draw < draws; ++draw)
                ASSERT_TRUE(!truths[at][draw] || truths[other][draw]) << texts[at] << " => " << texts[other];
        }
    }
    EXPECT_GT(implications, 2 * texts.size());
}

// Who looks for the keys of a part finds whatever that part implies.
TEST(ConditionLogic, FindsWhatIsImpliedByItsKeys) {
    const std::vector<Pair> table = {
        {"spf.result == fail and mail.is_null", "spf.result in [fail, softfail]"},
        {"client.ip in 192.0.2.7",              "client.ip in 192.0.2.0/24"     },
        {"client.name matches \"x\"",           "client.name is not absent"     },
        {"count(dkim.pass) > 3",                "count(dkim.pass) > 1"          },
    };
    for (const auto& [later, earlier] : table) {
        SCOPED_TRACE(later);
        const Expression condition = compiled_condition(later);
        const Expression decider = compiled_condition(earlier);
        const auto [wanted, meaning] = clue_of(parts_of(decider.program()).front());
        const KnownPart part(parts_of(condition.program()).front());
        ASSERT_TRUE(meaning);
        EXPECT_TRUE(part.may_imply(*meaning));
        const auto looked_for = keys_to_look_for(part.part());
        EXPECT_TRUE(std::ranges::any_of(wanted, [&](const ConditionKey& key) {
            return std::ranges::find(looked_for, key) != looked_for.end();
        }));
    }
}

}  // namespace
}  // namespace wicket
