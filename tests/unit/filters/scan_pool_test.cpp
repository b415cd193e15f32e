#include "filters/scan_pool.hpp"

#include "filters/scan_pool_crashes.hpp"
#include "filters/scan_pool_job.hpp"
#include "filters/scan_pool_memory.hpp"
#include "tests/unit/filters/dkim_signer.hpp"
#include "tests/unit/filters/scan_pool_fixture.hpp"
#include "tests/unit/filters/scan_test_worker.hpp"
#include "tests/unit/filters/spf_suite.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fmt/format.h>
#include <functional>
#include <future>
#include <set>
#include <thread>

namespace wicket {
namespace {

using testing::DnsTable;

/// Answers from a table, on the caller's loop, and counts.
class TableResolver : public DnsResolver {
public:
    boost::asio::awaitable<DnsAnswer> lookup(DnsQuestion question, SteadyTime /*deadline*/) override {
        ++count;
        if (endless) co_return DnsTable().answer(question);
        co_return table->answer(question);
    }

    std::shared_ptr<const DnsTable> table = std::make_shared<DnsTable>();
    bool endless = false;
    std::size_t count = 0;
};

class ScanPoolTest : public testing::RunningScanPool<TableResolver> {
protected:
    static ScanJob spf_job(
        const std::string& helo = "mail.sender.example", const std::string& mail_from = "user@sender.example"
    ) {
        ScanJob job;
        job.checks = {"spf"};
        job.client_ip = IpAddress::parse("192.0.2.1").value();
        job.helo = helo;
        job.mail_from = mail_from;
        job.time = system_clock().wall();
        job.deadline = system_clock().steady() + std::chrono::seconds(30);
        return job;
    }
    static ScanJob message_job(const std::string& octets, const std::string& check = "dkim") {
        ScanJob job = spf_job();
        job.checks = {check};
        job.message = std::make_shared<const MessageBytes>(octets, sha256_of(octets));
        return job;
    }

    static FactValue fact(const ScanOutcome& outcome, CoreFact wanted) {
        for (const auto& [id, value] : outcome.observation.facts) {
            if (id == id_of(wanted)) return value;
        }
        return Absent{};
    }
    static std::string text(const ScanOutcome& outcome, CoreFact wanted) {
        const FactValue value = fact(outcome, wanted);
        const auto* const word = std::get_if<std::string>(&value);
        return word != nullptr ? *word : "(" + fact_to_text(value) + ")";
    }

    std::shared_ptr<DnsTable> simple_table() {
        auto table = std::make_shared<DnsTable>();
        table->add("sender.example", DnsType::txt, "v=spf1 a -all");
        table->add("sender.example", DnsType::a, "192.0.2.1");
        return table;
    }
};

TEST_F(ScanPoolTest, PassesTheSuiteOfRfc7208ThroughRealWorkers) {
    const std::string path = testing::spf_suite_path();
    if (path.empty()) {
        if (std::getenv("CI") != nullptr) FAIL() << "the conformance suite is missing";
        GTEST_SKIP() << "the conformance suite is not here";
    }
    start([](ScanPoolOptions& options) {
        options.workers = 2;
        options.jobs_per_worker = 50;
        options.least_life = {};
    });
    const auto cases = testing::load_spf_suite(path);
    ASSERT_EQ(203U, cases.size());
    std::size_t passed = 0;
    for (const auto& one : cases) {
        dns_.table = one.table;
        ScanJob job = spf_job(one.input.helo, one.input.mail_from);
        job.client_ip = one.input.client_ip;
        // Each scenario has a DNS of its own, so nothing may be remembered from one to the next: what is
        // would only cost questions, never change a result.
        const ScanOutcome outcome = run(std::move(job));
        EXPECT_TRUE(outcome.failed.empty()) << one.name;
        EXPECT_LE(outcome.observation.lookups.size(), 40U) << one.name;
        const std::string explanation = text(outcome, CoreFact::spf_explanation);
        const bool is_right =
            testing::fits(one, text(outcome, CoreFact::spf_result), explanation == "()" ? "" : explanation);
        if (!is_right) fmt::print("{}: {}\n", one.name, text(outcome, CoreFact::spf_result));
        passed += is_right ? 1U : 0U;
    }
    fmt::print("RFC 7208 suite through worker and pool: {} of {}\n", passed, cases.size());
    EXPECT_EQ(passed, 203U);
    EXPECT_EQ(0U, pool_->status().crashes);
}

TEST_F(ScanPoolTest, NeedsOnePassOnceItKnowsWhatADomainAsks) {
    dns_.table = simple_table();
    start();
    const ScanOutcome first = run(spf_job());
    EXPECT_EQ("pass", text(first, CoreFact::spf_result));
    EXPECT_EQ(3U, first.passes);
    EXPECT_EQ(3U, first.observation.lookups.size());
    const ScanOutcome second = run(spf_job());
    EXPECT_EQ("pass", text(second, CoreFact::spf_result));
    EXPECT_EQ(1U, second.passes);
    EXPECT_EQ(first.observation.lookups, second.observation.lookups);
}

TEST_F(ScanPoolTest, NotesItsQuestionsAsTheyAreAsked) {
    dns_.table = simple_table();
    start();
    ScanJob job = spf_job();
    job.evidence = std::make_shared<DnsEvidence>();
    const auto evidence = job.evidence;
    const ScanOutcome outcome = run(std::move(job));
    auto noted = evidence->so_far(system_clock().steady());
    std::ranges::sort(noted, {}, &DnsLookup::question);
    EXPECT_EQ(outcome.observation.lookups, noted);
    EXPECT_EQ(3U, noted.size());
}

TEST_F(ScanPoolTest, VerifiesSmallAndLargeMessages) {
    const testing::SigningKey key(2048);
    auto table = std::make_shared<DnsTable>();
    table->add("s1._domainkey.sender.example", DnsType::txt, "v=DKIM1; p=" + key.spki());
    dns_.table = table;
    start();
    for (const std::size_t size :
         {std::size_t{10},
          message_inline_limit_octets - 4096,
          message_inline_limit_octets + 1,
          std::size_t{3} << 20U}) {
        SCOPED_TRACE(size);
        std::string body;
        while (body.size() < size)
            body += "a line of the message, as long as it likes to be\r\n";
        const std::string octets = testing::sign(key, "From: a@sender.example\r\nSubject: x\r\n", body);
        ScanJob job = message_job(octets);
        job.hints = {
            {"dkim", {"s1._domainkey.sender.example", DnsType::txt}}
        };
        const ScanOutcome outcome = run(std::move(job));
        EXPECT_EQ(FactValue(TextList{{"sender.example"}, ""}), fact(outcome, CoreFact::dkim_pass));
        EXPECT_EQ(1U, outcome.passes);
        EXPECT_EQ(1U, outcome.observation.lookups.size());
    }
}

TEST_F(ScanPoolTest, ReadsAMessageFromADescriptor) {
    const testing::SigningKey key(1024);
    auto table = std::make_shared<DnsTable>();
    table->add("s1._domainkey.sender.example", DnsType::txt, "v=DKIM1; p=" + key.spki());
    dns_.table = table;
    start();
    MessageWriter writer(std::filesystem::temp_directory_path().string());
    const std::string octets = testing::sign(
        key,
        "From: a@sender.example\r\nSubject: x\r\n",
        std::string(400'000, 'x') + "\r\n" + std::string(900'000, 'y') + "\r\n"
    );
    ASSERT_TRUE(writer.append(octets).has_value());
    ScanJob job = message_job("");
    job.message = writer.finish().value();
    ASSERT_FALSE(job.message->is_in_memory());
    EXPECT_EQ(FactValue(TextList{{"sender.example"}, ""}), fact(run(std::move(job)), CoreFact::dkim_pass));
}

TEST_F(ScanPoolTest, GivesUnknownFactsAfterACrashAndGoesOn) {
    dns_.table = simple_table();
    start();
    const ScanOutcome crashed = run(spf_job(testing::helo_that_crashes));
    EXPECT_EQ(std::vector<std::string>{"spf"}, crashed.failed);
    EXPECT_EQ("temperror", text(crashed, CoreFact::spf_result));
    EXPECT_EQ("temperror", text(crashed, CoreFact::spf_helo_result));
    EXPECT_TRUE(std::holds_alternative<Unknown>(fact(crashed, CoreFact::spf_explanation)));
    EXPECT_FALSE(crashed.is_poison) << "there is no message that could be refused";
    EXPECT_EQ("pass", text(run(spf_job()), CoreFact::spf_result));
    EXPECT_GE(pool_->status().crashes, 3U);
}

TEST_F(ScanPoolTest, LetsTheOtherChecksOfAJobGoOn) {
    dns_.table = simple_table();
    start();
    ScanJob job = message_job("From: a@sender.example\r\nX-Crash: dkim\r\n\r\n");
    job.checks = {"spf", "dkim"};
    const ScanOutcome outcome = run(std::move(job));
    EXPECT_EQ("pass", text(outcome, CoreFact::spf_result));
    EXPECT_EQ(std::vector<std::string>{"dkim"}, outcome.failed);
    EXPECT_TRUE(std::holds_alternative<Unknown>(fact(outcome, CoreFact::dkim_pass)));
}

TEST_F(ScanPoolTest, CallsAMessagePoisonThatCrashesThreeFreshWorkers) {
    const auto folder = std::filesystem::temp_directory_path() / fmt::format("wicket-poison-{}", getpid());
    std::vector<std::string> told;
    start([&](ScanPoolOptions& options) {
        options.poison_folder = folder.string();
        options.on_poison = [&told](const std::string& reason) { told.push_back(reason); };
    });
    const std::string octets = "From: a@sender.example\r\nX-Crash: dkim\r\n\r\n";
    const ScanOutcome outcome = run(message_job(octets));
    EXPECT_TRUE(outcome.is_poison);
    EXPECT_EQ(std::vector<std::string>{"dkim"}, outcome.failed);
    const std::uint64_t crashes = pool_->status().crashes;
    EXPECT_LE(crashes, 4U);
    // It is known now, and takes no further worker with it.
    EXPECT_TRUE(run(message_job(octets)).is_poison);
    EXPECT_EQ(crashes, pool_->status().crashes);
    EXPECT_EQ(2U, told.size());
    // What another check learns about another sender makes it no other message.
    dns_.table = simple_table();
    ScanJob beside_spf = message_job(octets);
    beside_spf.checks = {"spf", "dkim"};
    EXPECT_TRUE(run(std::move(beside_spf)).is_poison);
    EXPECT_EQ(crashes, pool_->status().crashes);
    const Sha256 hash = sha256_of(octets);
    const auto sample = folder / (to_hex({reinterpret_cast<const char*>(hash.data()), hash.size()}) + ".eml");
    EXPECT_TRUE(std::filesystem::exists(sample));
    std::filesystem::remove_all(folder);
}

TEST_F(ScanPoolTest, CallsNoMessagePoisonThatWasOnlyScannedTooSlowly) {
    start([](ScanPoolOptions& options) {
        options.wall_budget = std::chrono::milliseconds(200);
        options.cpu_budget = std::chrono::milliseconds(100);
    });
    const std::string octets =
        testing::sign(testing::SigningKey(1024), "From: a@sender.example\r\nSubject: x\r\n", "Hello\r\n");
    for (unsigned count = 0; count < poison_crash_count + 1; ++count) {
        ScanJob job = message_job(octets);
        job.helo = count % 2 == 0 ? testing::helo_that_hangs : testing::helo_that_burns;
        const ScanOutcome outcome = run(std::move(job));
        EXPECT_FALSE(outcome.is_poison) << count;
        EXPECT_TRUE(std::holds_alternative<Unknown>(fact(outcome, CoreFact::dkim_pass))) << count;
    }
    const ScanOutcome later = run(message_job(octets));
    EXPECT_FALSE(later.is_poison) << "nothing overran any more";
    EXPECT_TRUE(later.failed.empty());
}

TEST_F(ScanPoolTest, BlamesNoMessageForAWorkerThatItDidNotReach) {
    start([](ScanPoolOptions& options) { options.workers = 1; });
    const std::string octets = "From: a@sender.example\r\n\r\n";
    // Such a frame cannot be made; no worker has even seen it.
    for (unsigned count = 0; count < poison_crash_count + 1; ++count) {
        ScanJob job = message_job(octets);
        job.helo = std::string(job_frame_limit_octets, 'x');
        EXPECT_FALSE(run(std::move(job)).is_poison) << count;
    }
    EXPECT_TRUE(run(message_job(octets)).failed.empty());
    EXPECT_EQ(0U, pool_->status().crashes);
}

TEST_F(ScanPoolTest, SwitchesANetworkOffInsteadOfRespawningWithoutEnd) {
    dns_.table = simple_table();
    start();
    for (int count = 0; count < 10; ++count)
        run(spf_job(testing::helo_that_crashes, fmt::format("u{}@sender.example", count)));
    EXPECT_LE(pool_->status().crashes, network_crash_limit + 5);
    EXPECT_EQ(std::vector<std::string>{"spf"}, run(spf_job()).failed);
    ScanJob other = spf_job();
    other.client_ip = IpAddress::parse("198.51.100.7").value();
    EXPECT_EQ("fail", text(run(std::move(other)), CoreFact::spf_result));
}

TEST_F(ScanPoolTest, EndsAWorkerThatHangs) {
    dns_.table = simple_table();
    start([](ScanPoolOptions& options) { options.wall_budget = std::chrono::milliseconds(500); });
    EXPECT_EQ(
        "(unknown (the scan worker took too long))",
        text(run(spf_job(testing::helo_that_hangs)), CoreFact::spf_explanation)
    );
    EXPECT_EQ("pass", text(run(spf_job()), CoreFact::spf_result));
}

TEST_F(ScanPoolTest, EndsAWorkerThatUsesTooMuchCpu) {
    dns_.table = simple_table();
    start([](ScanPoolOptions& options) {
        options.wall_budget = std::chrono::seconds(25);
        options.cpu_budget = std::chrono::milliseconds(100);
    });
    EXPECT_EQ(
        "(unknown (the scan worker used too much CPU))",
        text(run(spf_job(testing::helo_that_burns)), CoreFact::spf_explanation)
    );
    EXPECT_EQ("pass", text(run(spf_job()), CoreFact::spf_result));
}

TEST_F(ScanPoolTest, BelievesNoFactsThatAreNotTheChecks) {
    start();
    const ScanOutcome outcome = run(spf_job(testing::helo_that_lies));
    EXPECT_EQ(std::vector<std::string>{"spf"}, outcome.failed);
    EXPECT_EQ(FactValue(Absent{}), fact(outcome, CoreFact::client_ip));
}

TEST_F(ScanPoolTest, BoundsQuestionsAndRounds) {
    dns_.endless = true;
    start();
    const ScanOutcome outcome = run(spf_job(testing::helo_that_asks));
    EXPECT_EQ(std::vector<std::string>{"spf"}, outcome.failed);
    EXPECT_LE(outcome.passes, scan_round_limit);
    EXPECT_LE(dns_.count, 40U);
}

TEST_F(ScanPoolTest, BoundsWhatADomainMakesItAskOfOthers) {
    auto table = std::make_shared<DnsTable>();
    table->add("evil.example", DnsType::txt, "v=spf1 exists:%{l}.victim.example ?all");
    dns_.table = table;
    start([](ScanPoolOptions& options) { options.questions_per_sender = 6; });
    const auto send = [this](const std::string& sender) {
        return text(run(spf_job("mail.sender.example", sender)), CoreFact::spf_result);
    };
    // One of the six is the name in HELO, another the policy, and the policy is asked for again.
    std::size_t answered = 0;
    while (answered < 10 && send(fmt::format("u{}@evil.example", answered)) == "neutral")
        ++answered;
    EXPECT_GE(answered, 2U);
    EXPECT_LE(answered, 5U);
    const std::size_t count = dns_.count;
    const ScanOutcome refused = run(spf_job("mail.sender.example", "more@sub.evil.example"));
    EXPECT_EQ("temperror", text(refused, CoreFact::spf_result)) << "a name below it is the same sender";
    EXPECT_EQ(dns_.count, count);
    EXPECT_TRUE(std::ranges::any_of(refused.observation.lookups, [](const DnsLookup& lookup) {
        return lookup.answer.reason == "this sender's domain asks for too many names";
    }));
    EXPECT_EQ("none", send("user@other.example"));
}

TEST_F(ScanPoolTest, LosesNothingWhenAnIdleOrBusyWorkerIsKilled) {
    dns_.table = simple_table();
    start([](ScanPoolOptions& options) { options.workers = 2; });
    for (int count = 0; count < 10; ++count) {
        std::vector<std::future<ScanOutcome>> jobs;
        for (int job = 0; job < 4; ++job)
            jobs.push_back(submit(spf_job()));
        for (const int pid : pool_->status().worker_pids) {
            kill(pid, SIGKILL);
            break;
        }
        for (auto& job : jobs) {
            const ScanOutcome outcome = finish(std::move(job));
            EXPECT_FALSE(outcome.is_poison);
            const std::string result = text(outcome, CoreFact::spf_result);
            EXPECT_TRUE(result == "temperror" || result == "pass") << result;
        }
    }
    EXPECT_EQ("pass", text(run(spf_job()), CoreFact::spf_result));
}

TEST_F(ScanPoolTest, RecyclesItsWorkersAndKeepsASpare) {
    dns_.table = simple_table();
    start([](ScanPoolOptions& options) {
        options.jobs_per_worker = 5;
        options.least_life = {};
    });
    std::set<int> seen;
    for (int count = 0; count < 20; ++count) {
        EXPECT_EQ("pass", text(run(spf_job()), CoreFact::spf_result));
        for (const int pid : pool_->status().worker_pids)
            seen.insert(pid);
    }
    EXPECT_GE(seen.size(), 4U);
    EXPECT_EQ(2U, pool_->status().worker_pids.size());
    EXPECT_EQ(0U, pool_->status().crashes);
}

TEST_F(ScanPoolTest, KeepsAWorkerForItsLeastLifeHoweverManyJobsCome) {
    dns_.table = simple_table();
    start([](ScanPoolOptions& options) {
        options.jobs_per_worker = 5;
        options.least_life = std::chrono::hours(1);
    });
    const std::vector<int> first = pool_->status().worker_pids;
    for (int count = 0; count < 20; ++count)
        EXPECT_EQ("pass", text(run(spf_job()), CoreFact::spf_result));
    EXPECT_EQ(first.front(), pool_->status().worker_pids.front());
    EXPECT_EQ(0U, pool_->status().crashes);
}

TEST_F(ScanPoolTest, ServesManyJobsAtOnce) {
    dns_.table = simple_table();
    start([](ScanPoolOptions& options) { options.workers = 2; });
    std::vector<std::future<ScanOutcome>> jobs;
    for (int count = 0; count < 300; ++count)
        jobs.push_back(submit(spf_job()));
    for (auto& job : jobs)
        EXPECT_EQ("pass", text(finish(std::move(job)), CoreFact::spf_result));
    EXPECT_EQ(300U, pool_->status().jobs);
}

TEST_F(ScanPoolTest, IsLateWithUnknownFactsNotWithoutAny) {
    start();
    ScanJob job = spf_job();
    job.deadline = system_clock().steady() - std::chrono::seconds(1);
    const ScanOutcome outcome = run(std::move(job));
    EXPECT_EQ("temperror", text(outcome, CoreFact::spf_result));
    EXPECT_EQ("(unknown (time-out))", text(outcome, CoreFact::spf_explanation));
}

TEST(ScanPool, DoesNotStartWithoutWorkers) {
    boost::asio::io_context hub;
    TableResolver dns;
    for (const std::string executable : {"/nonexistent/mailwicket", "/bin/true"}) {
        ScanPoolOptions options;
        options.executable = executable;
        EXPECT_FALSE(ScanPool::start(hub, dns, options).has_value());
    }
}

TEST(ScanCrashLedger, OpensACircuitForAMinute) {
    ScanCrashLedger ledger;
    const SteadyTime start = SteadyTime() + std::chrono::hours(1);
    for (std::size_t count = 0; count < check_crash_limit; ++count)
        ledger.add("dkim", start);
    EXPECT_FALSE(ledger.is_open("dkim", check_crash_limit, start));
    ledger.add("dkim", start);
    EXPECT_TRUE(ledger.is_open("dkim", check_crash_limit, start));
    EXPECT_FALSE(ledger.is_open("spf", check_crash_limit, start));
    EXPECT_FALSE(ledger.is_open("dkim", check_crash_limit, start + circuit_window + std::chrono::seconds(1)));
}

TEST(ScanCrashLedger, ForgetsADayAfterTheLastCrashWhatCrashed) {
    ScanCrashLedger ledger;
    const Sha256 inputs = sha256_of("octets");
    const SteadyTime start = SteadyTime() + std::chrono::hours(1);
    EXPECT_EQ(1U, ledger.add_input(inputs, start));
    EXPECT_EQ(2U, ledger.add_input(inputs, start + std::chrono::hours(23)));
    EXPECT_EQ(3U, ledger.add_input(inputs, start + std::chrono::hours(24)));
    EXPECT_EQ(3U, ledger.count_input(inputs, start + std::chrono::hours(47)));
    EXPECT_EQ(0U, ledger.count_input(sha256_of("others"), start));
    const SteadyTime later = start + std::chrono::hours(24) + crashed_input_memory + std::chrono::seconds(1);
    EXPECT_EQ(0U, ledger.count_input(inputs, later));
    EXPECT_FALSE(ledger.has_inputs()) << "what is forgotten takes no room";
    EXPECT_EQ(1U, ledger.add_input(inputs, later));
}

TEST(QuestionMemory, ForgetsWhatIsOld) {
    QuestionMemory memory;
    const SteadyTime start = SteadyTime() + std::chrono::hours(1);
    const std::vector<DnsQuestion> questions = {
        {"a.example", DnsType::txt}
    };
    memory.learn("k", questions, start);
    EXPECT_EQ(questions, memory.recall("k", start + std::chrono::minutes(29)));
    EXPECT_TRUE(memory.recall("other", start).empty());
    EXPECT_TRUE(memory.recall("k", start + std::chrono::hours(1)).empty());
}

}  // namespace
}  // namespace wicket
