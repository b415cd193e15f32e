#include "filters/scan_check.hpp"

#include "filters/registry.hpp"
#include "filters/scan/worker.hpp"
#include "tests/support/in_process_scan_pool.hpp"
#include "tests/support/run_awaitable.hpp"
#include "tests/support/table_resolver.hpp"
#include "tests/unit/filters/dkim_signer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace wicket {
namespace {

/// Hands jobs on, and remembers them.
class WatchedPool : public ScanPool {
public:
    explicit WatchedPool(DnsResolver& dns) : pool_(dns, make_scan_filters(), "mx.example.test") {}

    boost::asio::awaitable<ScanOutcome> run(ScanJob job) override {
        jobs.push_back(job);
        ScanOutcome outcome = co_await pool_.run(std::move(job));
        outcome.is_poison = says_poison;
        co_return outcome;
    }
    ScanPoolStatus status() const override { return pool_.status(); }
    void stop() override {}

    std::vector<ScanJob> jobs;
    bool says_poison = false;

private:
    testing::InProcessScanPool pool_;
};

class ScanCheckTest : public ::testing::Test {
protected:
    void SetUp() override {
        dns_.add("sender.example", DnsType::txt, {"v=spf1 ip4:192.0.2.1 -all"});
        dns_.add("s1._domainkey.sender.example", DnsType::txt, {"v=DKIM1; p=" + key_.spki()});
        facts_.set(id_of(CoreFact::client_ip), *IpAddress::parse("192.0.2.1"));
        facts_.set(id_of(CoreFact::helo_name), std::string("mx.sender.example"));
        facts_.set(id_of(CoreFact::mail_from), std::string("a@sender.example"));
        facts_.set(id_of(CoreFact::time_now), system_clock().wall());
    }

    SharedMessage signed_message() const {
        return message_of(testing::sign(key_, "From: a@sender.example\r\nSubject: x\r\n", "Hello\r\n"));
    }
    static SharedMessage message_of(std::string octets) {
        return std::make_shared<const MessageBytes>(std::move(octets), Sha256{});
    }

    std::vector<Observation> examine(const std::vector<const Filter*>& members, SharedMessage message) {
        const FilterTools tools{
            dns_, system_clock(), system_clock().steady() + std::chrono::seconds(10), std::move(message)
        };
        return run_awaitable(scans_->examine_together(members, std::make_shared<const Facts>(facts_), tools));
    }

    static std::map<FactId, FactValue> facts_of(const Observation& seen) {
        return {seen.facts.begin(), seen.facts.end()};
    }

    testing::SigningKey key_{1024};
    TableResolver dns_;
    Facts facts_;
    std::shared_ptr<WatchedPool> pool_ = std::make_shared<WatchedPool>(dns_);
    std::shared_ptr<const ScanTogether> scans_ = std::make_shared<const ScanTogether>(pool_);
    SpfCheck spf_{scans_};
    DkimCheck dkim_{scans_};
};

TEST_F(ScanCheckTest, MakesOneJobOfWhatBeginsTogether) {
    const auto seen = examine({&spf_, &dkim_}, signed_message());
    ASSERT_EQ(pool_->jobs.size(), 1U);
    EXPECT_EQ(pool_->jobs[0].checks, (std::vector<std::string>{"spf", "dkim"}));
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(facts_of(seen[0])[id_of(CoreFact::spf_result)], FactValue(std::string("pass")));
    EXPECT_EQ(facts_of(seen[1])[id_of(CoreFact::dkim_pass)], FactValue(TextList{{"sender.example"}, ""}));
    for (const auto& [fact, value] : seen[0].facts)
        EXPECT_FALSE(facts_of(seen[1]).contains(fact)) << "a fact of both";
    EXPECT_EQ(seen[0].lookups.size(), 3U) << "two records of SPF and a key";
    EXPECT_TRUE(seen[1].lookups.empty()) << "evidence is told once";
}

TEST_F(ScanCheckTest, KnowsAllQuestionsOfOrdinaryMailInAdvance) {
    examine({&spf_, &dkim_}, signed_message());
    using Hints = std::vector<std::pair<std::string, DnsQuestion>>;
    EXPECT_EQ(
        pool_->jobs.at(0).hints,
        (Hints{
            {"spf",  {"sender.example", DnsType::txt}              },
            {"spf",  {"mx.sender.example", DnsType::txt}           },
            {"dkim", {"s1._domainkey.sender.example", DnsType::txt}},
    })
    );
    EXPECT_EQ(pool_->status().passes, 2U) << "one of each check";
}

TEST_F(ScanCheckTest, SendsNoMessageWithoutASignature) {
    const auto seen = examine({&spf_, &dkim_}, message_of("From: a@sender.example\r\n\r\nHello\r\n"));
    ASSERT_EQ(pool_->jobs.size(), 1U);
    EXPECT_EQ(pool_->jobs[0].checks, std::vector<std::string>{"spf"});
    EXPECT_EQ(pool_->jobs[0].message, nullptr);
    EXPECT_EQ(facts_of(seen[1])[id_of(CoreFact::dkim_signatures)], FactValue(std::int64_t{0}));
    EXPECT_EQ(facts_of(seen[1])[id_of(CoreFact::dkim_pass)], FactValue(TextList{}));
    EXPECT_EQ(facts_of(seen[1])[id_of(CoreFact::dkim_weak)], FactValue(TextList{}));
    examine({&dkim_}, message_of("From: a@sender.example\r\n\r\nHello\r\n"));
    EXPECT_EQ(pool_->jobs.size(), 1U) << "nothing to scan, no job";
}

TEST_F(ScanCheckTest, ForeseesTheRecordsOfBothIdentities) {
    struct Case {
        std::string mail_from, helo;
        std::vector<DnsQuestion> want;
    };
    const DnsQuestion sender{"sender.example", DnsType::txt};
    const DnsQuestion helo{"mx.sender.example", DnsType::txt};
    const Case table[] = {
        {"a@Sender.Example",   "mx.sender.example", {sender, helo}},
        {"a@sender.example",   "sender.example",    {sender}      },
        {"",                   "mx.sender.example", {helo}        },
        {"a@sender.example",   "[192.0.2.1]",       {sender}      },
        {"a@localhost",        "localhost",         {}            },
        {"a@b@sender.example", "",                  {sender}      },
    };
    for (const auto& [mail_from, name, want] : table) {
        SCOPED_TRACE(mail_from + " " + name);
        facts_.set(id_of(CoreFact::mail_from), mail_from);
        facts_.set(id_of(CoreFact::helo_name), name);
        EXPECT_EQ(spf_.foresee(facts_), want);
    }
}

TEST_F(ScanCheckTest, SaysTemperrorOfAClientWhoseAddressIsUnknown) {
    struct Case {
        FactValue client;
        std::string want;
    };
    for (const auto& [client, want] : {
             Case{Unknown{"not for now"}, "temperror"},
             Case{Absent{},               "none"     }
    }) {
        SCOPED_TRACE(want);
        facts_.set(id_of(CoreFact::client_ip), client);
        const auto seen = examine({&spf_}, nullptr);
        EXPECT_EQ(facts_of(seen[0])[id_of(CoreFact::spf_result)], FactValue(want));
        EXPECT_EQ(facts_of(seen[0])[id_of(CoreFact::spf_helo_result)], FactValue(want));
        EXPECT_EQ(
            facts_of(seen[0])[id_of(CoreFact::spf_explanation)], want == "none" ? FactValue(Absent{}) : client
        );
    }
    EXPECT_TRUE(pool_->jobs.empty());
}

TEST_F(ScanCheckTest, CarriesThePassesOfAJobOnce) {
    const auto seen = examine({&spf_, &dkim_}, signed_message());
    EXPECT_EQ(seen[0].scan_passes, 2U);
    EXPECT_EQ(seen[1].scan_passes, 0U);
}

TEST_F(ScanCheckTest, SaysWhichMessageCrashesTheWorkers) {
    pool_->says_poison = true;
    const auto seen = examine({&spf_, &dkim_}, signed_message());
    EXPECT_EQ(facts_of(seen[1])[id_of(CoreFact::message_poisonous)], FactValue(true));
    EXPECT_FALSE(facts_of(seen[0]).contains(id_of(CoreFact::message_poisonous)));
}

TEST_F(ScanCheckTest, LooksForPatternsInTheJobOfTheOthers) {
    auto dictionary = std::make_shared<FactDictionary>();
    std::vector<Pattern> patterns;
    for (const std::string regex : {"Hello", "Bye"}) {
        const auto fact =
            dictionary->declare({"pattern." + regex, FactType::boolean, Stage::end, "pattern", ""});
        patterns.push_back({.fact = *fact, .part = PatternPart::body, .regexes = {regex}});
    }
    const auto set = std::make_shared<const PatternSet>(make_pattern_set(patterns));
    scans_ = std::make_shared<const ScanTogether>(pool_, dictionary);
    const PatternCheck check(scans_, set);
    EXPECT_EQ(check.makes(), (std::vector<FactId>{patterns[0].fact, patterns[1].fact}));

    // Also where nothing is signed, there is something to look for.
    const auto seen = examine({&spf_, &dkim_, &check}, message_of("A: b\r\n\r\nHello\r\n"));
    ASSERT_EQ(pool_->jobs.size(), 1U);
    EXPECT_EQ(pool_->jobs[0].checks, (std::vector<std::string>{"spf", "pattern"}));
    EXPECT_EQ(pool_->jobs[0].patterns, set);
    EXPECT_EQ(pool_->jobs[0].dictionary, dictionary);
    EXPECT_EQ(
        facts_of(seen[2]),
        (std::map<FactId, FactValue>{
            {patterns[0].fact, true}
    })
    );
    EXPECT_EQ(facts_of(seen[0])[id_of(CoreFact::spf_result)], FactValue(std::string("pass")));

    // Before the message is there, there is not.
    examine({&check}, nullptr);
    EXPECT_EQ(pool_->jobs.size(), 1U);
}

TEST(Registry, HasACheckForPatternsOnlyWhereThereAreAny) {
    FilterSetup setup{.our_names = {"mx.example.test"}, .dns_lists = {}, .scans = {}};
    const auto has_it = [&] {
        return std::ranges::any_of(make_filters(setup), [](const auto& one) {
            return one->name() == "pattern";
        });
    };
    EXPECT_FALSE(has_it());
    setup.patterns = std::make_shared<const PatternSet>(make_pattern_set({{.regexes = {"x"}}}));
    EXPECT_TRUE(has_it());
    setup.off = {"pattern"};
    EXPECT_FALSE(has_it());
    const auto names = filter_names();
    EXPECT_NE(std::ranges::find(names, "pattern"), names.end());
}

}  // namespace
}  // namespace wicket
