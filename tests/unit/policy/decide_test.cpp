#include "policy/rules.hpp"
#include "policy/time_text.hpp"
#include "tests/unit/policy/compiled_text.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace wicket {
namespace {

class FactsOf {
public:
    explicit FactsOf(const RuleSet& rules) : rules_(rules) {}
    FactsOf& with(std::string_view name, FactValue value) {
        facts_.set(rules_.dictionary().find(name).value(), std::move(value));
        return *this;
    }
    FactsOf& to(const std::string& address) {
        const auto at = address.find('@');
        return with("rcpt.address", address).with("rcpt.domain", address.substr(at + 1));
    }
    operator const Facts&() const {
        return facts_;
    }  // NOLINT(google-explicit-constructor): stands for its facts

private:
    const RuleSet& rules_;
    Facts facts_;
};

std::string rule(const std::string& id, const std::string& when, const std::string& rest) {
    return "[[rule]]\nid = \"" + id + "\"\nwhen = '" + when + "'\n" + rest + "\n";
}

constexpr std::string_view zen =
    "[dnsbl.zen]\nzone = \"zen.example\"\nlisted = { a = \"127.0.0.2\", b = \"127.0.0.3\" }\n";

TEST(Decide, WithoutRulesAcceptsByDefault) {
    const auto rules = compiled_text("");
    for (const Stage stage : {Stage::connect, Stage::helo, Stage::mail, Stage::rcpt, Stage::data}) {
        EXPECT_EQ(decide(*rules, Facts(), stage).action, Action::none);
        EXPECT_FALSE(rules->answers_at(stage));
    }
    const Verdict verdict = decide(*rules, Facts(), Stage::end);
    EXPECT_EQ(verdict.action, Action::accept);
    EXPECT_EQ(verdict.rule, "default");
    EXPECT_EQ(verdict.stage, Stage::end);
    EXPECT_EQ(verdict.reply.code, 250);
    EXPECT_TRUE(rules->answers_at(Stage::end));
}

TEST(Decide, TakesTheFirstThenRuleOfTheEarliestStage) {
    const auto rules = compiled_text(
        rule("late", "spf.result == fail", "then = \"junk\"") +
        rule("early", "client.port == 1", "then = \"quarantine\"") +
        rule("earlier", "client.port < 2", "then = \"reject\"\nat = \"connect\"")
    );
    FactsOf facts(*rules);
    facts.with("client.port", std::int64_t{1}).with("spf.result", std::string("fail"));
    const Verdict verdict = decide(*rules, facts, Stage::end);
    EXPECT_EQ(verdict.rule, "early");
    EXPECT_EQ(verdict.action, Action::quarantine);
    ASSERT_EQ(verdict.hits.size(), 3U);
    EXPECT_EQ(verdict.hits[1].rule, "earlier");
    EXPECT_EQ(verdict.hits[2].action, Action::junk);
    EXPECT_TRUE(rules->answers_at(Stage::connect));
    EXPECT_FALSE(rules->answers_at(Stage::helo));
    EXPECT_TRUE(rules->answers_at(Stage::mail));
    EXPECT_TRUE(rules->answers_at(Stage::rcpt));  // for what was postponed
}

TEST(Decide, PostmasterStaysReachableWhateverRulesSay) {
    const auto rules = compiled_text(
        rule("all", "client.port > 0", "then = \"disconnect\"") +
        "[[override]]\nrecipients = [\"postmaster@*\"]\nworst = \"reject\"\n"
    );
    for (const auto& [address, want] :
         {std::pair("Postmaster@example.test", Action::junk),
          std::pair("postmaster", Action::junk),
          std::pair("postmaster2@example.test", Action::disconnect),
          std::pair("a@postmaster", Action::disconnect)}) {
        FactsOf facts(*rules);
        facts.with("client.port", std::int64_t{1}).with("rcpt.address", std::string(address));
        EXPECT_EQ(decide(*rules, facts, Stage::rcpt).action, want) << address;
        EXPECT_EQ(decide(*rules, facts, Stage::end).action, want) << address;
    }
}

TEST(Decide, AcceptEndsPolicy) {
    const auto rules = compiled_text(
        rule("good", "client.port == 1", "then = \"accept\"") +
        rule("bad", "spf.result == fail", "then = \"reject\"") +
        rule("points", "client.port > 0", "points = 20")
    );
    FactsOf facts(*rules);
    facts.with("client.port", std::int64_t{1}).with("spf.result", std::string("fail"));
    const Verdict verdict = decide(*rules, facts, Stage::end);
    EXPECT_EQ(verdict.action, Action::accept);
    EXPECT_EQ(verdict.rule, "good");
    EXPECT_EQ(verdict.points, 0);
    EXPECT_EQ(verdict.hits.size(), 1U);
    EXPECT_EQ(decide(*rules, facts, Stage::mail).rule, "good");
}

TEST(Decide, SumsPointsAtTheEndAgainstTheThresholds) {
    const auto rules = compiled_text(
        rule("a", "client.port >= 1", "points = 0.1") + rule("b", "client.port >= 2", "points = 4.9") +
        rule("c", "client.port >= 3", "points = 7") + rule("credit", "mail.smtputf8", "points = -1") +
        rule("off", "true", "points = 100\nmode = \"off\"") +
        rule("shadow", "true", "points = 100\nmode = \"shadow\"")
    );
    struct Case {
        std::int64_t port;
        bool credit;
        Action action;
        std::string_view rule;
        double points;
    };
    const std::vector<Case> cases = {
        {0, false, Action::accept, "default",          0  },
        {1, false, Action::accept, "default",          0.1},
        {2, false, Action::junk,   "threshold:junk",   5  }, // 0.1 + 4.9 is exactly 5 here
        {2, true,  Action::accept, "default",          4  },
        {3, false, Action::reject, "threshold:reject", 12 },
        {3, true,  Action::junk,   "threshold:junk",   11 },
    };
    for (const auto& [port, credit, action, rule_id, points] : cases) {
        SCOPED_TRACE(port);
        FactsOf facts(*rules);
        facts.with("client.port", port).with("mail.smtputf8", credit);
        const Verdict verdict = decide(*rules, facts, Stage::end);
        EXPECT_EQ(verdict.action, action);
        EXPECT_EQ(verdict.rule, rule_id);
        EXPECT_EQ(verdict.points, points);
        EXPECT_EQ(verdict.hits.back().rule, "shadow");
        double sum = 0;
        for (const RuleHit& hit : verdict.hits) {
            if (hit.mode == RuleMode::enforce) sum += hit.points;
        }
        EXPECT_NEAR(sum, verdict.points, 1e-9);
    }
}

TEST(Decide, CountsTheHighestOfSeveralCases) {
    const auto rules = compiled_text(
        std::string(zen) +
        "[[rule]]\nid = \"zen\"\npoints = { 'dnsbl.zen has a' = 3, 'dnsbl.zen has b' = 4 }\n" +
        "[[rule]]\nid = \"credit\"\npoints = { 'client.port > 1' = -0.5, 'client.port > 2' = -2 }\n"
    );
    FactsOf facts(*rules);
    facts
        .with(
            "dnsbl.zen",
            TextList{
                {"a", "b"},
                ""
    }
        )
        .with("client.port", std::int64_t{3});
    const Verdict verdict = decide(*rules, facts, Stage::end);
    EXPECT_EQ(verdict.points, 2);
    ASSERT_EQ(verdict.hits.size(), 2U);
    EXPECT_EQ(verdict.hits[0].points, 4);
    EXPECT_EQ(verdict.hits[1].points, -2);
    // An incomplete list: what was found counts, and that more may be there is recorded.
    facts.with("dnsbl.zen", TextList{{"a"}, "time-out"});
    const Verdict partial = decide(*rules, facts, Stage::end);
    EXPECT_EQ(partial.points, 1);
    EXPECT_EQ(partial.unknown_rules, std::vector<std::string>{"zen"});
}

TEST(Decide, NoCreditOfACaseMakesUpForPointsOfAnother) {
    const auto rules = compiled_text(
        std::string(zen) +
        "[[rule]]\nid = \"zen\"\npoints = { 'dnsbl.zen has a' = 5, 'dnsbl.zen has b' = -8 }\n"
    );
    FactsOf facts(*rules);
    const auto points_of = [&](std::vector<std::string> codes, std::string missing = "") {
        facts.with("dnsbl.zen", TextList{std::move(codes), std::move(missing)});
        return decide(*rules, facts, Stage::end);
    };
    EXPECT_EQ(points_of({"a", "b"}).points, 5);
    EXPECT_EQ(points_of({"a"}).points, 5);
    EXPECT_EQ(points_of({"b"}).points, -8);
    // What is missing could only be a credit that counts nothing beside the points, or points beside a
    // credit.
    EXPECT_TRUE(points_of({"a"}, "time-out").unknown_rules.empty());
    EXPECT_EQ(points_of({"b"}, "time-out").unknown_rules, std::vector<std::string>{"zen"});
    EXPECT_EQ(points_of({}, "time-out").unknown_rules, std::vector<std::string>{"zen"});
}

TEST(Decide, BeforeTheEndAnUnknownCreditOfAMixedRuleMayStillCome) {
    const auto rules = compiled_text(
        std::string(zen) + rule("a", "spf.result == fail", "points = 13") +
        "[[rule]]\nid = \"zen\"\npoints = { 'dnsbl.zen has a' = 5, 'dnsbl.zen has b' = -8 }\n"
    );
    FactsOf facts(*rules);
    facts.with("spf.result", std::string("fail")).to("a@example.test");
    EXPECT_EQ(decide(*rules, facts.with("dnsbl.zen", TextList{}), Stage::rcpt).action, Action::reject);
    EXPECT_EQ(decide(*rules, facts.with("dnsbl.zen", Unknown{"x"}), Stage::rcpt).action, Action::none);
}

TEST(Decide, AnUnknownConditionDoesNotHitAndIsRecorded) {
    const auto rules = compiled_text(
        rule("then", "spf.result == fail", "then = \"reject\"") +
        rule("points", "spf.result != pass", "points = 20") +
        rule("shadow", "spf.result == fail", "then = \"reject\"\nmode = \"shadow\"\non_unknown = \"defer\"")
    );
    FactsOf facts(*rules);
    facts.with("spf.result", std::string("temperror"));
    const Verdict verdict = decide(*rules, facts, Stage::end);
    EXPECT_EQ(verdict.action, Action::accept);
    EXPECT_TRUE(verdict.hits.empty());
    EXPECT_EQ(verdict.unknown_rules, (std::vector<std::string>{"then", "shadow", "points"}));
}

TEST(Decide, DefersForAnUnknownOnlyWhereTheRuleWouldDecide) {
    const std::string deferring =
        rule("x", "spf.result == fail", "then = \"reject\"\non_unknown = \"defer\"\nwhy = \"SPF failed\"");
    const auto rules = compiled_text(rule("first", "client.port == 1", "then = \"junk\"") + deferring);
    FactsOf facts(*rules);
    facts.with("spf.result", Unknown{"time-out"}).with("client.port", std::int64_t{2});
    const Verdict verdict = decide(*rules, facts, Stage::end);
    EXPECT_EQ(verdict.action, Action::defer);
    EXPECT_EQ(verdict.rule, "x");
    EXPECT_EQ(verdict.reply.code, 451);
    EXPECT_EQ(verdict.reply.enhanced, "4.7.1");
    EXPECT_EQ(verdict.reply.text.find("SPF failed"), std::string::npos);
    EXPECT_EQ(decide(*rules, facts.with("client.port", std::int64_t{1}), Stage::end).action, Action::junk);

    const auto points = compiled_text(
        rule("a", "client.port == 1", "points = 4") +
        rule("b", "spf.result == fail", "points = 1\non_unknown = \"defer\"")
    );
    FactsOf given(*points);
    given.with("spf.result", Unknown{"time-out"}).with("client.port", std::int64_t{1});
    EXPECT_EQ(decide(*points, given, Stage::end).action, Action::defer);
    EXPECT_EQ(decide(*points, given, Stage::end).rule, "b");
    EXPECT_EQ(decide(*points, given.with("client.port", std::int64_t{0}), Stage::end).action, Action::accept);
}

TEST(Decide, AnUnknownNoLongerDefersFromTheThirdTryOn) {
    const auto rules = compiled_text(
        rule("early", "spf.result == fail", "then = \"reject\"\non_unknown = \"defer\"") +
        rule("late", "from.domain == \"a.test\"", "then = \"reject\"\non_unknown = \"defer\"") +
        rule("points", "iprev.result == fail", "points = 6\non_unknown = \"defer\"")
    );
    struct Case {
        std::string_view name;
        std::string_view unknown;
        std::int64_t envelope, message;
        Stage stage;
        std::string_view want;  // the rule that defers; empty: none
    };
    constexpr std::int64_t enough = deferrals_limit;
    const Case cases[] = {
        {"a second try at RCPT",                       "spf.result",   enough - 1, 0,          Stage::mail, "early" },
        {"a third try at RCPT",                        "spf.result",   enough,     0,          Stage::mail, ""      },
        {"more tries",                                 "spf.result",   1000,       0,          Stage::mail, ""      },
        {"the early rule at the end",                  "spf.result",   enough,     0,          Stage::end,  ""      },
        {"answered at the end only",                   "spf.result",   0,          enough,     Stage::end,  ""      },
        {"the second of those",                        "spf.result",   0,          enough - 1, Stage::end,  "early" },
        {"tries at RCPT do not count for the message", "from.domain",  enough,     0,          Stage::end,  "late"  },
        {"a third try of the message",                 "from.domain",  0,          enough,     Stage::end,  ""      },
        {"points, second try",                         "iprev.result", 0,          enough - 1, Stage::end,  "points"},
        {"points, third try",                          "iprev.result", 0,          enough,     Stage::end,  ""      },
    };
    for (const Case& one : cases) {
        SCOPED_TRACE(one.name);
        FactsOf facts(*rules);
        facts.with("deferred.envelope", one.envelope).with("deferred.message", one.message);
        facts.with(one.unknown, Unknown{"time-out"});
        const Verdict verdict = decide(*rules, facts, one.stage);
        EXPECT_EQ(verdict.action == Action::defer, !one.want.empty());
        EXPECT_EQ(defers_for_unknown(verdict), !one.want.empty());
        if (!one.want.empty()) EXPECT_EQ(verdict.rule, one.want);
        EXPECT_FALSE(verdict.unknown_rules.empty());
    }
}

TEST(Decide, ARuleThatSaysDeferIsNoDeferralForAnUnknown) {
    const auto rules = compiled_text(rule("x", "client.port == 1", "then = \"defer\""));
    FactsOf facts(*rules);
    facts.with("client.port", std::int64_t{1}).with("deferred.message", std::int64_t{9});
    const Verdict verdict = decide(*rules, facts, Stage::end);
    EXPECT_EQ(verdict.action, Action::defer);
    EXPECT_FALSE(defers_for_unknown(verdict));
}

TEST(Decide, AnUnknownRuleDoesNotDeferWhatIsRefusedAnyway) {
    struct Case {
        std::string_view name, unknown, later;
        Action want;
        std::string_view rule;
    };
    const std::vector<Case> cases = {
        {"both refuse",                      "reject",     "reject", Action::reject, "later"},
        {"both refuse, one hangs up",        "disconnect", "reject", Action::reject, "later"},
        {"both put off",                     "greylist",   "defer",  Action::defer,  "later"},
        {"it would let pass",                "accept",     "reject", Action::defer,  "x"    },
        {"it would refuse",                  "reject",     "junk",   Action::defer,  "x"    },
        {"it would refuse what is accepted", "reject",     "accept", Action::defer,  "x"    },
    };
    for (const auto& [name, unknown, later, want, decider] : cases) {
        SCOPED_TRACE(name);
        const auto rules = compiled_text(
            rule(
                "x", "spf.result == fail", "on_unknown = \"defer\"\nthen = \"" + std::string(unknown) + '"'
            ) +
            rule("later", "mail.smtputf8", "then = \"" + std::string(later) + '"')
        );
        FactsOf facts(*rules);
        facts.with("spf.result", Unknown{"time-out"}).with("mail.smtputf8", true);
        for (const Stage stage : {Stage::rcpt, Stage::end}) {
            const Verdict verdict = decide(*rules, facts, stage);
            EXPECT_EQ(verdict.action, want);
            EXPECT_EQ(verdict.rule, decider);
            EXPECT_EQ(verdict.unknown_rules, std::vector<std::string>{"x"});
        }
    }
    const auto total = compiled_text(
        rule("x", "spf.result == fail", "on_unknown = \"defer\"\nthen = \"reject\"") +
        rule("p", "client.port == 1", "points = 20")
    );
    FactsOf facts(*total);
    facts.with("spf.result", Unknown{"time-out"}).with("client.port", std::int64_t{1});
    EXPECT_EQ(decide(*total, facts, Stage::end).rule, "threshold:reject");
}

TEST(Decide, ADeferralSaysWhy) {
    const auto rules = compiled_text(
        rule("x", "spf.result == fail", "then = \"defer\"\non_unknown = \"defer\"") +
        rule("y", "spf.result == softfail", "then = \"defer\"\nwhy = \"Not now\"")
    );
    FactsOf facts(*rules);
    const auto text_of = [&](FactValue result) {
        return decide(*rules, facts.with("spf.result", std::move(result)), Stage::rcpt).reply.text;
    };
    EXPECT_EQ(text_of(std::string("fail")), "Try again later");
    EXPECT_EQ(text_of(std::string("softfail")), "Not now");
    EXPECT_EQ(text_of(Unknown{"time-out"}), "A check could not be made: try again later");
}

TEST(Decide, AListThatSaysDeferOnErrorDefers) {
    const auto rules = compiled_text(
        std::string(zen) + "on_error = \"defer\"\n" + rule("x", "dnsbl.zen has a", "then = \"reject\"") +
        rule("y", "dnsbl.zen has b", "then = \"reject\"\non_unknown = \"skip\"")
    );
    FactsOf facts(*rules);
    EXPECT_EQ(decide(*rules, facts.with("dnsbl.zen", Unknown{"time-out"}), Stage::rcpt).rule, "x");
    EXPECT_EQ(decide(*rules, facts.with("dnsbl.zen", TextList{}), Stage::rcpt).action, Action::none);
}

TEST(Decide, BeforeTheEndOnlyACertainTotalAnswers) {
    const std::string heavy = rule("a", "spf.result == fail", "points = 13");
    struct Case {
        std::string_view name;
        std::string more;
        Action want;
    };
    const std::vector<Case> cases = {
        {"nothing can change it", "", Action::reject},
        {"a small credit may come", rule("c", "from.count == 1", "points = -1"), Action::reject},
        {"a large credit may come", rule("c", "from.count == 1", "points = -2"), Action::none},
        {"a credit that is known did not hit", rule("c", "mail.smtputf8", "points = -2"), Action::reject},
        {"a known credit hits", rule("c", "not mail.smtputf8", "points = -2"), Action::none},
        {"an unknown credit may hit", rule("c", "helo.resolves", "points = -2"), Action::none},
        {"an accept may come", rule("c", "from.count == 1", "then = \"accept\""), Action::none},
        {"an unknown accept may hit", rule("c", "helo.resolves", "then = \"accept\""), Action::none},
        {"an accept that is off",
         rule("c", "from.count == 1", "then = \"accept\"\nmode = \"off\""),
         Action::reject},
        {"a refusal may come", rule("c", "from.count != 1", "then = \"reject\""), Action::reject},
    };
    for (const auto& [name, more, want] : cases) {
        SCOPED_TRACE(name);
        const auto rules = compiled_text(heavy + more);
        FactsOf facts(*rules);
        facts.with("spf.result", std::string("fail"))
            .with("mail.smtputf8", false)
            .with("helo.resolves", Unknown{"x"});
        facts.to("a@example.test");
        EXPECT_EQ(
            decide(*rules, facts, Stage::mail).action, Action::none
        );  // thresholds may depend on the recipient
        const Verdict verdict = decide(*rules, facts, Stage::rcpt);
        EXPECT_EQ(verdict.action, want);
        EXPECT_EQ(verdict.hits.size(), want == Action::reject ? 1U : 0U);
        if (want == Action::reject) EXPECT_EQ(verdict.rule, "threshold:reject");
        if (want == Action::reject) EXPECT_TRUE(rules->answers_at(Stage::rcpt));
    }
}

TEST(Decide, SaysBeforeTheEndWhetherItHangsOnAnUnknown) {
    struct Case {
        std::string_view name;
        std::string rules;
        bool want;
    };
    const std::string unknown = rule("u", "spf.result == fail", "points = 3");
    const std::vector<Case> cases = {
        {"points that cannot reach the threshold",
         unknown + rule("a", "not mail.smtputf8", "points = 8"),
         false},
        {"points that could", unknown + rule("a", "not mail.smtputf8", "points = 9"), true},
        {"with a credit that may still come",
         unknown + rule("a", "not mail.smtputf8", "points = 9") + rule("c", "from.count == 1", "points = -1"),
         false},
        {"the threshold is reached without it", unknown + rule("a", "not mail.smtputf8", "points = 12"), false
        },
        {"a case of several",
         "[[rule]]\nid = \"u\"\npoints = { 'spf.result == fail' = 4, 'spf.result == pass' = -5 }\n" +
             rule("a", "not mail.smtputf8", "points = 8"),
         true},
        {"a refusal", rule("u", "spf.result == fail", "then = \"reject\""), true},
        {"an exception", rule("u", "spf.result == pass", "then = \"accept\""), true},
        {"a refusal after one that is certain",
         rule("a", "not mail.smtputf8", "at = \"mail\"\nthen = \"reject\"") +
             rule("u", "spf.result == fail", "then = \"reject\""),
         false},
        {"a rule that only watches",
         rule("u", "spf.result == fail", "then = \"reject\"\nmode = \"shadow\""),
         false},
    };
    for (const auto& [name, text, want] : cases) {
        SCOPED_TRACE(name);
        const auto rules = compiled_text(text);
        FactsOf facts(*rules);
        facts.with("spf.result", Unknown{"not looked at"}).with("mail.smtputf8", false).to("a@example.test");
        EXPECT_EQ(decide(*rules, facts, Stage::rcpt).hangs_on_unknown, want);
    }
}

TEST(Decide, WhoHasWaitedIsGreylistedNoMore) {
    const auto rules = compiled_text(
        rule("stranger", "client.port == 1", "then = \"greylist\"") +
        rule("bad", "mail.smtputf8", "then = \"reject\"")
    );
    FactsOf facts(*rules);
    facts.with("client.port", std::int64_t{1}).with("mail.smtputf8", false);
    EXPECT_EQ(decide(*rules, facts, Stage::rcpt).action, Action::greylist);
    facts.with("greylist.age", std::int64_t{299});
    EXPECT_EQ(decide(*rules, facts, Stage::rcpt).action, Action::greylist);
    facts.with("greylist.age", std::int64_t{300});
    EXPECT_EQ(decide(*rules, facts, Stage::rcpt).action, Action::none);
    EXPECT_EQ(decide(*rules, facts, Stage::end).rule, "default");
    EXPECT_EQ(decide(*rules, facts, Stage::end).hits.front().rule, "stranger");
    facts.with("mail.smtputf8", true);
    EXPECT_EQ(decide(*rules, facts, Stage::rcpt).rule, "bad");
}

TEST(Decide, FillsInWhyAndFix) {
    const auto rules = compiled_text(
        rule(
            "x",
            "client.port == 1",
            "then = \"reject\"\nwhy = \"{client.ip} said {helo.name}{{}}\"\nfix = \"Go away\"\nat = \"helo\""
        ) +
        rule("bare", "client.port == 2", "then = \"disconnect\"\nanswer = \"now\"") +
        rule("own", "client.port == 3", "then = \"reject\"\nreply = \"550 5.6.0\"\nwhy = \"No\"") +
        rule("later", "client.port == 4", "then = \"greylist\"") +
        rule("soon", "client.port == 5", "then = \"defer\"\nfix = \"Wait\"")
    );
    FactsOf facts(*rules);
    facts.with("client.ip", *IpAddress::parse("192.0.2.1")).with("helo.name", std::string("a\r\n250 b\xFF"));
    const auto reply_of = [&](std::int64_t port) {
        facts.with("client.port", port);
        return decide(*rules, facts, Stage::rcpt).reply;
    };
    EXPECT_EQ(reply_of(1), (SmtpReply{550, "5.7.1", "192.0.2.1 said a??250 b?{}; Go away"}));
    EXPECT_EQ(reply_of(2), (SmtpReply{554, "5.7.1", "Refused by rule bare"}));
    EXPECT_EQ(reply_of(3), (SmtpReply{550, "5.6.0", "No"}));
    EXPECT_EQ(reply_of(4).code, 451);
    EXPECT_EQ(reply_of(5), (SmtpReply{451, "4.7.1", "Try again later; Wait"}));
    facts.with("client.port", std::int64_t{2});
    EXPECT_TRUE(decide(*rules, facts, Stage::connect).answer_now);
    EXPECT_TRUE(rules->has_immediate_answers(Stage::connect));
    EXPECT_FALSE(rules->has_immediate_answers(Stage::helo));
    facts.with("client.port", std::int64_t{1}).with("helo.name", std::string(5000, 'a'));
    EXPECT_LT(decide(*rules, facts, Stage::rcpt).reply.text.size(), 400U);
}

TEST(Decide, ExplainsATotalByItsHeaviestRules) {
    const auto rules = compiled_text(
        rule("light", "true", "points = 1\nwhy = \"light\"\nfix = \"mend light\"") +
        rule("heavy", "true", "points = 8\nwhy = \"heavy\"") +
        rule("middle", "true", "points = 3.5\nwhy = \"middle\"\nfix = \"mend middle\"")
    );
    EXPECT_EQ(
        decide(*rules, Facts(), Stage::end).reply.text,
        "This message has 12.5 points, and 12 are refused: heavy, middle; mend middle"
    );
}

TEST(Decide, OverridesByRecipientListenerAndClient) {
    const std::string base = rule("r", "client.port == 1", "then = \"reject\"") +
                             rule("p", "client.port == 2", "points = 6") +
                             rule("q", "client.port == 3", "then = \"defer\"");
    const auto rules = compiled_text(
        base +
        "[[override]]\nrecipients = [\"postmaster@*\"]\nworst = \"junk\"\n"
        "[[override]]\ndomains = [\"strict.test\"]\nthresholds = { junk = 2, reject = 6 }\n"
        "[[override]]\nclients = [\"192.0.2.0/24\"]\nmodes = { r = \"shadow\" }\n"
        "[[override]]\ndomains = [\"strict.test\", \"lax.test\"]\nlisteners = [\"submission\", "
        "\"198.51.100.1\"]\nworst = \"accept\"\n"
    );
    FactsOf facts(*rules);
    const auto decided = [&](std::int64_t port, const std::string& to) {
        facts.with("client.port", port).to(to);
        return decide(*rules, facts, Stage::end);
    };
    EXPECT_EQ(decided(1, "a@example.test").action, Action::reject);
    const Verdict capped = decided(1, "Postmaster@example.test");
    EXPECT_EQ(capped.action, Action::junk);
    EXPECT_EQ(capped.rule, "r");
    EXPECT_EQ(capped.reply.code, 250);
    EXPECT_EQ(decided(3, "postmaster@example.test").action, Action::junk);
    EXPECT_EQ(decided(2, "a@example.test").action, Action::junk);
    EXPECT_EQ(decided(2, "a@strict.test").action, Action::reject);
    facts.with("listener.service", std::string("submission"));
    EXPECT_EQ(decided(2, "a@strict.test").action, Action::accept);
    EXPECT_EQ(decided(2, "a@example.test").action, Action::junk);
    facts.with("listener.service", std::string("smtp"))
        .with("listener.address", *IpAddress::parse("198.51.100.1"));
    EXPECT_EQ(decided(2, "a@lax.test").action, Action::accept);
    facts.with("client.ip", *IpAddress::parse("192.0.2.9"));
    const Verdict shadow = decided(1, "a@example.test");
    EXPECT_EQ(shadow.action, Action::accept);
    ASSERT_EQ(shadow.hits.size(), 1U);
    EXPECT_EQ(shadow.hits[0].mode, RuleMode::shadow);

    const auto key = [&](const std::string& to) {
        facts.to(to);
        return policy_key(*rules, facts);
    };
    EXPECT_EQ(key("a@example.test"), key("b@other.test"));
    EXPECT_NE(key("a@example.test"), key("postmaster@example.test"));
    EXPECT_NE(key("a@strict.test"), key("postmaster@strict.test"));
}

TEST(Decide, DoesNotDeferForAnUnknownWhereTheWorstIsMilder) {
    const auto rules = compiled_text(
        rule("x", "spf.result == fail", "then = \"reject\"\non_unknown = \"defer\"") +
        "[[override]]\nrecipients = [\"postmaster@*\"]\nworst = \"junk\"\n"
    );
    FactsOf facts(*rules);
    facts.with("spf.result", Unknown{"x"}).to("postmaster@example.test");
    EXPECT_EQ(decide(*rules, facts, Stage::end).action, Action::accept);
}

TEST(Decide, RulesHaveScopesAndExpire) {
    const auto rules = compiled_text(
        rule("scoped", "true", "then = \"reject\"\nscope = { domains = [\"a.test\"] }") +
        rule("old", "true", "then = \"junk\"\nexpires = 2099-01-31")
    );
    FactsOf facts(*rules);
    EXPECT_EQ(decide(*rules, facts.to("x@a.test"), Stage::rcpt).rule, "old");  // connect comes before rcpt
    facts.with("time.now", *parse_time("2099-01-31"));
    EXPECT_EQ(decide(*rules, facts, Stage::rcpt).rule, "scoped");
    EXPECT_EQ(decide(*rules, facts.to("x@b.test"), Stage::rcpt).action, Action::none);
    EXPECT_NE(policy_key(*rules, facts), policy_key(*rules, facts.to("x@a.test")));
    facts.with("time.now", *parse_time("2099-01-30T23:59:59Z"));
    EXPECT_EQ(decide(*rules, facts, Stage::end).rule, "old");
}

TEST(Decide, AddsHeadersAndTagsAtTheEnd) {
    const auto rules = compiled_text(
        rule("t", "true", "then = \"tag\"\ntag = \"bulk\"") + rule("u", "true", "then = \"tag\"") +
        rule("h", "true", "then = \"add-header\"\nheader = \"X-Spf: {spf.result}\"") +
        rule("s", "true", "then = \"tag\"\nmode = \"shadow\"")
    );
    FactsOf facts(*rules);
    facts.with("spf.result", std::string("pass"));
    const Verdict verdict = decide(*rules, facts, Stage::end);
    EXPECT_EQ(verdict.action, Action::accept);
    EXPECT_EQ(
        verdict.added_headers,
        (std::vector<std::pair<std::string, std::string>>{
            {"X-Mailwicket-Tag", "bulk"},
            {"X-Mailwicket-Tag", "u"   },
            {"X-Spf",            "pass"}
    })
    );
    EXPECT_EQ(verdict.hits.size(), 4U);
}

TEST(Decide, BuiltinVerdictsHaveTheSameShape) {
    const Verdict verdict = builtin_verdict("unknown-user", Stage::rcpt, {550, "5.1.1", "No such user"});
    EXPECT_EQ(verdict.rule, "builtin:unknown-user");
    EXPECT_EQ(verdict.action, Action::reject);
    EXPECT_EQ(builtin_verdict("store", Stage::end, {451, "4.3.0", "x"}).action, Action::defer);
}

TEST(Decide, IsPureAndQuick) {
    std::string text(zen);
    for (int at = 0; at < 50; ++at) {
        const std::string number = std::to_string(at);
        text += rule(
            "then-" + number, "client.port == " + number + " and spf.result == fail", "then = \"reject\""
        );
        text += rule(
            "points-" + number,
            "dnsbl.zen has b and not spf.result == pass or client.port > 3000",
            "points = 0.1"
        );
    }
    const auto rules = compiled_text(text);
    FactsOf facts(*rules);
    facts.with("client.port", std::int64_t{1000})
        .with("spf.result", std::string("pass"))
        .with("dnsbl.zen", TextList{{"a"}, ""});
    const Verdict first = decide(*rules, facts, Stage::end);
    const auto begun = system_clock().steady();
    constexpr int rounds = 2000;
    for (int at = 0; at < rounds; ++at)
        ASSERT_EQ(decide(*rules, facts, Stage::end).action, first.action);
    const std::chrono::duration<double, std::micro> taken = system_clock().steady() - begun;
    RecordProperty("microseconds_per_decision", std::to_string(taken.count() / rounds));
    EXPECT_LT(
        taken.count() / rounds, 1000
    );  // a sanitizer build on a busy machine; a release build takes a few
    EXPECT_EQ(decide(*rules, facts, Stage::end), first);
}

}  // namespace
}  // namespace wicket
