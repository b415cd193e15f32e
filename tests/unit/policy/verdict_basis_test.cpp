#include "policy/verdict_basis.hpp"

#include "policy/record_story.hpp"
#include "policy/rule_set_record.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

constexpr std::string_view shipped = R"([thresholds]
junk = 5
reject = 12
[[rule]]
id = "spf"
when = 'spf.result == fail'
points = 3
[[rule]]
id = "drop"
when = 'client.port == 7'
then = "reject"
)";
constexpr std::string_view site = R"([thresholds]
replace = true
junk = 3
reject = 9
[[override]]
recipients = ["strict@*"]
thresholds = { junk = 2, reject = 6 }
[[override]]
recipients = ["soft@*"]
worst = "junk"
)";

std::shared_ptr<const RuleSet> rules_of(std::string_view second) {
    Diagnostics diagnostics;
    auto rules = compile_rules(
        {
            {"etc/rules/rules.toml", std::string(shipped)},
            {"etc/site/rules.toml",  std::string(second) }
    },
        diagnostics
    );
    for (const Diagnostic& one : diagnostics.sorted())
        if (one.severity == Severity::error) ADD_FAILURE() << render(one);
    return rules;
}

Facts facts_for(const std::string& recipient) {
    Facts facts;
    facts.set(id_of(CoreFact::rcpt_address), recipient + "@example.test");
    facts.set(id_of(CoreFact::rcpt_domain), std::string("example.test"));
    return facts;
}

Verdict verdict_of(Action action, const std::string& rule, double points) {
    Verdict verdict;
    verdict.action = action;
    verdict.stage = Stage::end;
    verdict.rule = rule;
    verdict.points = points;
    return verdict;
}

VerdictBasis basis_for(const RuleSet& rules, const Facts& facts) {
    const Verdict verdict = decide(rules, facts, Stage::end);
    return basis_of(rules, {"", facts, Stage::end, nullptr, &verdict});
}

TEST(VerdictBasis, IsTheTableThatSetTheThreshold) {
    const auto rules = rules_of(site);
    Facts facts = facts_for("u");
    facts.set(id_of(CoreFact::spf_result), std::string("fail"));
    const VerdictBasis replaced = basis_for(*rules, facts);
    EXPECT_EQ(replaced.thresholds, (Thresholds{3, 9}));
    EXPECT_EQ(replaced.rule_place, "etc/site/rules.toml:1");
    EXPECT_EQ(replaced.rule_text, "[thresholds]\nreplace = true\njunk = 3\nreject = 9\n");

    facts.set(id_of(CoreFact::rcpt_address), std::string("strict@example.test"));
    const VerdictBasis strict = basis_for(*rules, facts);
    EXPECT_EQ(strict.thresholds, (Thresholds{2, 6}));
    EXPECT_EQ(strict.rule_place, "etc/site/rules.toml:5");
    EXPECT_TRUE(strict.rule_text.starts_with("[[override]]\nrecipients = [\"strict@*\"]\n"))
        << strict.rule_text;

    // An override of one threshold says nothing of the other.
    const auto half = rules_of("[[override]]\nrecipients = [\"u@*\"]\nthresholds = { junk = 2 }\n");
    facts = facts_for("u");
    facts.set(id_of(CoreFact::spf_result), std::string("fail"));
    EXPECT_EQ(basis_for(*half, facts).rule_place, "etc/site/rules.toml:1");
    const Verdict refused = verdict_of(Action::reject, "threshold:reject", 12);
    EXPECT_EQ(
        basis_of(*half, {"", facts, Stage::end, nullptr, &refused}).rule_place, "etc/rules/rules.toml:1"
    );
}

TEST(VerdictBasis, TellsWhichOverrideAllowedNoWorse) {
    const auto rules = rules_of(site);
    Facts facts = facts_for("soft");
    facts.set(id_of(CoreFact::client_port), std::int64_t{7});
    const VerdictBasis soft = basis_for(*rules, facts);
    EXPECT_EQ(soft.worst, Action::junk);
    EXPECT_EQ(soft.worst_place, "etc/site/rules.toml:8");
    EXPECT_EQ(soft.rule_place, "etc/rules/rules.toml:9");

    facts.set(id_of(CoreFact::rcpt_address), std::string("postmaster@example.test"));
    const VerdictBasis postmaster = basis_for(*rules, facts);
    EXPECT_EQ(postmaster.worst, Action::junk);
    EXPECT_EQ(postmaster.worst_place, "");

    // Nothing was held back where nothing harder was asked for.
    facts = facts_for("soft");
    facts.set(id_of(CoreFact::spf_result), std::string("fail"));
    EXPECT_EQ(basis_for(*rules, facts).worst, Action::none);
}

TEST(VerdictBasis, PlacesOfKeptRulesNameTheirFoldersToo) {
    Diagnostics diagnostics;
    const auto rules = compile_rules(
        {
            {"rules/rules.toml", std::string(shipped)},
            {"site/rules.toml",  std::string(site)   }
    },
        diagnostics
    );
    const auto kept = decode_rule_set(encode(record_of(*rules)));
    ASSERT_TRUE(kept);
    EXPECT_EQ(kept->folders, (std::vector<std::string>{"rules/", "site/"}));
    // As load_rules() names the sources of two folders.
    std::vector<RuleSource> sources = kept->sources;
    sources[0].name = "rules.toml";
    sources[1].name = "2/rules.toml";
    const auto again = recompile_rules(sources, diagnostics, {"/etc/shipped/", "/etc/site/"});
    ASSERT_NE(again, nullptr);
    EXPECT_EQ(again->origin_of("drop"), "/etc/shipped/rules.toml:9");
    Facts facts = facts_for("strict");
    facts.set(id_of(CoreFact::spf_result), std::string("fail"));
    EXPECT_EQ(basis_for(*again, facts).rule_place, "/etc/site/rules.toml:5");
    EXPECT_EQ(recompile_rules(sources, diagnostics)->origin_of("drop"), "rules.toml:9");
}

TEST(RecordStory, TellsEachRecipientWhatHeWasMeasuredBy) {
    StoredRecord stored;
    DecisionRecord& record = stored.record;
    record.verdict = verdict_of(Action::junk, "threshold:junk", 6);
    const Verdict accepted = verdict_of(Action::accept, "default", 6);
    record.recipients = {
        {"alice@example.test", record.verdict, "Junk",  nullptr},
        {"bob@example.test",   accepted,       "INBOX", nullptr},
        {"carol@example.test", record.verdict, "Junk",  nullptr}
    };
    const VerdictBasis alice{
        .thresholds = Thresholds{5, 12},
          .rule_place = "a:1", .rule_text = "[thresholds]\n"
    };
    const VerdictBasis bob{
        .thresholds = Thresholds{20, 30}
    };
    VerdictBasis carol = alice;
    carol.worst = Action::junk;
    carol.worst_place = "b:7";
    carol.rule_place = "c:2";
    const std::string story = record_to_story(
        stored,
        {
            .basis = alice, .of_recipients = {alice, bob, carol}
    }
    );
    for (const std::string_view wanted :
         {"  the same for <alice@example.test> into Junk",
          "6  in total; junk from 5, refused from 12",
          "6  in total; junk from 20, refused from 30",
          "  the override b:7 allows no worse than junk",
          "The deciding rule, a:1\n  | [thresholds]",
          "What decided for <carol@example.test>, c:2"})
        EXPECT_NE(story.find(wanted), std::string::npos) << wanted << "\n" << story;
    EXPECT_EQ(story.find("the same for <carol"), std::string::npos) << story;
}

}  // namespace
}  // namespace wicket
