// The patterns of rule sets on their way through real workers.

#include "filters/scan_pool.hpp"
#include "filters/scan_pool_crashes.hpp"
#include "tests/support/table_resolver.hpp"
#include "tests/unit/filters/scan_pool_fixture.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <functional>
#include <future>
#include <map>
#include <thread>

namespace wicket {
namespace {

/// A rule set's dictionary and patterns: each regular expression over the body is one.
struct Rules {
    std::shared_ptr<FactDictionary> dictionary = std::make_shared<FactDictionary>();
    std::shared_ptr<const PatternSet> patterns;
    std::vector<FactId> facts;
};

Rules rules_of(const std::vector<std::string>& regexes) {
    Rules rules;
    std::vector<Pattern> patterns;
    for (const std::string& regex : regexes) {
        const std::string name = "pattern.p" + std::to_string(patterns.size());
        const auto fact = rules.dictionary->declare(
            {.name = name, .type = FactType::boolean, .stage = Stage::end, .filter = "pattern", .meaning = ""}
        );
        rules.facts.push_back(*fact);
        patterns.push_back({.fact = *fact, .part = PatternPart::body, .regexes = {regex}});
    }
    rules.patterns = std::make_shared<const PatternSet>(make_pattern_set(std::move(patterns)));
    return rules;
}

class ScanPoolPatternsTest : public testing::RunningScanPool<TableResolver> {
protected:
    static ScanJob job_of(
        const Rules& rules, const std::string& body, const std::string& header = "A: b\r\n"
    ) {
        ScanJob job;
        job.checks = {"spf", "pattern"};
        job.client_ip = IpAddress::parse("192.0.2.1").value();
        job.helo = "mail.sender.example";
        job.mail_from = "user@sender.example";
        job.time = system_clock().wall();
        job.deadline = system_clock().steady() + std::chrono::seconds(30);
        const std::string octets = header + "\r\n" + body;
        job.message = std::make_shared<const MessageBytes>(octets, sha256_of(octets));
        job.patterns = rules.patterns;
        job.dictionary = rules.dictionary;
        return job;
    }

    /// One letter for each pattern: y matched, n did not, ? unknown; then what became of SPF.
    std::string told(const Rules& rules, ScanJob job, std::string* reason = nullptr) {
        const ScanOutcome outcome = run(std::move(job));
        is_poison_ = outcome.is_poison;
        const std::map<FactId, FactValue> facts(
            outcome.observation.facts.begin(), outcome.observation.facts.end()
        );
        std::string letters;
        for (const FactId fact : rules.facts) {
            const auto found = facts.find(fact);
            const auto* const unknown = found == facts.end() ? nullptr : std::get_if<Unknown>(&found->second);
            if (unknown != nullptr && reason != nullptr) *reason = unknown->reason;
            letters += found == facts.end() ? 'n' : unknown != nullptr ? '?' : 'y';
        }
        const auto spf = facts.find(id_of(CoreFact::spf_result));
        return letters + ' ' + (spf == facts.end() ? "nothing" : fact_to_text(spf->second));
    }

    bool is_poison_ = false;
};

TEST_F(ScanPoolPatternsTest, AreLookedForBehindTheSandbox) {
    start();
    const Rules rules = rules_of({"привет", "hello", "nothing"});
    const std::string header = "Content-Type: text/plain; charset=koi8-r\r\n";
    EXPECT_EQ("ynn none", told(rules, job_of(rules, "\xD0\xD2\xC9\xD7\xC5\xD4", header)));
    EXPECT_EQ("nyn none", told(rules, job_of(rules, "hello")));
    EXPECT_EQ(
        "nyn none", told(rules, job_of(rules, "hello " + std::string(message_inline_limit_octets, 'x')))
    );
    EXPECT_EQ(0U, pool_->status().crashes);
}

TEST_F(ScanPoolPatternsTest, OfSeveralRuleSetsAreInUseAtOnce) {
    start([](ScanPoolOptions& options) { options.workers = 1; });
    const std::vector<Rules> sets = {rules_of({"a"}), rules_of({"x", "b"}), rules_of({"x", "x", "c"})};
    const std::vector<std::string> wanted = {"y none", "ny none", "nny none"};
    for (const std::size_t at : {0U, 1U, 0U, 1U, 2U, 1U, 0U, 2U, 2U, 0U})
        EXPECT_EQ(wanted[at], told(sets[at], job_of(sets[at], "abc"))) << at;
    EXPECT_EQ(0U, pool_->status().crashes);
}

TEST_F(ScanPoolPatternsTest, ComeToWorkersThatReplaceOthers) {
    start([](ScanPoolOptions& options) {
        options.workers = 1;
        options.jobs_per_worker = 2;
        options.least_life = {};
    });
    const Rules rules = rules_of({"hello"});
    for (int count = 0; count < 7; ++count)
        EXPECT_EQ("y none", told(rules, job_of(rules, "hello"))) << count;
    EXPECT_EQ(0U, pool_->status().crashes);
    for (const int pid : pool_->status().worker_pids)
        ::kill(pid, SIGKILL);
    EXPECT_EQ("y none", told(rules, job_of(rules, "hello")));
}

TEST_F(ScanPoolPatternsTest, ThatCannotBeTakenBlameNoMessageAndNoNetwork) {
    start();
    const Rules bad = rules_of({"("});
    const Rules good = rules_of({"hello"});
    for (std::size_t count = 0; count <= network_crash_limit; ++count) {
        std::string reason;
        EXPECT_EQ("? none", told(bad, job_of(bad, "hello"), &reason));
        EXPECT_EQ("the scan worker could not take the patterns", reason);
        EXPECT_FALSE(is_poison_);
    }
    EXPECT_EQ("y none", told(good, job_of(good, "hello")));
}

TEST_F(ScanPoolPatternsTest, AreUnknownIfTheMessageCrashesTheCheck) {
    start();
    const Rules rules = rules_of({"hello", "other"});
    std::string reason;
    EXPECT_EQ("?? none", told(rules, job_of(rules, "hello", "X-Crash: pattern\r\n"), &reason));
    EXPECT_EQ("its input crashes the scan worker", reason);
    EXPECT_TRUE(is_poison_);
    const std::uint64_t crashes = pool_->status().crashes;
    EXPECT_EQ("?? none", told(rules, job_of(rules, "hello", "X-Crash: pattern\r\n")));
    EXPECT_EQ(crashes, pool_->status().crashes) << "it is known by now";
    EXPECT_EQ("yn none", told(rules, job_of(rules, "hello")));
    // Under other patterns it may be harmless, so it is tried.
    const Rules others = rules_of({"hello"});
    EXPECT_EQ("? none", told(others, job_of(others, "hello", "X-Crash: pattern\r\n")));
    EXPECT_LT(crashes, pool_->status().crashes);
}

TEST_F(ScanPoolPatternsTest, AreUnknownIfTheyCostTooMuch) {
    start([](ScanPoolOptions& options) { options.cpu_budget = std::chrono::milliseconds(50); });
    // As many states as texts of twenty letters: each octet makes a new one.
    const Rules rules = rules_of({"hello", "a[ab]{20}c"});
    std::string body;
    std::uint32_t random = 1;
    while (body.size() < 900'000) {
        random = random * 1'664'525 + 1'013'904'223;
        body += (random >> 31U) != 0 ? 'a' : 'b';
    }
    std::string reason;
    EXPECT_EQ("?? none", told(rules, job_of(rules, body), &reason));
    EXPECT_EQ("the scan worker used too much CPU", reason);
    EXPECT_FALSE(is_poison_);
    EXPECT_EQ("yn none", told(rules, job_of(rules, "hello")));
}

}  // namespace
}  // namespace wicket
