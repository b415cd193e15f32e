#include "policy/scope_names.hpp"

#include "policy/rules.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

TEST(ScopeNames, TellsWhichGlobsMatchNobody) {
    struct Case {
        std::string_view glob;
        bool any, ours;  // some address; one of example.test
    };
    const std::vector<Case> cases = {
        {"a@example.test",       true,  true },
        {"A+tag@EXAMPLE.test",   true,  true },
        {"a@exmple.test",        true,  false},
        {"postmaster@*",         true,  true },
        {"*",                    true,  true },
        {"*@*",                  true,  true },
        {"*@example.*",          true,  true },
        {"*example.test",        true,  true },
        {"a*ple.test",           true,  true },
        {"al*",                  true,  true },
        {"*@*.example.test",     true,  false},
        {"?@exampl?.test",       true,  true },
        {"a?example.test",       true,  true },
        {"\"a@b\"@example.test", true,  true },
        {"*@b*@example.test",    true,  true },
        {"postmaster@@*",        false, false},
        {"a@b@example.test",     false, false},
        {"postmaster",           false, false},
        {"postmaster@",          false, false},
        {"@example.test",        false, false},
        {"",                     false, false},
    };
    for (const auto& [glob, any, ours] : cases) {
        SCOPED_TRACE(glob);
        EXPECT_EQ(can_match_an_address(glob), any);
        EXPECT_EQ(can_match_an_address_of(glob, "example.test"), ours);
    }
}

TEST(ScopeNames, ComplainsOfRulesInForceOnly) {
    const std::string first = R"([[rule]]
id = "one"
when = 'mail.is_null'
then = "junk"
scope = { domains = ["gone.test"] }
[[override]]
domains = ["B\u00fccher.test"]
recipients = ["a@exmple.test", "b@Example.test"]
worst = "junk"
)";
    const std::string second = R"([[rule]]
id = "one"
replace = true
when = 'mail.is_null'
then = "junk"
scope = { domains = ["example.test"] }
)";
    ServedDomains domains{
        {"example.test", "xn--bcher-kva.test"},
        Severity::error
    };
    Diagnostics diagnostics;
    auto rules = compile_rules(
        {
            {"a/1.toml", first}
    },
        diagnostics,
        RuleReading::for_use,
        &domains
    );
    ASSERT_NE(rules, nullptr) << render(diagnostics.sorted().front());
    ASSERT_EQ(diagnostics.error_count(), 2U);
    const auto said = diagnostics.sorted();
    EXPECT_EQ(said[0].place, (SourcePlace{"a/1.toml", 5, 22}));
    EXPECT_EQ(said[1].place, (SourcePlace{"a/1.toml", 8, 15}));
    EXPECT_EQ(said[1].suggestion, "a@example.test");
    EXPECT_EQ(said[1].source_line, R"(recipients = ["a@exmple.test", "b@Example.test"])");

    Diagnostics replaced;
    domains.severity = Severity::warning;
    rules = compile_rules(
        {
            {"a/1.toml", first },
            {"b/1.toml", second}
    },
        replaced,
        RuleReading::for_use,
        &domains
    );
    ASSERT_NE(rules, nullptr) << render(replaced.sorted().front());
    ASSERT_EQ(replaced.sorted().size(), 1U);
    EXPECT_EQ(replaced.error_count(), 0U);
    EXPECT_EQ(replaced.sorted()[0].place.line, 8U);
}

TEST(ScopeNames, AreToldBesideOtherMistakes) {
    const ServedDomains domains{{"example.test"}, Severity::error};
    Diagnostics diagnostics;
    const auto rules = compile_rules(
        {
            {"a.toml",
             "[[rule]]\nid = \"one\"\nwhen = 'mail.is_nul'\nthen = \"junk\"\n"
             "scope = { domains = [\"exmaple.test\"] }\n"
             "[[override]]\nrecipients = [\"a@exmaple.test\"]\nwrost = \"junk\"\n"}
    },
        diagnostics,
        RuleReading::for_check,
        &domains
    );
    EXPECT_EQ(rules, nullptr);
    std::vector<std::pair<std::uint32_t, std::string>> said;
    for (const Diagnostic& one : diagnostics.sorted())
        said.emplace_back(one.place.line, one.suggestion);
    const std::vector<std::pair<std::uint32_t, std::string>> want = {
        {3, "mail.is_null"  },
        {5, "example.test"  },
        {7, "a@example.test"},
        {8, "worst"         },
    };
    EXPECT_EQ(said, want);
}

}  // namespace
}  // namespace wicket
