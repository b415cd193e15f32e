#include "filters/chain.hpp"

#include "net/delay.hpp"
#include "tests/support/run_awaitable.hpp"
#include "tests/support/table_resolver.hpp"
#include "tests/support/text_fact.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>

namespace wicket {
namespace {

using boost::asio::awaitable;

class ScriptedFilter : public Filter {
public:
    using Work = std::function<awaitable<Observation>(FactsSnapshot, FilterTools)>;

    ScriptedFilter(std::string name, std::vector<FactId> needs, std::vector<FactId> makes, Work work)
        : name_(std::move(name)),
          needs_(std::move(needs)),
          makes_(std::move(makes)),
          work_(std::move(work)) {}

    std::string_view name() const override { return name_; }
    std::vector<FactId> needs() const override { return needs_; }
    std::vector<FactId> makes() const override { return makes_; }
    std::chrono::milliseconds timeout() const override { return std::chrono::seconds(1); }
    awaitable<Observation> examine(FactsSnapshot facts, FilterTools tools) const override {
        return work_(std::move(facts), std::move(tools));
    }

private:
    std::string name_;
    std::vector<FactId> needs_, makes_;
    Work work_;
};

constexpr FactId client_ip = id_of(CoreFact::client_ip);
constexpr FactId helo_name = id_of(CoreFact::helo_name);
constexpr FactId iprev = id_of(CoreFact::iprev_result);
constexpr FactId client_name = id_of(CoreFact::client_name);
constexpr FactId helo_form_fact = id_of(CoreFact::helo_form);

awaitable<Observation> give(FactId fact, std::string value) {
    Observation seen;
    seen.facts.emplace_back(fact, std::move(value));
    co_return seen;
}

awaitable<Observation> give_late(FactId fact, std::string value) {
    co_await delay(std::chrono::milliseconds(20));
    co_return co_await give(fact, std::move(value));
}

awaitable<Observation> never() {
    co_await delay(std::chrono::hours(1));
    co_return Observation{};
}

awaitable<Observation> fail() {
    throw std::runtime_error("broken on purpose");
    co_return Observation{};
}

std::shared_ptr<const Filter> filter(
    std::string name, std::vector<FactId> needs, std::vector<FactId> makes, ScriptedFilter::Work work
) {
    return std::make_shared<ScriptedFilter>(
        std::move(name), std::move(needs), std::move(makes), std::move(work)
    );
}

struct Fixture {
    explicit Fixture(std::vector<std::shared_ptr<const Filter>> filters) {
        Diagnostics diagnostics;
        chain = FilterChain::build(std::move(filters), *dictionary, diagnostics);
        EXPECT_FALSE(diagnostics.has_errors());
        run = std::make_unique<ChainRun>(chain, dictionary, dns, system_clock(), loop.get_executor());
        run->provide(client_ip, *IpAddress::parse("203.0.113.9"));
    }

    static awaitable<bool> settled(ChainRun& run, Stage stage, std::chrono::milliseconds budget) {
        co_await run.settle(stage, system_clock().steady() + budget);
        co_return true;
    }

    /// The loop goes on only as long as settle() waits, so that a filter that never ends does not hold the
    /// test.
    void settle(Stage stage, std::chrono::milliseconds budget = std::chrono::seconds(10)) {
        bool is_done = false;
        boost::asio::co_spawn(
            loop,
            settled(*run, stage, budget),
            [&is_done](const std::exception_ptr&, bool) { is_done = true; }
        );
        loop.restart();
        while (!is_done && loop.run_one() != 0) {
        }
        EXPECT_TRUE(is_done);
    }

    boost::asio::io_context loop;
    TableResolver dns;
    std::shared_ptr<const FactDictionary> dictionary = std::make_shared<FactDictionary>();
    std::shared_ptr<const FilterChain> chain;
    std::unique_ptr<ChainRun> run;
};

TEST(FilterChain, RefusesWhatCannotBeAGraph) {
    const FactDictionary dictionary;
    const auto work = [](const FactsSnapshot&, const FilterTools&) { return never(); };
    Diagnostics twice;
    EXPECT_EQ(
        FilterChain::build(
            {filter("a", {client_ip}, {iprev}, work), filter("b", {client_ip}, {iprev}, work)},
            dictionary,
            twice
        ),
        nullptr
    );
    EXPECT_NE(twice.sorted().front().message.find("made by two filters"), std::string::npos);
    Diagnostics missing;
    EXPECT_EQ(
        FilterChain::build({filter("a", {iprev}, {helo_form_fact}, work)}, dictionary, missing), nullptr
    );
    EXPECT_NE(missing.sorted().front().message.find("no filter makes"), std::string::npos);
    Diagnostics circle;
    EXPECT_EQ(
        FilterChain::build(
            {filter("a", {iprev}, {client_name}, work), filter("b", {client_name}, {iprev}, work)},
            dictionary,
            circle
        ),
        nullptr
    );
    EXPECT_NE(circle.sorted().front().message.find("circle"), std::string::npos);
}

TEST(ChainRun, BeginsAFilterWhenItsNeedsAreGathered) {
    // The second one stands before the first, and must still see its fact.
    Fixture fixture({
        filter(
            "second",
            {client_name},
            {helo_form_fact},
            [](const FactsSnapshot& facts, const FilterTools&) {
                return give(helo_form_fact, "after " + fact_to_text(facts->get(client_name)));
            }
        ),
        filter(
            "first",
            {client_ip},
            {client_name},
            [](const FactsSnapshot&, const FilterTools&) { return give_late(client_name, "mx.example"); }
        ),
    });
    fixture.run->begin(Stage::connect);
    fixture.settle(Stage::connect);
    EXPECT_EQ(fixture.run->facts().get(helo_form_fact), text("after mx.example"));
}

TEST(ChainRun, LeavesTheFactsOfALateFilterUnknown) {
    Fixture fixture(
        {filter(
             "slow", {client_ip}, {iprev}, [](const FactsSnapshot&, const FilterTools&) { return never(); }
         ),
         filter(
             "quick",
             {client_ip},
             {client_name},
             [](const FactsSnapshot&, const FilterTools&) { return give(client_name, "mx.example"); }
         )}
    );
    fixture.run->begin(Stage::connect);
    fixture.settle(Stage::connect, std::chrono::milliseconds(10));
    EXPECT_EQ(fixture.run->facts().get(iprev), text("temperror"));
    EXPECT_EQ(fixture.run->facts().get(client_name), text("mx.example"));
}

TEST(ChainRun, LeavesTheFactsOfAFailedFilterUnknown) {
    Fixture fixture({filter("broken", {client_ip}, {iprev}, [](const FactsSnapshot&, const FilterTools&) {
        return fail();
    })});
    fixture.run->begin(Stage::connect);
    fixture.settle(Stage::connect);
    EXPECT_EQ(fixture.run->facts().get(iprev), text("temperror"));
}

TEST(ChainRun, WaitsForTheStageOnlyThatIsAskedFor) {
    Fixture fixture({filter(
        "at helo",
        {helo_name},
        {helo_form_fact},
        [](const FactsSnapshot&, const FilterTools&) { return never(); }
    )});
    fixture.run->begin(Stage::connect);
    fixture.settle(Stage::connect, std::chrono::milliseconds(10));
    fixture.run->provide(helo_name, std::string("mx.example"));
    fixture.run->begin(Stage::helo);
    fixture.settle(Stage::connect, std::chrono::milliseconds(10));
    EXPECT_EQ(fixture.run->facts().get(helo_form_fact), FactValue(Absent{}));
}

TEST(ChainRun, ForgetsWhatALaterGreetingMadeStale) {
    int runs = 0;
    Fixture fixture({
        filter(
            "once",
            {client_ip},
            {client_name},
            [&runs](const FactsSnapshot&, const FilterTools&) {
                ++runs;
                return give(client_name, "mx.example");
            }
        ),
        filter(
            "each",
            {helo_name},
            {helo_form_fact},
            [](const FactsSnapshot& facts, const FilterTools&) {
                return give_late(helo_form_fact, fact_to_text(facts->get(helo_name)));
            }
        ),
    });
    fixture.run->begin(Stage::connect);
    for (const std::string name : {"one", "two"}) {
        fixture.run->forget_from(Stage::helo);
        EXPECT_EQ(fixture.run->facts().get(helo_form_fact), FactValue(Absent{}));
        fixture.run->provide(helo_name, name);
        fixture.run->begin(Stage::helo);
    }
    fixture.settle(Stage::helo);
    // The late answer to the first name must not be taken for one to the second.
    EXPECT_EQ(fixture.run->facts().get(helo_form_fact), text("two"));
    EXPECT_EQ(runs, 1);
}

TEST(ChainRun, LetsTheSessionOverruleAFilter) {
    Fixture fixture({
        filter(
            "iprev",
            {client_ip},
            {client_name, iprev},
            [](FactsSnapshot, FilterTools) -> awaitable<Observation> {
                Observation seen = co_await give_late(client_name, "real.test");
                seen.facts.emplace_back(iprev, std::string("pass"));
                co_return seen;
            }
        ),
    });
    ChainRun& run = *fixture.run;
    const auto name_is = [&](const std::string& wanted) {
        return run.facts().get(client_name) == FactValue(wanted) &&
               run.facts().get(iprev) == FactValue(std::string("pass"));
    };
    run.overrule(client_name, std::string("claimed.test"));
    run.begin(Stage::connect);
    fixture.settle(Stage::connect);
    EXPECT_TRUE(name_is("claimed.test"));
    // A new client: what was said of the other is forgotten.
    run.forget_from(Stage::connect);
    run.provide(client_ip, *IpAddress::parse("203.0.113.9"));
    run.begin(Stage::connect);
    fixture.settle(Stage::connect);
    EXPECT_TRUE(name_is("real.test"));
}

TEST(ChainRun, BeginsAnewWithAnotherChain) {
    const auto one = [](const std::string& word) {
        return filter("iprev", {client_ip}, {iprev}, [word](FactsSnapshot, FilterTools) {
            return give_late(iprev, word);
        });
    };
    Fixture fixture({one("fail")});
    Fixture other({one("pass")});
    ChainRun& run = *fixture.run;
    run.begin(Stage::connect);
    run.begin_anew(other.chain, other.dictionary);
    EXPECT_EQ(run.facts().get(client_ip), FactValue(Absent{}));
    run.provide(client_ip, *IpAddress::parse("203.0.113.9"));
    run.begin(Stage::connect);
    fixture.settle(Stage::connect);
    EXPECT_EQ(run.facts().get(iprev), FactValue(std::string("pass")));
    EXPECT_EQ(run.events().size(), 1U);
}

TEST(ChainRun, MayEndBeforeItsFilters) {
    Fixture fixture({filter("late", {client_ip}, {iprev}, [](const FactsSnapshot&, const FilterTools&) {
        return give_late(iprev, "pass");
    })});
    fixture.run->begin(Stage::connect);
    fixture.run.reset();
    fixture.loop.restart();
    fixture.loop.run();
}

/// Asks, and is never answered.
class SilentResolver : public DnsResolver {
public:
    awaitable<DnsAnswer> lookup(DnsQuestion /*question*/, SteadyTime /*deadline*/) override {
        co_await delay(std::chrono::hours(1));
        co_return DnsAnswer{};
    }
};

awaitable<Observation> ask_for(FilterTools tools, DnsQuestion question) {
    Observation seen;
    co_await look_up(tools, seen, std::move(question));
    co_return seen;
}

TEST(ChainRun, ShowsWhatIsUnderWayAsUnknownInARecord) {
    Fixture fixture({
        filter(
            "slow",
            {client_ip},
            {iprev, client_name},
            [](const FactsSnapshot&, const FilterTools&) { return never(); }
        ),
        filter(
            "after it",
            {client_name},
            {helo_form_fact},
            [](const FactsSnapshot&, const FilterTools&) { return never(); }
        ),
        filter(
            "later",
            {id_of(CoreFact::mail_from)},
            {id_of(CoreFact::spf_explanation)},
            [](const FactsSnapshot&, const FilterTools&) { return never(); }
        ),
    });
    fixture.run->begin(Stage::connect);
    const Facts recorded = fixture.run->recorded_facts();
    EXPECT_EQ(recorded.get(iprev), text("temperror"));
    EXPECT_EQ(recorded.get(client_name), FactValue(Unknown{"not known yet"}));
    EXPECT_EQ(recorded.get(helo_form_fact), FactValue(Unknown{"not known yet"}));
    EXPECT_EQ(recorded.get(id_of(CoreFact::spf_explanation)), FactValue(Absent{})) << "there was no MAIL";
    EXPECT_EQ(fixture.run->facts().get(iprev), FactValue(Absent{})) << "no rule decides by it";
    fixture.settle(Stage::connect, std::chrono::milliseconds(10));
    EXPECT_EQ(fixture.run->recorded_facts().get(client_name), FactValue(Unknown{"late"}));
}

TEST(ChainRun, KeepsTheQuestionsOfAFilterThatIsLate) {
    SilentResolver silent;
    Fixture fixture({filter("asks", {client_ip}, {iprev}, [](const FactsSnapshot&, const FilterTools& tools) {
        return ask_for(tools, {"slow.example", DnsType::ptr});
    })});
    ChainRun run(fixture.chain, fixture.dictionary, silent, system_clock(), fixture.loop.get_executor());
    run.provide(client_ip, *IpAddress::parse("203.0.113.9"));
    run.begin(Stage::connect);
    fixture.loop.poll();
    for (const bool is_late : {false, true}) {
        SCOPED_TRACE(is_late);
        if (is_late) {
            bool is_done = false;
            boost::asio::co_spawn(
                fixture.loop,
                Fixture::settled(run, Stage::connect, std::chrono::milliseconds(10)),
                [&is_done](const std::exception_ptr&, bool) { is_done = true; }
            );
            while (!is_done && fixture.loop.run_one() != 0) {
            }
        }
        const std::vector<DnsLookup> lookups = run.lookups();
        ASSERT_EQ(lookups.size(), 1U);
        EXPECT_EQ(lookups[0].question, (DnsQuestion{"slow.example", DnsType::ptr}));
        EXPECT_EQ(lookups[0].answer.status, DnsStatus::try_again);
        EXPECT_NE(lookups[0].answer.micros, 0U);
    }
    run.forget_from(Stage::connect);
    EXPECT_TRUE(run.lookups().empty());
}

TEST(ChainRun, CountsThePassesThroughWorkers) {
    Fixture fixture({filter(
        "scan",
        {client_ip},
        {iprev},
        [](const FactsSnapshot&, const FilterTools&) -> awaitable<Observation> {
            Observation seen;
            seen.scan_passes = 3;
            co_return seen;
        }
    )});
    fixture.run->begin(Stage::connect);
    fixture.settle(Stage::connect);
    EXPECT_EQ(fixture.run->scan_passes(), 3U);
    fixture.run->forget_from(Stage::connect);
    EXPECT_EQ(fixture.run->scan_passes(), 0U);
}

class WaitingFilter : public ScriptedFilter {
public:
    using ScriptedFilter::ScriptedFilter;

    bool can_wait() const override { return true; }
    std::vector<DnsQuestion> foresee(const Facts& /*facts*/) const override {
        return {
            {"known.test", DnsType::txt},
            {"asked.test", DnsType::txt}
        };
    }
};

TEST(ChainRun, LetsAFilterWaitUntilTheEndOrUntilAnAnswerDependsOnIt) {
    for (const bool is_asked_for : {false, true}) {
        SCOPED_TRACE(is_asked_for);
        Fixture fixture({std::make_shared<WaitingFilter>(
            "costly",
            std::vector<FactId>{client_ip},
            std::vector<FactId>{client_name, helo_form_fact, iprev},
            [](const FactsSnapshot&, const FilterTools&) { return give(client_name, "a.test"); }
        )});
        fixture.run->begin(Stage::connect);
        fixture.settle(Stage::rcpt);
        EXPECT_TRUE(std::holds_alternative<Unknown>(fixture.run->facts().get(client_name)));
        EXPECT_EQ(fixture.run->facts().get(iprev), FactValue(Unknown{"not looked at"}));
        EXPECT_EQ(fixture.run->recorded_facts().get(iprev), FactValue(Unknown{"not looked at"}))
            << "nothing failed: records have what rules saw";
        EXPECT_EQ(fixture.run->recorded_facts().get(client_name), FactValue(Unknown{"not looked at"}));
        EXPECT_TRUE(fixture.run->is_any_waiting());
        EXPECT_TRUE(fixture.run->events().empty());
        if (is_asked_for) {
            fixture.run->begin_waiting();
        } else {
            fixture.run->begin(Stage::end);
        }
        fixture.settle(Stage::end);
        EXPECT_FALSE(fixture.run->is_any_waiting());
        EXPECT_EQ(fixture.run->facts().get(client_name), text("a.test"));
        EXPECT_EQ(fixture.run->facts().get(helo_form_fact), FactValue(Absent{})) << "it made none";
        fixture.run->forget_from(Stage::connect);
        fixture.run->provide(client_ip, *IpAddress::parse("203.0.113.9"));
        fixture.run->begin(Stage::connect);
        EXPECT_TRUE(fixture.run->is_any_waiting()) << "a new transaction waits again";
    }
}

TEST(ChainRun, AsksInAdvanceWhatAWaitingFilterWillAsk) {
    Fixture fixture({std::make_shared<WaitingFilter>(
        "costly",
        std::vector<FactId>{client_ip},
        std::vector<FactId>{client_name},
        [](const FactsSnapshot&, const FilterTools&) { return give(client_name, "a.test"); }
    )});
    fixture.dns.remember({"known.test", DnsType::txt});
    fixture.run->begin(Stage::connect);
    fixture.run->foresee();
    fixture.loop.run();
    EXPECT_EQ(
        fixture.dns.asked(),
        (std::vector<DnsQuestion>{
            {"asked.test", DnsType::txt}
    })
    );
    fixture.run->begin(Stage::end);
    fixture.run->foresee();
    fixture.settle(Stage::end);
    EXPECT_EQ(fixture.dns.asked().size(), 1U) << "nothing waits any more";
}

class CountingGroup : public FilterGroup {
public:
    awaitable<std::vector<Observation>> examine_together(
        std::vector<const Filter*> members, FactsSnapshot facts, FilterTools tools
    ) const override {
        calls.emplace_back();
        std::vector<Observation> seen;
        for (const Filter* member : members) {
            calls.back().emplace_back(member->name());
            seen.push_back(co_await member->examine(facts, tools));
        }
        co_return seen;
    }

    mutable std::vector<std::vector<std::string>> calls;
};

class GroupedFilter : public ScriptedFilter {
public:
    GroupedFilter(const FilterGroup& group, std::string name, FactId needs, FactId makes, Work work)
        : ScriptedFilter(std::move(name), {needs}, {makes}, std::move(work)), group_(group) {}

    const FilterGroup* group() const override { return &group_; }

private:
    const FilterGroup& group_;
};

TEST(ChainRun, ExaminesAGroupInOneCall) {
    using Calls = std::vector<std::vector<std::string>>;
    const CountingGroup group;
    const auto of = [](FactId fact) {
        return [fact](const FactsSnapshot&, const FilterTools&) { return give(fact, "x"); };
    };
    Fixture fixture({
        std::make_shared<GroupedFilter>(group, "one", client_ip, client_name, of(client_name)),
        filter("alone", {client_ip}, {iprev}, of(iprev)),
        std::make_shared<GroupedFilter>(group, "two", client_ip, helo_form_fact, of(helo_form_fact)),
    });
    fixture.run->begin(Stage::end);
    fixture.settle(Stage::end);
    EXPECT_EQ(
        group.calls,
        (Calls{
            {"one", "two"}
    })
    );
    for (const FactId fact : {client_name, helo_form_fact, iprev})
        EXPECT_EQ(fixture.run->facts().get(fact), text("x"));
}

TEST(ChainRun, MakesAllFactsOfAGroupUnknownThatThrows) {
    const CountingGroup group;
    const auto broken = [](const FactsSnapshot&, const FilterTools&) { return fail(); };
    Fixture fixture({
        std::make_shared<GroupedFilter>(group, "one", client_ip, client_name, broken),
        std::make_shared<GroupedFilter>(group, "two", client_ip, helo_form_fact, broken),
    });
    fixture.run->begin(Stage::end);
    fixture.settle(Stage::end);
    for (const FactId fact : {client_name, helo_form_fact})
        EXPECT_TRUE(std::holds_alternative<Unknown>(fixture.run->facts().get(fact)));
}

}  // namespace
}  // namespace wicket
