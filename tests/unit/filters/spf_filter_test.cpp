#include "filters/scan/spf_filter.hpp"

#include "tests/unit/filters/spf_suite.hpp"

#include <gtest/gtest.h>

#include <fmt/format.h>

namespace wicket {
namespace {

using testing::DnsTable;
using testing::solve;
using testing::Solved;

ScanInput input_from(
    const std::string& client, const std::string& mail_from, const std::string& helo = "mail.sender.example"
) {
    ScanInput input;
    input.client_ip = IpAddress::parse(client).value();
    input.helo = helo;
    input.mail_from = mail_from;
    input.our_hostname = "mx.receiver.example";
    return input;
}

TEST(SpfFilter, PassesTheSuiteOfRfc7208) {
    const std::string path = testing::spf_suite_path();
    if (path.empty()) {
        if (std::getenv("CI") != nullptr) FAIL() << "the conformance suite is missing";
        GTEST_SKIP() << "the conformance suite is not here";
    }
    const SpfFilter filter;
    const auto cases = testing::load_spf_suite(path);
    ASSERT_EQ(203U, cases.size());
    std::size_t passed = 0;
    for (const auto& one : cases) {
        const Solved solved = solve(filter, one.input, *one.table);
        const bool is_right =
            testing::fits(one, solved.text(CoreFact::spf_result), solved.text(CoreFact::spf_explanation));
        passed += is_right ? 1U : 0U;
        EXPECT_LE(solved.answers.size(), spf_question_limit) << one.name;
        if (!is_right) {
            fmt::print(
                "{}/{}: {} \"{}\", wanted {} \"{}\"\n",
                one.scenario,
                one.name,
                solved.text(CoreFact::spf_result),
                solved.text(CoreFact::spf_explanation),
                fmt::join(one.results, "|"),
                one.explanation
            );
        }
        for (const auto& [question, answer] : solved.answers)
            EXPECT_NE(DnsType::spf, question.type);
    }
    fmt::print("RFC 7208 suite: {} of {}\n", passed, cases.size());
    EXPECT_EQ(passed, 203U);
}

TEST(SpfFilter, ChecksTheHeloAfterTheReversePath) {
    DnsTable table;
    table.add("sender.example", DnsType::txt, "v=spf1 a -all");
    table.add("sender.example", DnsType::a, "192.0.2.1");
    table.add("mail.sender.example", DnsType::txt, "v=spf1 a ~all");
    table.add("mail.sender.example", DnsType::a, "192.0.2.9");
    const Solved solved = solve(SpfFilter(), input_from("192.0.2.1", "user@sender.example"), table);
    EXPECT_EQ("pass", solved.text(CoreFact::spf_result));
    EXPECT_EQ("softfail", solved.text(CoreFact::spf_helo_result));
    // Their records are asked for together.
    EXPECT_EQ(4U, solved.passes);
    EXPECT_EQ(4U, solved.answers.size());
}

/// `count` terms of mx, each with `hosts` exchangers at `address`.
std::string mx_terms(DnsTable& table, int count, int hosts, const std::string& address) {
    std::string terms;
    const auto type = address.contains(':') ? DnsType::aaaa : DnsType::a;
    for (int term = 0; term < count; ++term) {
        const std::string name = fmt::format("m{}.example", term);
        terms += " mx:" + name;
        for (int host = 0; host < hosts; ++host) {
            table.add(name, DnsType::mx, fmt::format("10 m{}-{}.example", term, host));
            table.add(fmt::format("m{}-{}.example", term, host), type, address);
        }
    }
    return terms;
}

TEST(SpfFilter, GivesTheReversePathWhatItNeedsBeforeTheHelo) {
    struct Case {
        int terms, hosts;
        std::string want;
    };
    // With the records of the sender and of HELO: 35, 42, 38 and 47 questions.
    const std::vector<Case> cases = {
        {3, 10, "pass"     },
        {4, 9,  "temperror"},
        {4, 8,  "pass"     },
        {5, 8,  "temperror"},
    };
    for (const auto& [terms, hosts, want] : cases) {
        SCOPED_TRACE(fmt::format("{} terms of {} hosts", terms, hosts));
        DnsTable table;
        table.add(
            "sender.example",
            DnsType::txt,
            "v=spf1" + mx_terms(table, terms, hosts, "203.0.113.1") + " ip4:198.51.100.7 -all"
        );
        table.add("mail.sender.example", DnsType::txt, "v=spf1 ip4:198.51.100.7 -all");
        table.add("greedy.example", DnsType::txt, "v=spf1 a:h0.test a:h1.test mx:m9.test -all");
        const Solved solved = solve(SpfFilter(), input_from("198.51.100.7", "u@sender.example"), table);
        EXPECT_EQ(want, solved.text(CoreFact::spf_result));
        EXPECT_EQ("pass", solved.text(CoreFact::spf_helo_result));
        EXPECT_LE(solved.answers.size(), spf_question_limit);
        const Solved greedy =
            solve(SpfFilter(), input_from("198.51.100.7", "u@sender.example", "greedy.example"), table);
        EXPECT_EQ(want, greedy.text(CoreFact::spf_result)) << "whatever HELO asks";
        EXPECT_LE(greedy.answers.size(), spf_question_limit);
    }
}

TEST(SpfFilter, CountsNoVoidLookUpForExchangersWithoutIpv6) {
    DnsTable table;
    table.add(
        "sender.example",
        DnsType::txt,
        "v=spf1" + mx_terms(table, 3, 3, "203.0.113.1") + " ip6:2001:db8::7 -all"
    );
    EXPECT_EQ(
        "pass",
        solve(SpfFilter(), input_from("2001:db8::7", "u@sender.example"), table).text(CoreFact::spf_result)
    );
    EXPECT_EQ(
        "fail",
        solve(SpfFilter(), input_from("2001:db8::8", "u@sender.example"), table).text(CoreFact::spf_result)
    );
}

TEST(SpfFilter, CountsAnMxWhoseExchangersDoNotExistAsOneVoidLookUp) {
    DnsTable table;
    for (const std::string name : {"one.example", "two.example", "three.example"})
        for (int host = 0; host < 5; ++host)
            table.add(name, DnsType::mx, fmt::format("10 nowhere{}.{}", host, name));
    table.add("at.example", DnsType::txt, "v=spf1 mx:one.example mx:two.example ip4:192.0.2.1 -all");
    table.add(
        "over.example",
        DnsType::txt,
        "v=spf1 mx:one.example mx:two.example mx:three.example ip4:192.0.2.1 -all"
    );
    EXPECT_EQ(
        "pass", solve(SpfFilter(), input_from("192.0.2.1", "u@at.example"), table).text(CoreFact::spf_result)
    );
    EXPECT_EQ(
        "permerror",
        solve(SpfFilter(), input_from("192.0.2.1", "u@over.example"), table).text(CoreFact::spf_result)
    );
}

TEST(SpfFilter, ChecksPostmasterAtHeloForTheNullPath) {
    DnsTable table;
    table.add("mail.sender.example", DnsType::txt, "v=spf1 exists:%{l}.ok.example -all");
    table.add("postmaster.ok.example", DnsType::a, "127.0.0.2");
    const Solved solved = solve(SpfFilter(), input_from("192.0.2.1", ""), table);
    EXPECT_EQ("pass", solved.text(CoreFact::spf_result));
    EXPECT_EQ("pass", solved.text(CoreFact::spf_helo_result));
}

TEST(SpfFilter, HasNothingToSayOfLiteralsAndSingleLabels) {
    const DnsTable table;
    for (const std::string helo : {"[192.0.2.1]", "OEMCOMPUTER", "a..b.example"}) {
        SCOPED_TRACE(helo);
        const Solved solved = solve(SpfFilter(), input_from("192.0.2.1", "user@sender.example", helo), table);
        EXPECT_EQ("none", solved.text(CoreFact::spf_helo_result));
        EXPECT_EQ("none", solved.text(CoreFact::spf_result));
    }
    const Solved solved = solve(SpfFilter(), input_from("192.0.2.1", "user@sender.example", ""), table);
    EXPECT_EQ(FactValue(Absent{}), solved.fact(CoreFact::spf_helo_result));
}

TEST(SpfFilter, GivesLoopbackNoFreeRide) {
    DnsTable table;
    table.add("sender.example", DnsType::txt, "v=spf1 a:good.example/8 -all");
    table.add("good.example", DnsType::a, "192.0.2.1");
    table.add("loop.example", DnsType::txt, "v=spf1 a:lo.example -all");
    table.add("lo.example", DnsType::a, "127.0.0.1");
    table.add("lo.example", DnsType::aaaa, "::1");
    EXPECT_EQ(
        "fail",
        solve(SpfFilter(), input_from("127.0.0.1", "user@sender.example"), table).text(CoreFact::spf_result)
    );
    EXPECT_EQ(
        "pass",
        solve(SpfFilter(), input_from("127.0.0.1", "user@loop.example"), table).text(CoreFact::spf_result)
    );
    EXPECT_EQ(
        "pass", solve(SpfFilter(), input_from("::1", "user@loop.example"), table).text(CoreFact::spf_result)
    );
    EXPECT_EQ(
        "fail", solve(SpfFilter(), input_from("::1", "user@sender.example"), table).text(CoreFact::spf_result)
    );
}

TEST(SpfFilter, SeesRecordsThatLetEveryAddressPass) {
    struct Case {
        std::string record;
        FactValue want;
    };
    const std::vector<Case> cases = {
        {"v=spf1 +all",                                    true    },
        {"v=spf1 -ip4:198.51.100.1 ALL",                   true    },
        {"v=spf1 ip4:192.0.2.1 +all",                      true    },
        {"v=spf1 ip4:0.0.0.0/0 -all",                      true    },
        {"v=spf1 include:all.example -all",                true    },
        {"v=spf1 redirect=all.example",                    true    },
        {"v=spf1 ip4:192.0.2.0/24 -all",                   false   },
        {"v=spf1 ip4:192.0.2.0/24 -all +all",              false   },
        {"v=spf1 ip6:::/0 ip4:192.0.2.1 -all",             false   },
        {"v=spf1 include:one.example -all",                false   },
        {"v=spf1 ?include:all.example ip4:192.0.2.1 -all", Absent{}},
        {"v=spf1 ?all",                                    Absent{}},
        {"v=spf1 -all",                                    Absent{}},
    };
    for (const auto& [record, want] : cases) {
        SCOPED_TRACE(record);
        DnsTable table;
        table.add("sender.example", DnsType::txt, record);
        table.add("all.example", DnsType::txt, "v=spf1 +all");
        table.add("one.example", DnsType::txt, "v=spf1 ip4:192.0.2.1 -all");
        const Solved solved = solve(SpfFilter(), input_from("192.0.2.1", "user@sender.example"), table);
        EXPECT_EQ(want, solved.fact(CoreFact::spf_permits_all));
    }
}

TEST(SpfFilter, EndsInTemperrorWhenTheDnsDoesNotAnswer) {
    DnsTable table;
    table.add_timeout("sender.example");
    EXPECT_EQ(
        "temperror",
        solve(SpfFilter(), input_from("192.0.2.1", "u@sender.example"), table).text(CoreFact::spf_result)
    );
}

// The six patterns that crash bare libspf2 or make it ask without end.
struct Attack {
    std::string name;
    std::string record;
    std::string want;
};

std::string repeated(const std::string& text, int times) {
    std::string result;
    for (int count = 0; count < times; ++count)
        result += text;
    return result;
}

DnsTable attack_table(const std::string& record) {
    DnsTable table;
    table.add("attack.example", DnsType::txt, record);
    const std::string bomb = repeated("%{d}", 127) + std::string(6000, 'A');
    table.add("exp.example", DnsType::txt, bomb);
    table.add(
        "short-exp.example", DnsType::txt, repeated("a%{d}", 41) + repeated("%{d}", 4) + std::string(190, 'A')
    );
    // Each of ten includes includes ten, five deep.
    for (int level = 0; level < 6; ++level) {
        std::string includes = "v=spf1";
        for (int count = 0; count < 10; ++count)
            includes += fmt::format(" include:l{}-{}.example", level + 1, count);
        for (int count = 0; count < 10; ++count)
            table.add(fmt::format("l{}-{}.example", level, count), DnsType::txt, includes);
    }
    for (int count = 0; count < 10; ++count) {
        table.add("many.example", DnsType::mx, fmt::format("10 void-mx{}.example", count));
        for (int host = 0; host < 10; ++host) {
            table.add(
                fmt::format("many{}.example", count),
                DnsType::mx,
                fmt::format("10 mx{}-{}.example", count, host)
            );
            table.add(fmt::format("mx{}-{}.example", count, host), DnsType::a, "198.51.100.1");
        }
    }
    return table;
}

TEST(SpfFilter, SurvivesWhatBreaksLibspf2) {
    const std::string bomb = repeated("%{d}", 127) + std::string(6000, 'A');
    std::string many_mx = "v=spf1";
    for (int count = 0; count < 10; ++count)
        many_mx += fmt::format(" mx:many{}.example", count);
    std::string includes = "v=spf1";
    for (int count = 0; count < 10; ++count)
        includes += fmt::format(" include:l0-{}.example", count);
    const std::vector<Attack> attacks = {
        {"CVE-2023-42118 in a domain-spec", "v=spf1 a:" + bomb, "permerror"},
        {"CVE-2023-42118 in exp=", "v=spf1 -all exp=" + bomb, "permerror"},
        {"CVE-2023-42118 in the text behind exp=", "v=spf1 -all exp=exp.example", "fail"},
        {"the same within 420 octets", "v=spf1 -all exp=short-exp.example", "fail"},
        {"a tree of includes", includes + " -all", "permerror"},
        {"mx with a hundred hosts", many_mx + " -all", "temperror"},
        {"more ip4 than the library keeps", "v=spf1" + repeated(" ip4:198.51.100.1", 150) + " -all", "fail"},
        {"more ip6 than the library keeps", "v=spf1" + repeated(" ip6:2001:db8::1", 150) + " -all", "fail"},
        {"void look-ups", "v=spf1 a:v1.example a:v2.example a:v3.example a:v4.example -all", "permerror"},
        {"a record over 4 KiB", "v=spf1" + repeated(" ip4:198.51.100.1", 300) + " -all", "permerror"},
        {"all macros at once",
         "v=spf1 exists:%{S}%{L}%{O}%{D}%{I}%{H}%{V}." + repeated("%{l-}.", 20) + "example -all",
         "fail"},
    };
    for (const Attack& attack : attacks) {
        SCOPED_TRACE(attack.name);
        const ScanInput input = input_from("192.0.2.1", std::string(64, 'l') + "@attack.example");
        const Solved solved = solve(SpfFilter(), input, attack_table(attack.record));
        EXPECT_EQ(attack.want, solved.text(CoreFact::spf_result));
        EXPECT_LE(solved.answers.size(), spf_question_limit);
        EXPECT_LE(solved.passes, 14U);
    }
}

TEST(SpfFilter, AsksNoMoreThanItsBudgetForBothIdentities) {
    // Three mx terms of eight hosts and more terms, at HELO and at MAIL FROM.
    DnsTable table;
    for (const std::string who : {"a", "b"}) {
        std::string record = "v=spf1";
        for (int count = 0; count < 4; ++count) {
            record += fmt::format(" mx:{}{}.example", who, count);
            for (int host = 0; host < 9; ++host) {
                table.add(
                    fmt::format("{}{}.example", who, count),
                    DnsType::mx,
                    fmt::format("10 {}{}-{}.example", who, count, host)
                );
                table.add(fmt::format("{}{}-{}.example", who, count, host), DnsType::a, "198.51.100.1");
            }
        }
        table.add(who + ".example", DnsType::txt, record);
    }
    const Solved solved = solve(SpfFilter(), input_from("192.0.2.1", "u@a.example", "b.example"), table);
    EXPECT_EQ("temperror", solved.text(CoreFact::spf_result));
    EXPECT_EQ("temperror", solved.text(CoreFact::spf_helo_result));
    EXPECT_LE(solved.answers.size(), spf_question_limit);
}

TEST(SpfFilter, ExplainsOnlyWhatIsPrintable) {
    DnsTable table;
    table.add("sender.example", DnsType::txt, "v=spf1 -all exp=why.example");
    table.add("why.example", DnsType::txt, "Not from %{c}, %{l}");
    const Solved good = solve(SpfFilter(), input_from("192.0.2.1", "u@sender.example"), table);
    EXPECT_EQ("Not from 192.0.2.1, u", good.text(CoreFact::spf_explanation));
    const Solved bad = solve(SpfFilter(), input_from("192.0.2.1", "\xc3\xbc@sender.example"), table);
    EXPECT_EQ("fail", bad.text(CoreFact::spf_result));
    EXPECT_EQ("", bad.text(CoreFact::spf_explanation));
}

}  // namespace
}  // namespace wicket
