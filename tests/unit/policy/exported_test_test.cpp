#include "policy/exported_test.hpp"

#include "tests/unit/policy/compiled_text.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

constexpr std::string_view rules_text = R"([[rule]]
id = "port"
when = 'client.port == 7'
then = "reject"
scope = { recipients = ["bob@example.test"] }
[[rule]]
id = "junk"
when = 'from.domain == "junk.test"'
then = "junk"
[[rule]]
id = "hard"
when = 'helo.resolves == false'
then = "reject"
on_unknown = "defer"
[[rule]]
id = "no-message"
when = 'message.size is absent and client.port == 8'
then = "reject"
at = "end"
)";

class ExportedTest : public testing::Test {
protected:
    ExportedTest() {
        stored_.dictionary = rules_->dictionary();
        stored_.record.facts.set(id_of(CoreFact::from_domain), std::string("junk.test"));
        stored_.record.facts.set(id_of(CoreFact::client_port), std::int64_t{7});
    }

    void add_recipient(
        const std::string& address, Action action, const std::string& rule, Stage stage = Stage::end
    ) {
        Verdict verdict;
        verdict.action = action;
        verdict.rule = rule;
        verdict.stage = stage;
        stored_.record.recipients.push_back({address, verdict, "", nullptr});
        stored_.record.verdict = verdict;
    }

    /// The tests beside the rules; all must pass.
    std::string passing_tests() {
        const std::string json = record_to_json(stored_, RecordJson::full);
        const std::string tests = exported_tests(stored_.record, json, "r.json", rules_.get());
        Diagnostics diagnostics;
        const auto made = compile_rules(
            {
                {"rules.toml", std::string(rules_text)},
                {"tests.toml", tests                  },
                {"r.json",     json                   }
        },
            diagnostics
        );
        for (const Diagnostic& one : diagnostics.sorted())
            if (one.severity == Severity::error) ADD_FAILURE() << render(one) << tests;
        if (made == nullptr) return tests;
        const auto results = run_rule_tests(*made);
        EXPECT_FALSE(results.empty());
        for (const RuleTestResult& one : results)
            EXPECT_TRUE(one.passed) << one.difference << "\n" << tests;
        return tests;
    }

    std::shared_ptr<const RuleSet> rules_ = compiled_text(std::string(rules_text));
    StoredRecord stored_;
};

TEST_F(ExportedTest, HasOneForEachRecipient) {
    add_recipient("alice@example.test", Action::junk, "junk");
    add_recipient("bob@example.test", Action::reject, "port");
    add_recipient("bob@example.test", Action::reject, "port");
    const std::string tests = passing_tests();
    EXPECT_NE(
        tests.find("recipient = \"alice@example.test\"\nexpect = { verdict = \"junk\" }"), std::string::npos
    ) << tests;
    EXPECT_NE(
        tests.find("recipient = \"bob@example.test\"\nexpect = { verdict = \"reject\" }"), std::string::npos
    ) << tests;
    EXPECT_EQ(tests.find('#'), std::string::npos) << tests;
}

TEST_F(ExportedTest, SaysWhereNoRuleDecided) {
    add_recipient("nobody@example.test", Action::reject, "builtin:unknown-user", Stage::rcpt);
    EXPECT_NE(
        passing_tests().find("# It was reject by builtin:unknown-user, not by policy: this is what the rules "
                             "would have said.\n"),
        std::string::npos
    );
    stored_.record.recipients.clear();
    stored_.record.verdict = {};
    EXPECT_NE(passing_tests().find("# Nothing was decided about it, not by policy"), std::string::npos);
}

TEST_F(ExportedTest, SaysWhereTheRulesSaySomethingElseByNow) {
    add_recipient("alice@example.test", Action::quarantine, "gone");
    const std::string tests = passing_tests();
    EXPECT_NE(
        tests.find("# It was quarantine then, by gone; the rules in force say this.\n"), std::string::npos
    ) << tests;
    EXPECT_NE(tests.find("expect = { verdict = \"junk\" }"), std::string::npos) << tests;
}

TEST_F(ExportedTest, IsAtItsStageWhereTheEndWouldSayOtherwise) {
    stored_.record.facts.set(id_of(CoreFact::from_domain), Absent{});
    stored_.record.facts.set(id_of(CoreFact::client_port), std::int64_t{8});
    stored_.record.facts.set(id_of(CoreFact::helo_resolves), Unknown{"time-out"});
    add_recipient("alice@example.test", Action::defer, "hard", Stage::rcpt);
    EXPECT_NE(passing_tests().find("at     = \"rcpt\"\n"), std::string::npos);
}

}  // namespace
}  // namespace wicket
