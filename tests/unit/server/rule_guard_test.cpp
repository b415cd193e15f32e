#include "server/rule_guard.hpp"

#include "policy/rule_variants.hpp"
#include "policy/time_text.hpp"
#include "tests/support/table_memory.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <thread>

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
constexpr std::string_view other = "[[rule]]\nid = \"other\"\nwhen = 'client.port != 2'\nthen = \"reject\"\n";

std::shared_ptr<const PolicyState> loaded_from(const std::vector<std::string>& folders) {
    Diagnostics diagnostics;
    auto state = std::make_shared<PolicyState>();
    state->rules = load_rules(folders, diagnostics);
    EXPECT_NE(state->rules, nullptr);
    state->dictionary = std::shared_ptr<const FactDictionary>(state->rules, &state->rules->dictionary());
    return state;
}

void write_file(const std::string& folder, const std::string& name, std::string_view text) {
    std::filesystem::create_directories(folder);
    std::ofstream(folder + '/' + name) << text;
}

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
        for (std::uint32_t at = 0; at < breaker_good_after; ++at) {
            if (at + 1 == breaker_good_after) clock_.advance(std::chrono::hours(1));
            for (int domain = 0; domain < 5; ++domain)
                guard_.decided(record(Action::accept, "default", fmt::format("d{}.example", domain)));
        }
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
    EXPECT_TRUE(left("[[rule]]\nid = \"slip\"\nwhen = 'client.port != 3'\nthen = \"reject\"\n").empty());
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

TEST_F(RuleGuardTest, KnowsARuleOfALaterFolderByItsOwnText) {
    // Each folder has a file of this name; a name may also end with another one.
    const test::TemporaryFolder folder;
    const auto install = [&](std::string_view first, std::string_view second, std::string_view longer) {
        write_file(folder / "1", "a.toml", first);
        write_file(folder / "2", "aa.toml", longer);
        write_file(folder / "2", "a.toml", second);
        guard_.install(loaded_from({folder / "1", folder / "2"}));
    };
    const std::string third = "[[rule]]\nid = \"third\"\nwhen = 'client.port != 3'\nthen = \"reject\"\n";
    install(third, slip, other);
    refuse_good_senders("slip");
    ASSERT_EQ(guard_.tripped().size(), 1U);
    install(
        third + "# another\n[[rule]]\nid = \"fourth\"\nwhen = 'client.port != 4'\nthen = \"reject\"\n",
        slip,
        other
    );
    EXPECT_EQ(guard_.tripped().size(), 1U) << "another file was changed";
    install(third, "[[rule]]\nid = \"slip\"\nwhen = 'client.port != 7'\nthen = \"reject\"\n", other);
    EXPECT_TRUE(guard_.tripped().empty()) << "the rule itself was changed";
}

TEST_F(RuleGuardTest, ShowsARuleAsItStandsInItsOwnFile) {
    const test::TemporaryFolder folder;
    const std::string comment = "# above it\n\n";
    write_file(folder / "1", "a.toml", comment + std::string(other));
    write_file(folder / "1", "ba.toml", slip);
    const std::string third = "[[rule]]\nid = \"third\"\nwhen = 'client.port != 3'\nthen = \"reject\"\n";
    write_file(folder / "2", "a.toml", third);
    const auto state = loaded_from({folder / "1", folder / "2"});
    Diagnostics ignored;
    for (const auto& rules : {state->rules, recompile_rules(state->rules->sources(), ignored)}) {
        EXPECT_EQ(text_of_rule(*rules, "other"), other);
        EXPECT_EQ(text_of_rule(*rules, "slip"), slip);
        EXPECT_EQ(text_of_rule(*rules, "third"), third);
        EXPECT_EQ(text_of_rule(*rules, "no such rule"), "");
    }
}

TEST_F(RuleGuardTest, ManyThreadsMayTellOfDecisions) {
    std::vector<DecisionRecord> records;
    for (int at = 0; at < 200; ++at)
        records.push_back(record(at % 2 == 0 ? Action::accept : Action::reject, "slip", "d.example"));
    {
        std::vector<std::jthread> threads;
        for (int thread = 0; thread < 4; ++thread)
            threads.emplace_back([&] {
                for (const DecisionRecord& one : records)
                    guard_.decided(one);
                guard_.save();
            });
    }
    CircuitBreaker kept;
    const auto text = memory_.recall("circuit breaker");
    ASSERT_TRUE(text);
    EXPECT_NE(text->find("all\t\t"), std::string::npos);
    EXPECT_NE(text->find("\t200\n"), std::string::npos) << *text;
}

TEST_F(RuleGuardTest, DoesNotCountWhatNoRuleRefused) {
    refuse_good_senders("builtin:unknown-user");
    EXPECT_TRUE(guard_.tripped().empty());
}

}  // namespace
}  // namespace wicket
