// Which rules and overrides are told to be without effect, and which never are.
#include "policy/rule_table.hpp"
#include "policy/rules.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {
namespace {

std::vector<Diagnostic> errors_of(const std::string& text, RuleReading reading = RuleReading::for_check) {
    const std::string zen =
        "[dnsbl.zen]\nzone = \"zen.example\"\nlisted = { xbl = \"127.0.0.4\", sbl = \"127.0.0.2\" }\n"
        "[dnsbl.slow]\nzone = \"slow.example\"\nlisted = { x = \"127.0.0.2\" }\non_error = \"defer\"\n";
    Diagnostics diagnostics;
    static_cast<void>(compile_rules(
        {
            {"a.toml", zen + text}
    },
        diagnostics,
        reading
    ));
    auto said = diagnostics.sorted();
    std::erase_if(said, [](const Diagnostic& one) { return one.severity == Severity::warning; });
    return said;
}

std::string rule(std::string_view id, std::string_view when, std::string_view lines) {
    return "[[rule]]\nid = \"" + std::string(id) + "\"\nwhen = '" + std::string(when) + "'\n" +
           std::string(lines) + "\n";
}

struct Reach {
    std::string_view earlier, earlier_lines, later, later_lines;
    bool is_reached;
};

TEST(RuleReach, IsJudgedByWhatFollowsFromConditions) {
    const std::string_view reject = "then = \"reject\"\nalone = true";
    const std::string_view junk = "then = \"junk\"";
    const std::vector<Reach> table = {
        {"spf.result in [fail, softfail]",           reject,                                            "spf.result == fail",                                  junk,                                      false},
        {"client.ip in 192.0.2.0/24",                reject,                                            "client.ip in 192.0.2.7",                              junk,                                      false},
        {"message.size > 1M",                        reject,                                            "message.size > 10M",                                  junk,                                      false},
        {"dnsbl.zen has [xbl, sbl]",                 reject,                                            "dnsbl.zen has xbl",                                   junk,                                      false},
        {"true",                                     reject,                                            "mail.is_null",                                        junk,                                      false},
        {"helo.is_ours or mail.is_null",
         reject,                                                                                        "mail.is_null and spf.result == fail or helo.is_ours",
         junk,                                                                                                                                                                                            false},
        {"helo.is_ours",
         reject,                                                                                        "helo.is_ours",
         "then = \"junk\"\nscope = { recipients = [\"a@b.example\"] }",                                                                                                                                   false},
        {"helo.is_ours",
         "then = \"reject\"\nscope = { recipients = [\"*@b.example\"], clients = [\"192.0.2.0/24\"] }", "helo.is_ours",
         "then = \"junk\"\nscope = { recipients = [\"a@b.example\"], clients = [\"192.0.2.7\"] }",                                                                                                        false},
        {"helo.is_ours",                             "then = \"accept\"",                               "helo.is_ours",                                        "then = \"tag\"",                          false},
        // Not of what is before it, is milder than it, or may be out of force.
        {"spf.result == fail",                       reject,                                            "spf.result in [fail, softfail]",                      junk,                                      true },
        {"client.ip in 192.0.2.0/25",                reject,                                            "client.ip in 192.0.2.0/24",                           junk,                                      true },
        {"message.size > 10M",                       reject,                                            "message.size > 1M",                                   junk,                                      true },
        {"spf.result == fail and dnsbl.zen has xbl", reject,                                            "spf.result == fail",                                  junk,                                      true },
        {"spf.result != pass",                       reject,                                            "spf.result == temperror",                             junk,                                      true },
        {"helo.is_ours",                             "then = \"reject\"\nexpires = 2099-01-01",         "helo.is_ours",                                        junk,                                      true },
        {"helo.is_ours",                             "then = \"reject\"\nmode = \"shadow\"",            "helo.is_ours",                                        junk,                                      true },
        {"helo.is_ours",                             "then = \"greylist\"",                             "helo.is_ours",                                        junk,                                      true },
        {"helo.is_ours",                             "then = \"tag\"",                                  "helo.is_ours",                                        junk,                                      true },
        {"helo.is_ours",
         "then = \"reject\"\nscope = { clients = [\"192.0.2.7\"] }",                                    "helo.is_ours",
         junk,                                                                                                                                                                                            true },
        {"helo.is_ours",
         "then = \"reject\"\nscope = { clients = [\"192.0.2.7\"] }",                                    "helo.is_ours",
         "then = \"junk\"\nscope = { clients = [\"192.0.2.0/24\"] }",                                                                                                                                     true },
        {"helo.is_ours",
         "then = \"reject\"\nscope = { recipients = [\"a@*\"] }",                                       "helo.is_ours",
         "then = \"junk\"\nscope = { recipients = [\"*@b.example\"] }",                                                                                                                                   true },
        // A listener is meant by its service or by its address.
        {"helo.is_ours",
         "then = \"reject\"\nscope = { listeners = [\"smtp\", \"10.0.0.0/8\"] }",                       "helo.is_ours",
         "then = \"junk\"\nscope = { listeners = [\"smtp\", \"10.0.0.1\"] }",                                                                                                                             false},
        {"helo.is_ours",
         "then = \"reject\"\nscope = { listeners = [\"smtp\"] }",                                       "helo.is_ours",
         "then = \"junk\"\nscope = { listeners = [\"smtp\", \"10.0.0.1\"] }",                                                                                                                             true },
        {"helo.is_ours",
         "then = \"reject\"\nscope = { listeners = [\"10.0.0.0/8\"] }",                                 "helo.is_ours",
         "then = \"junk\"\nscope = { listeners = [\"submission\", \"10.0.0.1\"] }",                                                                                                                       true },
        {"helo.is_ours",                             reject,                                            "helo.is_ours",                                        "then = \"junk\"\nmode = \"shadow\"",      true },
        // It defers where it is not known whether its condition holds.
        {"spf.result == fail",                       reject,                                            "spf.result == fail",                                  "then = \"junk\"\non_unknown = \"defer\"", true },
        {"helo.is_ours",                             reject,                                            "helo.is_ours and dnsbl.slow has x",                   junk,                                      true },
    };
    for (const Reach& one : table) {
        SCOPED_TRACE(
            std::string(one.earlier) + " / " + std::string(one.later) + " / " + std::string(one.later_lines)
        );
        const auto said =
            errors_of(rule("q", one.earlier, one.earlier_lines) + rule("r", one.later, one.later_lines));
        EXPECT_EQ(said.empty(), one.is_reached) << (said.empty() ? "" : render(said.front()));
        if (!said.empty()) EXPECT_TRUE(said.front().message.contains("rule \"r\" can never decide"));
    }
}

TEST(RuleReach, IsNotJudgedWhereAnOverrideOrASkippedCheckMatters) {
    const std::string rules =
        rule("q", "helo.is_ours", "then = \"reject\"") + rule("r", "helo.is_ours", "then = \"junk\"");
    EXPECT_EQ(errors_of(rules).size(), 1U);
    EXPECT_TRUE(errors_of(rules + "[[override]]\nrecipients = [\"a@*\"]\nmodes = { q = \"off\" }\n").empty());
    const std::string unknown = rule("q", "dnsbl.zen is unknown", "then = \"defer\"");
    const std::string late = rule("r", "dnsbl.zen is unknown", "then = \"junk\"");
    EXPECT_EQ(errors_of(unknown + late).size(), 1U);
    EXPECT_TRUE(
        errors_of(unknown + rule("s", "helo.is_ours", "then = \"skip\"\nskip = [\"dnsbl.zen\"]") + late)
            .empty()
    );
    // What was in force once is taken as it was.
    EXPECT_TRUE(errors_of(rules, RuleReading::as_it_was).empty());
}

std::vector<std::string> warnings_of(const std::string& text) {
    Diagnostics diagnostics;
    static_cast<void>(compile_rules(
        {
            {"a.toml", text}
    },
        diagnostics,
        RuleReading::for_check
    ));
    std::vector<std::string> messages;
    for (const Diagnostic& one : diagnostics.sorted())
        if (one.severity == Severity::warning) messages.push_back(one.message);
    return messages;
}

bool has_one_with(const std::vector<std::string>& messages, std::string_view words) {
    return std::ranges::any_of(messages, [&](const std::string& one) { return one.contains(words); });
}

TEST(RuleReach, IsNotJudgedBeyondALimit) {
    // Each part of each condition is about the same fact, and implies none of the others.
    const auto rules = [](int count, int parts) {
        std::string text;
        for (int i = 0; i < count; ++i) {
            std::string when;
            for (int k = 0; k < parts; ++k)
                when += (k == 0 ? "" : " or ") + std::string("client.name matches \"") + std::to_string(i) +
                        "x" + std::to_string(k) + "\"";
            text += rule("r" + std::to_string(i), when, "then = \"reject\"");
        }
        return text;
    };
    const std::string_view limit = "too many or too long to compare";
    EXPECT_FALSE(has_one_with(warnings_of(rules(50, 2)), limit));
    EXPECT_TRUE(has_one_with(warnings_of(rules(100, 60)), limit));
    std::string points = "[[rule]]\nid = \"p\"\n[rule.points]\n";
    for (int i = 0; i < 1500; ++i)
        points += "'client.port == " + std::to_string(i) + "' = 1\n";
    EXPECT_TRUE(has_one_with(warnings_of(points), limit));
}

TEST(RuleLint, SeesARefusalByOneListInEveryPartOfACondition) {
    const std::string lists = "[dnsbl.zen]\nzone = \"zen.example\"\nlisted = { xbl = \"127.0.0.4\" }\n";
    const std::string_view wanted = "refuses mail on the word of dnsbl.zen alone";
    struct Row {
        std::string_view condition;
        bool is_told;
    };
    const std::vector<Row> table = {
        {"dnsbl.zen has xbl",                                             true },
        {"dnsbl.zen has xbl and client.port > 0",                         true },
        {"(dnsbl.zen has xbl or spf.result == fail) and client.port > 0", true },
        {"not (not dnsbl.zen has xbl and not spf.result == softfail)",    true },
        {"dnsbl.zen has xbl and spf.result == fail",                      false},
        {"(dnsbl.zen has xbl or helo.is_ours) and spf.result == fail",    false},
    };
    for (const auto& [condition, is_told] : table) {
        SCOPED_TRACE(condition);
        EXPECT_EQ(
            has_one_with(warnings_of(lists + rule("r", condition, "then = \"reject\"")), wanted), is_told
        );
    }
}

TEST(RuleReach, LetsPointsDecideBeforeALaterRule) {
    const std::string later = rule("r", "client.ip in 10.0.0.0/8", "then = \"reject\"\nat = \"end\"");
    const auto points = [](std::string_view at) {
        return rule("p", "client.ip in 10.1.0.0/16", "points = 20\nat = \"" + std::string(at) + '"');
    };
    const std::string_view idle = "these points decide nothing";
    EXPECT_FALSE(has_one_with(warnings_of(later + points("rcpt")), idle));
    EXPECT_TRUE(has_one_with(warnings_of(later + points("end")), idle));
}

TEST(RuleReach, IsThatOfOverridesToo) {
    const std::string first = "[[override]]\nrecipients = [\"a@*\"]\nworst = \"junk\"\n";
    struct Repeated {
        std::string_view lines;
        bool is_told;
    };
    const std::vector<Repeated> table = {
        {"recipients = [\"a@*\"]\nworst = \"accept\"",                            true },
        {"recipients = [\"a@*\"]\nworst = \"accept\"\nthresholds = { junk = 3 }", true },
        {"recipients = [\"a@*\"]\nthresholds = { junk = 3 }",                     false},
        {"recipients = [\"b@*\"]\nworst = \"accept\"",                            false},
        {"recipients = [\"a@*\"]\nclients = [\"192.0.2.7\"]\nworst = \"accept\"", false},
    };
    for (const auto& [lines, is_told] : table) {
        SCOPED_TRACE(lines);
        const auto said = errors_of(first + "[[override]]\n" + std::string(lines) + "\n");
        ASSERT_EQ(said.size(), is_told ? 1U : 0U);
        if (!is_told) continue;
        EXPECT_EQ(said.front().place.to_string(), "a.toml:11:1");
        EXPECT_TRUE(said.front().message.contains("a.toml:8"));
    }
    EXPECT_TRUE(errors_of(first + "expires = 2099-01-01\n" + first).empty());
}

TEST(RuleTable, HasPatternsWithTheirPlaces) {
    Diagnostics diagnostics;
    const auto rules = compile_rules(
        {
            {"a/a.toml", "[[pattern]]\nid = \"p\"\nin = \"body\"\nmatch = 'x'\n"},
            {"b/a.toml",
             "\n[[pattern]]\nid = \"p\"\nreplace = true\nin = \"headers\"\nfield = \"Subject\"\nmatch = "
             "['x', 'y']\n"                                                     }
    },
        diagnostics
    );
    ASSERT_NE(rules, nullptr) << render(diagnostics.sorted().front());
    const auto rows = rule_table(*rules);
    ASSERT_EQ(std::ranges::count(rows, "pattern", &RuleTableRow::kind), 1);
    const auto row = *std::ranges::find(rows, "pattern", &RuleTableRow::kind);
    EXPECT_EQ(row.check, "pattern.p");
    EXPECT_EQ(row.stage, "end");
    EXPECT_EQ(row.origin, "b/a.toml:2");
    EXPECT_EQ(row.detail, "headers subject, 2 regular expressions");
}

}  // namespace
}  // namespace wicket
