#include "policy/nearest_flip.hpp"

#include "policy/rule_variants.hpp"
#include "tests/unit/policy/compiled_text.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fmt/format.h>

namespace wicket {
namespace {

constexpr std::string_view points_rules = R"([thresholds]
junk = 5
reject = 12
[dnsbl.zen]
zone = "zen.example"
listed = { sbl = "127.0.0.2", xbl = "127.0.0.4" }
[[rule]]
id = "zen"
points = { 'dnsbl.zen has sbl' = 9, 'dnsbl.zen has xbl' = 6 }
[[rule]]
id = "spf"
points = { 'spf.result == fail' = 4, 'spf.result == softfail' = 1 }
[[rule]]
id = "strict"
when = 'spf.result == softfail'
then = "reject"
mode = "shadow"
)";

/// A record under the rules' own dictionary, with what they say of it.
struct Recorded {
    StoredRecord stored;

    Recorded(const RuleSet& rules, const Facts& facts, Stage stage) {
        stored.dictionary = rules.dictionary();
        stored.record.facts = facts;
        stored.record.verdict = decide(rules, facts, stage);
        stored.record.recipients = {
            {"u@example.test", stored.record.verdict, "", nullptr}
        };
    }
    std::vector<Flip> flips(const RuleSet& rules, std::size_t limit = 20) const {
        const auto subjects = subjects_of(stored, rules.dictionary());
        return nearest_flips(rules, leading_subject(subjects, stored.record), limit);
    }
};

std::vector<std::string> texts_of(const std::vector<Flip>& flips) {
    std::vector<std::string> texts;
    for (const Flip& flip : flips)
        texts.push_back(flip_to_text(flip));
    return texts;
}

TEST(NearestFlip, TellsTheSmallestChangeFirst) {
    const auto rules = compiled_text(std::string(points_rules));
    Facts facts;
    facts.set(
        *rules->dictionary().find("dnsbl.zen"),
        TextList{
            {"sbl", "xbl"},
            ""
    }
    );
    facts.set(id_of(CoreFact::spf_result), std::string("fail"));
    const Recorded recorded(*rules, facts, Stage::end);
    ASSERT_EQ(recorded.stored.record.verdict.action, Action::reject);  // 13 points
    const auto flips = recorded.flips(*rules);
    const std::vector<std::string> want = {
        "if the threshold reject were above 13 instead of 12: junk by threshold:junk",
        "if dnsbl.zen were xbl instead of sbl, xbl: junk by threshold:junk",
        "without the rule spf: junk by threshold:junk",
        "if spf.result were pass or neutral or none or temperror instead of fail: junk by threshold:junk",
        "without the rule zen: accept by default",
    };
    auto texts = texts_of(flips);
    ASSERT_GE(texts.size(), want.size());
    EXPECT_EQ(texts[0], want[0]);
    for (const std::string& one : want)
        EXPECT_NE(std::ranges::find(texts, one), texts.end()) << one << "\n"
                                                              << fmt::format("{}", fmt::join(texts, "\n"));
    for (std::size_t at = 1; at < flips.size(); ++at)
        EXPECT_LE(
            std::tuple(flips[at - 1].hits_changed, flips[at - 1].points_moved),
            std::tuple(flips[at].hits_changed, flips[at].points_moved)
        );
    EXPECT_EQ(recorded.flips(*rules, 2).size(), 2U);
    // Who somebody is, is not changed.
    for (const Flip& flip : flips)
        EXPECT_FALSE(flip.what.starts_with("client.") || flip.what.starts_with("rcpt.")) << flip.what;
}

TEST(NearestFlip, EveryFlipIsTrue) {
    const auto rules = compiled_text(std::string(points_rules));
    Facts facts;
    facts.set(*rules->dictionary().find("dnsbl.zen"), TextList{{"xbl"}, ""});
    facts.set(id_of(CoreFact::spf_result), std::string("softfail"));
    const Recorded recorded(*rules, facts, Stage::end);
    ASSERT_EQ(recorded.stored.record.verdict.action, Action::junk);  // 7 points
    std::size_t rules_seen = 0;
    for (const Flip& flip : recorded.flips(*rules)) {
        SCOPED_TRACE(flip_to_text(flip));
        EXPECT_NE(flip.verdict, Action::junk);
        if (flip.kind != Flip::Kind::rule) continue;
        ++rules_seen;
        const auto mode = flip.to == "off" ? RuleMode::off : RuleMode::enforce;
        const Verdict verdict = decide(
            *with_modes(
                *rules,
                {
                    {flip.what, mode}
        }
            ),
            facts,
            Stage::end
        );
        EXPECT_EQ(verdict.action, flip.verdict);
        EXPECT_EQ(verdict.rule, flip.rule);
    }
    EXPECT_EQ(rules_seen, 2U);  // zen off; strict enforced
}

TEST(NearestFlip, OfARefusalAtRcptItGoesOn) {
    const auto rules =
        compiled_text("[[rule]]\nid = \"a\"\nwhen = 'client.port > 1'\nthen = \"reject\"\nat = \"connect\"\n"
        );
    Facts facts;
    facts.set(id_of(CoreFact::client_port), std::int64_t{2});
    const Recorded recorded(*rules, facts, Stage::rcpt);
    const auto texts = texts_of(recorded.flips(*rules));
    ASSERT_FALSE(texts.empty());
    EXPECT_EQ(texts[0], "without the rule a: it would have passed rcpt and gone on");
}

TEST(NearestFlip, KnowsTheOverrideThatAllowedNoWorse) {
    const auto rules = compiled_text(
        "[[rule]]\nid = \"a\"\nwhen = 'client.port > 1'\nthen = \"reject\"\n"
        "[[override]]\ndomains = [\"example.test\"]\nworst = \"junk\"\n"
    );
    Facts facts;
    facts.set(id_of(CoreFact::client_port), std::int64_t{2});
    facts.set(id_of(CoreFact::rcpt_domain), std::string("example.test"));
    const Recorded recorded(*rules, facts, Stage::end);
    ASSERT_EQ(recorded.stored.record.verdict.action, Action::junk);
    const auto flips = recorded.flips(*rules);
    const auto worst = std::ranges::find(flips, Flip::Kind::worst, &Flip::kind);
    ASSERT_NE(worst, flips.end());
    EXPECT_EQ(worst->verdict, Action::reject);
    EXPECT_EQ(flip_to_text(*worst), "without worst = \"junk\" of the override rules.toml:5: reject by a");
}

TEST(NearestFlip, ProposesNoThresholdThatNobodyCanSet) {
    const auto rules = compiled_text(std::string(points_rules));
    const auto thresholds_of = [&](std::vector<std::string> listed) {
        Facts facts;
        facts.set(*rules->dictionary().find("dnsbl.zen"), TextList{std::move(listed), ""});
        facts.set(id_of(CoreFact::spf_result), std::string("fail"));
        std::vector<std::string> texts;
        for (const Flip& flip : Recorded(*rules, facts, Stage::end).flips(*rules))
            if (flip.kind == Flip::Kind::threshold) texts.push_back(flip_to_text(flip));
        return texts;
    };
    // 4 points: reject would have to be above junk, which is 5.
    EXPECT_EQ(
        thresholds_of({}),
        std::vector<std::string>{"if the threshold junk were 4 instead of 5: junk by threshold:junk"}
    );
    // 10 points: either will do.
    EXPECT_EQ(
        thresholds_of({"xbl"}),
        (std::vector<std::string>{
            "if the threshold reject were 10 instead of 12: reject by threshold:reject",
            "if the threshold junk were above 10 instead of 5: accept by default"
        })
    );
    const auto edge =
        compiled_text("[thresholds]\njunk = 5\n[[rule]]\nid = \"a\"\nwhen = 'true'\npoints = 5\n");
    EXPECT_EQ(
        texts_of(Recorded(*edge, Facts(), Stage::end).flips(*edge, 1)),
        std::vector<std::string>{"if the threshold junk were above 5 (it is just that): accept by default"}
    );
}

TEST(NearestFlip, TellsWhatARuleWouldDoThatTheBreakerHasInShadow) {
    const auto rules = compiled_text(
        std::string(points_rules) + "[[rule]]\nid = \"slip\"\nwhen = 'client.port > 1'\nthen = \"reject\"\n"
    );
    Facts facts;
    facts.set(id_of(CoreFact::client_port), std::int64_t{2});
    const std::vector<std::string> in_shadow = {"slip"};
    Recorded recorded(*with_shadow(*rules, in_shadow), facts, Stage::end);
    recorded.stored.record.rules_in_shadow = in_shadow;
    ASSERT_EQ(recorded.stored.record.verdict.action, Action::accept);
    const auto texts = texts_of(recorded.flips(*rules));
    EXPECT_NE(
        std::ranges::find(texts, "if the rule slip were in mode enforce (it is shadow): reject by slip"),
        texts.end()
    ) << fmt::format("{}", fmt::join(texts, "\n"));
}

TEST(NearestFlip, SaysNothingWhereTheRulesSayOtherwise) {
    const auto rules = compiled_text(std::string(points_rules));
    Facts facts;
    facts.set(id_of(CoreFact::spf_result), std::string("fail"));
    Recorded recorded(*rules, facts, Stage::end);
    EXPECT_FALSE(recorded.flips(*rules).empty());
    recorded.stored.record.recipients[0].verdict.rule = "gone";
    EXPECT_TRUE(recorded.flips(*rules).empty());
}

TEST(RuleVariants, ChangeOneThingAndNothingElse) {
    const auto rules = compiled_text(
        std::string(points_rules) +
        "[[override]]\ndomains = [\"strict.test\"]\nthresholds = { junk = 3 }\nmodes = { spf = \"off\" }\n"
    );
    Facts facts;
    facts.set(id_of(CoreFact::spf_result), std::string("fail"));
    EXPECT_EQ(thresholds_for(*rules, facts).junk, 5);
    facts.set(id_of(CoreFact::rcpt_domain), std::string("strict.test"));
    EXPECT_EQ(thresholds_for(*rules, facts).junk, 3);
    EXPECT_EQ(thresholds_for(*rules, facts).reject, 12);
    EXPECT_EQ(decide(*rules, facts, Stage::end).points, 0);
    const auto on = with_modes(
        *rules,
        {
            {"spf",          RuleMode::enforce},
            {"no such rule", RuleMode::off    }
    }
    );
    EXPECT_EQ(decide(*on, facts, Stage::end).points, 4);
    EXPECT_EQ(decide(*on, facts, Stage::end).action, Action::junk);
    EXPECT_EQ(on->hash(), rules->hash());
    const auto high = with_thresholds(*on, 4.5, std::nullopt);
    EXPECT_EQ(decide(*high, facts, Stage::end).action, Action::accept);
    EXPECT_EQ(decide(*rules, facts, Stage::end).points, 0);
    ASSERT_EQ(briefs_of(*rules).size(), 3U);
    EXPECT_EQ(briefs_of(*rules)[2].id, "strict");
    EXPECT_EQ(briefs_of(*rules)[2].mode, RuleMode::shadow);
    EXPECT_EQ(briefs_of(*rules)[2].action, Action::reject);
}

TEST(RuleVariants, ThoseInShadowAreMadeOnce) {
    const auto rules = compiled_text(std::string(points_rules));
    const auto shadow = with_shadow(*rules, {"zen"});
    EXPECT_EQ(briefs_of(*shadow)[0].mode, RuleMode::shadow);
    EXPECT_EQ(briefs_of(*rules)[0].mode, RuleMode::enforce);
    EXPECT_EQ(with_shadow(*rules, {"zen"}), shadow);
    const auto other = with_shadow(*rules, {"spf"});
    EXPECT_EQ(briefs_of(*other)[0].mode, RuleMode::enforce);
    EXPECT_EQ(briefs_of(*other)[1].mode, RuleMode::shadow);
    EXPECT_EQ(with_shadow(*rules, {"zen"}), shadow) << "two may be asked for by turns";
    // What was asked for long ago is made again, and is no other.
    for (int at = 0; at < 10; ++at)
        with_shadow(*rules, {fmt::format("r{}", at)});
    EXPECT_EQ(briefs_of(*with_shadow(*rules, {"zen"}))[0].mode, RuleMode::shadow);
    // A variant has its own variants.
    EXPECT_EQ(briefs_of(*with_shadow(*shadow, {"spf"}))[0].mode, RuleMode::shadow);
    // Records judged one after another do not copy the rules each.
    StoredRecord stored;
    stored.dictionary = rules->dictionary();
    stored.record.rules_in_shadow = {"zen"};
    const auto subjects = subjects_of(stored, rules->dictionary());
    const auto kept = with_shadow(*rules, {"zen"});
    const auto uses = kept.use_count();
    for (int at = 0; at < 3; ++at)
        judge(*rules, subjects[0]);
    EXPECT_EQ(with_shadow(*rules, {"zen"}), kept);
    EXPECT_EQ(kept.use_count(), uses);
}

}  // namespace
}  // namespace wicket
