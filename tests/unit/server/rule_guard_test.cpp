#include "server/rule_guard.hpp"

#include "policy/time_text.hpp"
#include "tests/support/table_memory.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

std::shared_ptr<const PolicyState> state_of(const std::string& text) {
    Diagnostics diagnostics;
    auto state = std::make_shared<PolicyState>();
    state->rules = compile_rules(
        {
            {"rules.toml", text}
    },
        diagnostics
    );
    state->dictionary = std::shared_ptr<const FactDictionary>(state->rules, &state->rules->dictionary());
    return state;
}

constexpr std::string_view slip = "[[rule]]\nid = \"slip\"\nwhen = 'client.port > 1'\nthen = \"reject\"\n";
constexpr std::string_view other = "[[rule]]\nid = \"other\"\nwhen = 'client.port > 2'\nthen = \"reject\"\n";

class RuleGuardTest : public testing::Test {
protected:
    RuleGuardTest() { guard_.install(state_of(std::string(slip) + std::string(other))); }

    /// A transaction of a network of its own, whose sender's domain SPF vouches for.
    DecisionRecord record(Action action, const std::string& rule, const std::string& domain) {
        DecisionRecord made;
        made.time = clock_.wall();
        made.client_ip = *IpAddress::parse(fmt::format("10.{}.{}.1", network_ / 256, network_ % 256));
        ++network_;
        made.verdict.action = action;
        made.verdict.rule = rule;
        made.facts.set(id_of(CoreFact::spf_result), std::string("pass"));
        made.facts.set(id_of(CoreFact::mail_domain), domain);
        return made;
    }
    /// Five known good domains, each refused by the rule.
    void refuse_good_senders(const std::string& rule) {
        for (int domain = 0; domain < 5; ++domain)
            for (std::uint32_t at = 0; at < breaker_good_after; ++at)
                guard_.decided(record(Action::accept, "default", fmt::format("d{}.example", domain)));
        for (int domain = 0; domain < 5; ++domain)
            guard_.decided(record(Action::reject, rule, fmt::format("d{}.example", domain)));
    }
    Action action_now() const {
        Facts facts;
        facts.set(id_of(CoreFact::client_port), std::int64_t{2});
        return decide(*policy_.get()->rules, facts, Stage::rcpt).action;
    }

    ManualClock clock_{*parse_time("2026-06-01T12:00:00Z")};
    TableMemory memory_{clock_};
    CurrentPolicy policy_;
    RuleGuard guard_{policy_, memory_, clock_};
    int network_ = 0;
};

TEST_F(RuleGuardTest, PutsARuleThatRefusesGoodSendersIntoShadow) {
    EXPECT_EQ(action_now(), Action::reject);
    refuse_good_senders("slip");
    EXPECT_EQ(action_now(), Action::none);
    EXPECT_EQ(policy_.get()->rules_in_shadow, std::vector<std::string>{"slip"});
    ASSERT_EQ(guard_.tripped().size(), 1U);
    EXPECT_EQ(guard_.tripped()[0].rule, "slip");
    // After a day it is tried again.
    clock_.advance(breaker_pause);
    guard_.decided(record(Action::accept, "default", "x.example"));
    EXPECT_EQ(action_now(), Action::reject);
    EXPECT_TRUE(policy_.get()->rules_in_shadow.empty());
}

TEST_F(RuleGuardTest, StaysThroughAReloadUnlessTheRuleWasChanged) {
    refuse_good_senders("slip");
    guard_.install(state_of("# a comment\n" + std::string(slip)));
    EXPECT_EQ(action_now(), Action::none);
    guard_.install(state_of("[[rule]]\nid = \"slip\"\nwhen = 'client.port > 1 '\nthen = \"reject\"\n"));
    EXPECT_EQ(action_now(), Action::reject);
    EXPECT_TRUE(guard_.tripped().empty());
}

TEST_F(RuleGuardTest, OutlivesARestartAndEndsByReset) {
    refuse_good_senders("slip");
    CurrentPolicy policy;
    RuleGuard next(policy, memory_, clock_);
    next.install(state_of(std::string(slip)));
    EXPECT_EQ(policy.get()->rules_in_shadow, std::vector<std::string>{"slip"});
    EXPECT_FALSE(next.reset("other"));
    EXPECT_FALSE(next.reset("no such rule"));
    EXPECT_TRUE(next.reset("slip"));
    EXPECT_TRUE(policy.get()->rules_in_shadow.empty());
    EXPECT_EQ(next.reset("slip").error().code, ErrorCode::not_found);
}

TEST_F(RuleGuardTest, IsReadFromWhatAServerHasLeft) {
    const auto left = [this](const std::string& text) {
        return tripped_in(memory_, *state_of(text)->rules, clock_.wall());
    };
    EXPECT_TRUE(left(std::string(slip)).empty());
    refuse_good_senders("slip");
    const std::vector<TrippedRule> tripped = left(std::string(other) + std::string(slip));
    ASSERT_EQ(tripped.size(), 1U);
    EXPECT_EQ(tripped[0].rule, "slip");
    EXPECT_EQ(tripped[0].since, clock_.wall());
    EXPECT_NE(tripped[0].reason.find("known to be good"), std::string::npos);
    EXPECT_TRUE(left(std::string(other)).empty());
    EXPECT_TRUE(left("[[rule]]\nid = \"slip\"\nwhen = 'client.port > 3'\nthen = \"reject\"\n").empty());
    clock_.advance(breaker_pause);
    EXPECT_TRUE(left(std::string(slip)).empty());
}

TEST_F(RuleGuardTest, AnswersTheControlSocket) {
    refuse_good_senders("slip");
    EXPECT_FALSE(answer_rule_request(guard_, R"({"do":"list"})"));
    EXPECT_FALSE(answer_rule_request(guard_, "no JSON"));
    EXPECT_NE(answer_rule_request(guard_, R"({"do":"reset_rule"})")->find("not_found"), std::string::npos);
    EXPECT_EQ(answer_rule_request(guard_, R"({"do":"reset_rule","rule":"slip"})"), R"({"ok":true})");
    EXPECT_EQ(action_now(), Action::reject);
}

TEST_F(RuleGuardTest, DoesNotCountWhatNoRuleRefused) {
    refuse_good_senders("builtin:unknown-user");
    EXPECT_TRUE(guard_.tripped().empty());
}

}  // namespace
}  // namespace wicket
