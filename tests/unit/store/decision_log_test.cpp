#include "store/decision_log.hpp"

#include "store/committer.hpp"
#include "store/record_cursor.hpp"
#include "store/refusal_folds.hpp"
#include "store/rocks_decision_log.hpp"
#include "store/store.hpp"
#include "tests/support/store/store_fixture.hpp"

#include <gtest/gtest.h>

#include <filesystem>

namespace wicket {
namespace {

using namespace test;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr WallTime start{std::chrono::microseconds(1'760'000'040'000'000)};  // a whole minute

const IpAddress client = *IpAddress::parse("192.0.2.1");

std::vector<std::string> records_of(DecisionLog& log, WallTime since) {
    std::vector<std::string> records;
    EXPECT_TRUE(log.scan({RecordId::first_at(since)}, [&](const RecordId&, Result<std::string_view> record) {
        records.emplace_back(record ? std::string(*record) : "error: " + record.error().message);
        return true;
    }));
    return records;
}

TEST(RefusalFolds, FoldsTheHundredAndFirstOfAMinuteAndNeighboursAlike) {
    RefusalFolds folds;
    RecordId last;
    for (std::uint32_t i = 0; i < refusal_fold_limit_per_minute; ++i) {
        last = new_id();
        EXPECT_EQ(folds.fold({client, "rule", 3}, last, start), std::nullopt);
    }
    EXPECT_EQ(folds.fold({*IpAddress::parse("192.0.2.77"), "rule", 3}, new_id(), start + seconds(59)), last);
    EXPECT_EQ(folds.fold({client, "rule", 3}, new_id(), start), last);
    EXPECT_EQ(folds.fold({client, "rule", 2}, new_id(), start), std::nullopt);
    EXPECT_EQ(folds.fold({client, "other", 3}, new_id(), start), std::nullopt);
    EXPECT_EQ(folds.fold({*IpAddress::parse("192.0.3.1"), "rule", 3}, new_id(), start), std::nullopt);
    EXPECT_EQ(folds.counted(last).count, 2U);
    EXPECT_EQ(folds.counted(last).last, start + seconds(59));
    const RecordId next = new_id();
    EXPECT_EQ(folds.fold({client, "rule", 3}, next, start + minutes(1)), std::nullopt);
    const auto counts = folds.take();
    EXPECT_EQ(counts.size(), 1U);
    EXPECT_EQ(folds.counted(last).count, 0U);
    folds.give_back(counts);
    EXPECT_EQ(folds.counted(last).count, 2U);
    folds.unfold(last);
    EXPECT_EQ(folds.counted(last).count, 1U);
}

TEST(RefusalFolds, IsBounded) {
    RefusalFolds folds;
    for (std::size_t i = 0; i < fold_kinds_limit + 1000; ++i)
        folds.fold({client, std::to_string(i), 3}, new_id(), start);
    EXPECT_EQ(folds.kinds(), fold_kinds_limit);
}

TEST(RecordCursor, TheSuccessorIsTheNextId) {
    const RecordId id = RecordId::make(start, 0xFFFF, 0xFFFFFFFF);
    EXPECT_EQ(successor(id), RecordId::make(start + std::chrono::milliseconds(1), 0, 0));
    EXPECT_EQ(successor(RecordId::make(start, 1, 1)), RecordId::make(start, 1, 2));
}

class DecisionLogTest : public testing::Test {
protected:
    void SetUp() override { reopen(); }
    void reopen() {
        store_.reset();
        store_ = open_store({.folder = folder_.path(), .clock = &clock_});
    }
    void refuse(const RecordId& id, const std::string& record) {
        store_->decisions().refuse(id, id.time(), {record, {}, {}}, {client, "d", {"r"}, "rule", "reject"});
    }

    TemporaryFolder folder_;
    SharedClock clock_;
    std::unique_ptr<Store> store_;
};

TEST_F(DecisionLogTest, ARefusalIsSeenAtOnceAndAfterReopening) {
    const RecordId id = new_id();
    refuse(id, "why");
    EXPECT_EQ(decision_of(store_->decisions(), id), "why");
    EXPECT_EQ(store_->decisions().count(), 1U);
    EXPECT_EQ(records_of(store_->decisions(), WallTime()), std::vector<std::string>{"why"});
    EXPECT_EQ(store_->decisions().folded(id)->count, 0U);
    EXPECT_EQ(store_->decisions().folded(new_id()).error().code, ErrorCode::not_found);
    reopen();
    EXPECT_EQ(decision_of(store_->decisions(), id), "why");
    EXPECT_EQ(store_->decisions().count(), 1U);
}

TEST_F(DecisionLogTest, ALaterRecordOfTheSameIdReplacesTheEarlier) {
    const auto now_and_reopened = [&](const RecordId& id, const std::vector<std::string>& want) {
        for (int round = 0; round < 2; ++round) {
            EXPECT_EQ(decision_of(store_->decisions(), id).value_or("none"), want.back());
            EXPECT_EQ(records_of(store_->decisions(), WallTime()), want);
            EXPECT_EQ(store_->decisions().count(), want.size());
            reopen();
        }
    };
    const RecordId first = new_id(start);
    refuse(first, "open");
    refuse(first, "ended");
    now_and_reopened(first, {"ended"});
    // Written meanwhile.
    refuse(first, "ended again");
    now_and_reopened(first, {"ended again"});
    const RecordId second = new_id(start + seconds(1));
    refuse(second, "refused in part");
    Delivery delivery;
    delivery.id = second;
    delivery.record = {"taken", {}, {}};
    ASSERT_TRUE(deliver(store_->mail(), std::move(delivery)));
    now_and_reopened(second, {"ended again", "taken"});
}

TEST_F(DecisionLogTest, ARecordIsReplacedWhileItIsWritten) {
    const RecordId id = new_id(start);
    for (int i = 0; i < 2000; ++i) {
        refuse(id, std::to_string(i));
        refuse(new_id(start + seconds(i)), "another");
        ASSERT_EQ(decision_of(store_->decisions(), id), std::to_string(i));
    }
    reopen();
    EXPECT_EQ(decision_of(store_->decisions(), id), "1999");
    EXPECT_EQ(store_->decisions().count(), 2001U);
}

TEST_F(DecisionLogTest, ScansBothClassesByIdFromATimeOn) {
    std::vector<std::string> want;
    // More than a piece of either class; the refusals partly still in memory.
    for (int i = 0; i < 3000; ++i) {
        const RecordId id = new_id(start + seconds(i));
        if (i % 3 == 0) {
            Delivery delivery;
            delivery.id = id;
            delivery.record = {std::to_string(i), {}, {}};
            store_->mail().deliver(std::move(delivery), [](const Result<std::vector<Uid>>& done) {
                EXPECT_TRUE(done);
            });
        } else {
            refuse(id, std::to_string(i));
        }
        if (i >= 1000) want.push_back(std::to_string(i));
    }
    Delivery last;
    last.id = new_id(start + seconds(3000));
    last.record = {"3000", {}, {}};
    ASSERT_TRUE(deliver(store_->mail(), std::move(last)));
    want.emplace_back("3000");
    EXPECT_EQ(records_of(store_->decisions(), start + seconds(1000)), want);
    EXPECT_EQ(store_->decisions().count(), 3001U);
    int seen = 0;
    ASSERT_TRUE(store_->decisions().scan({RecordId::first_at(start)}, [&](const RecordId&, auto) {
        return ++seen < 5;
    }));
    EXPECT_EQ(seen, 5);
    reopen();
    EXPECT_EQ(records_of(store_->decisions(), start + seconds(1000)), want);
}

TEST_F(DecisionLogTest, AFoldedRefusalIsCountedOnItsSample) {
    RecordId sample;
    for (std::uint32_t i = 0; i < 150; ++i) {
        const RecordId id = new_id(start);
        const auto told = store_->decisions().fold({client, "rule", 3}, id, start);
        if (!told) {
            sample = id;
            refuse(id, "sample");
        } else {
            EXPECT_EQ(*told, sample);
        }
    }
    EXPECT_EQ(store_->decisions().count(), refusal_fold_limit_per_minute);
    reopen();
    const auto folded = store_->decisions().folded(sample);
    ASSERT_TRUE(folded);
    EXPECT_EQ(folded->count, 50U);
    EXPECT_EQ(folded->last, start);
    // One that is taken back is no later refusal, and what is counted nowhere cannot be taken back.
    const RecordId alone = new_id(start);
    refuse(alone, "alone");
    store_->decisions().unfold(sample);
    store_->decisions().unfold(alone);
    EXPECT_EQ(store_->decisions().folded(alone)->count, 0U);
    reopen();
    EXPECT_EQ(store_->decisions().folded(sample)->count, 49U);
    EXPECT_EQ(store_->decisions().folded(sample)->last, start);
    EXPECT_EQ(store_->decisions().folded(alone)->count, 0U);
}

TEST_F(DecisionLogTest, WhatIsRemovedIsGoneForGood) {
    const RecordId early = new_id(start), late = new_id(start + seconds(1)),
                   stays = new_id(start + seconds(2));
    for (const RecordId& id : {early, stays})
        refuse(id, "refusal");
    ASSERT_TRUE(
        deliver(store_->mail(), delivery_to("alice@example.test", message_of(message_text(100)), late))
    );
    DecisionLog& log = store_->decisions();
    ASSERT_TRUE(log.remove({
        {early,    {}},
        {late,     {}},
        {new_id(), {}}
    }));
    ASSERT_TRUE(log.purge());
    for (int round = 0; round < 2; ++round) {
        for (const RecordId& id : {early, late}) {
            const auto found = store_->decisions().find(id);
            ASSERT_FALSE(found);
            EXPECT_EQ(found.error().code, ErrorCode::not_found);
        }
        EXPECT_TRUE(store_->decisions().find(stays));
        EXPECT_EQ(records_of(store_->decisions(), WallTime{}).size(), 1U);
        reopen();
    }
    EXPECT_EQ(store_->mail().list("alice@example.test", "INBOX")->rows.size(), 1U) << "mail stays";
}

TEST_F(DecisionLogTest, FindsByWhatARecordHas) {
    const auto at = [](int day, std::uint32_t number) {
        return RecordId::make(start + std::chrono::days(day), 1, number);
    };
    const auto keys = [](std::string_view ip, std::string domain, std::string to, std::string rule) {
        return RecordKeys{
            *IpAddress::parse(ip), std::move(domain), {std::move(to)}, std::move(rule), "reject", {"also"}
        };
    };
    DecisionLog* log = &store_->decisions();
    log->refuse(at(0, 1), {}, {"one", {}, {}}, keys("192.0.2.1", "a.example", "u@x.test", "r1"));
    log->refuse(at(0, 2), {}, {"two", {}, {}}, keys("192.0.2.99", "B.example", "v@x.test", "r2"));
    log->refuse(at(3, 3), {}, {"three", {}, {}}, keys("198.51.100.1", "a.example", "U@x.test", "r1"));
    Delivery delivery;
    delivery.id = at(5, 4);
    delivery.record = {"four", {}, {}};
    delivery.record_keys = {*IpAddress::parse("192.0.2.7"), "a.example", {"w@x.test"}, "default", "accept"};
    ASSERT_TRUE(deliver(store_->mail(), std::move(delivery)));
    reopen();
    log = &store_->decisions();
    using Ids = std::vector<RecordId>;
    const auto found = [&](RecordIndex index, std::string_view value, RecordSpan span = {}) {
        return log->candidates(index, value, span).value();
    };
    EXPECT_EQ(found(RecordIndex::network, "192.0.2.0/24"), (Ids{at(0, 1), at(0, 2), at(5, 4)}));
    EXPECT_EQ(found(RecordIndex::sender_domain, "A.example"), (Ids{at(0, 1), at(3, 3), at(5, 4)}));
    EXPECT_EQ(found(RecordIndex::recipient, "u@x.test"), (Ids{at(0, 1), at(3, 3)}));
    EXPECT_EQ(found(RecordIndex::rule, "r2"), (Ids{at(0, 2)}));
    EXPECT_EQ(found(RecordIndex::rule, "also"), (Ids{at(0, 1), at(0, 2), at(3, 3)}));
    EXPECT_EQ(found(RecordIndex::verdict, "accept"), (Ids{at(5, 4)}));
    EXPECT_EQ(found(RecordIndex::verdict, "reject", {at(0, 2), at(3, 3)}), (Ids{at(0, 2)}));
    EXPECT_EQ(found(RecordIndex::verdict, "junk"), Ids{});
    // What waits in memory may have anything.
    log->refuse(at(6, 5), {}, {"five", {}, {}}, keys("203.0.113.1", "c.example", "u@x.test", "r1"));
    EXPECT_EQ(found(RecordIndex::sender_domain, "c.example"), (Ids{at(6, 5)}));
    EXPECT_EQ(log->bounds().value(), std::pair(at(0, 1), at(6, 5)));
    std::vector<std::string> seen;
    ASSERT_TRUE(log->scan({at(0, 2), at(5, 4)}, [&](const RecordId&, Result<std::string_view> record) {
        seen.emplace_back(record.value());
        return true;
    }));
    EXPECT_EQ(seen, (std::vector<std::string>{"two", "three"}));
}

TEST_F(DecisionLogTest, LooksUpIdsAsAScanShowsThem) {
    std::vector<RecordId> ids;
    for (int i = 0; i < 1500; ++i) {
        const RecordId id = new_id(start + seconds(i));
        ids.push_back(id);
        if (i % 7 == 3) continue;  // nothing has this id
        if (i % 3 != 0) refuse(id, "refused " + std::to_string(i));
        if (i % 3 == 1) continue;
        Delivery delivery;
        delivery.id = id;
        delivery.record = {"taken " + std::to_string(i), {}, {}};
        ASSERT_TRUE(deliver(store_->mail(), std::move(delivery)));
    }
    for (int round = 0; round < 2; ++round) {
        std::vector<std::string> found;
        ASSERT_TRUE(store_->decisions().look_up(ids, [&](const RecordId&, Result<std::string_view> record) {
            found.emplace_back(record.value());
            return true;
        }));
        EXPECT_EQ(found, records_of(store_->decisions(), WallTime()));
        EXPECT_EQ(found.size(), ids.size() - 1500 / 7);
        int seen = 0;
        ASSERT_TRUE(store_->decisions().look_up(ids, [&](const auto&, const auto&) { return ++seen < 600; }));
        EXPECT_EQ(seen, 600);
        reopen();
    }
}

TEST_F(DecisionLogTest, KnowsFromWhenOnAllIsInTheIndex) {
    // The network that a record says it has: of the older ones it is in no index.
    const auto network_of = [](std::string_view decision) -> std::optional<std::string> {
        if (decision == "unreadable") return std::nullopt;
        return decision == "old" ? "203.0.113.0/24" : "192.0.2.0/24";
    };
    const auto from = [&](const RecordSpan& span) {
        return store_->decisions().indexed_from(span, network_of).value();
    };
    EXPECT_EQ(from({}), RecordId());
    std::vector<RecordId> ids;
    for (int i = 0; i < 300; ++i) {
        ids.push_back(new_id(start + seconds(i)));
        const std::string record = i < 100 ? "old" : i == 200 ? "unreadable" : "new";
        if (i % 2 == 0) {
            refuse(ids.back(), record);
            continue;
        }
        Delivery delivery;
        delivery.id = ids.back();
        delivery.record = {record, {}, {}};
        delivery.record_keys.client_ip = client;
        ASSERT_TRUE(deliver(store_->mail(), std::move(delivery)));
    }
    reopen();
    EXPECT_GT(from({}), ids[99]);
    EXPECT_LE(from({}), ids[100]);
    EXPECT_EQ(from({ids[120]}), ids[120]);
    EXPECT_LE(from({ids[50]}), ids[100]);
}

TEST_F(DecisionLogTest, KeepsEvidenceApartAndAnswersOnceADay) {
    const RecordAnswer spf{std::string(answer_name_octets, 's'), "v=spf1"};
    const RecordAnswer key{std::string(answer_name_octets, 'k'), "p=..."};
    const RecordId first = new_id(start);
    const RecordId second = new_id(start + seconds(1));
    const RecordId tomorrow = new_id(start + std::chrono::days(1));
    store_->decisions().refuse(first, start, {"d1", "e1", {spf}}, {});
    for (const RecordId& id : {second, tomorrow}) {
        Delivery delivery;
        delivery.id = id;
        delivery.record = {
            "d2", "e2", {spf, key}
        };
        ASSERT_TRUE(deliver(store_->mail(), std::move(delivery)));
    }
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(store_->decisions().find(first)->evidence, "e1");
        EXPECT_EQ(store_->decisions().find(second)->decision, "d2");
        EXPECT_EQ(store_->decisions().evidence(second), "e2");
        EXPECT_EQ(store_->decisions().evidence(new_id()), "");
        EXPECT_EQ(store_->decisions().answer(first, spf.name), spf.octets);
        EXPECT_EQ(store_->decisions().answer(second, key.name), key.octets);
        EXPECT_EQ(store_->decisions().answer(tomorrow, key.name), key.octets);
        EXPECT_EQ(store_->decisions().answer(first, "unknown").error().code, ErrorCode::not_found);
        reopen();
    }
}

TEST_F(DecisionLogTest, KeepsRuleSetsUnderTheirHash) {
    EXPECT_EQ(store_->rule_sets().find("h1").error().code, ErrorCode::not_found);
    ASSERT_TRUE(store_->rule_sets().keep("h1", "one"));
    ASSERT_TRUE(store_->rule_sets().keep("h2", "two"));
    ASSERT_TRUE(store_->rule_sets().keep("h1", "one"));
    reopen();
    EXPECT_EQ(store_->rule_sets().find("h1"), "one");
    EXPECT_EQ(store_->rule_sets().find("h2"), "two");
}

TEST(DecisionRetention, OldDecisionsGoByAgeAndBySize) {
    const TemporaryFolder folder;
    SharedClock clock;
    {
        const auto store = open_store({.folder = folder.path(), .clock = &clock});
        for (int i = 0; i < 100; ++i) {
            Delivery delivery;
            delivery.id = new_id(start + seconds(i));
            delivery.record = {std::string(10000, 'r'), {}, {}};
            ASSERT_TRUE(deliver(store->mail(), std::move(delivery)));
        }
    }
    Database::Setup setup;
    setup.folder = folder / "mail";
    setup.tables = mail_tables();
    setup.clock = &clock;
    auto database = Database::open(std::move(setup));
    ASSERT_TRUE(database) << database.error().message;
    BlobFiles blobs(folder / "blobs", (*database)->env());
    DiskReserve reserve(**database, **database);
    auto committer = Committer::start(**database, blobs, reserve, clock, Database::Sync::yes);
    ASSERT_TRUE(committer);
    const auto count = [&] {
        return count_keys(**database, static_cast<std::size_t>(MailTable::decisions)).value_or(0);
    };
    EXPECT_EQ(count(), 100U);
    ASSERT_TRUE(trim_decisions(**database, **committer, start + seconds(40), 1U << 30U));
    EXPECT_EQ(count(), 60U);
    ASSERT_TRUE(trim_decisions(**database, **committer, start, 1000));
    EXPECT_LT(count(), 60U);
    (*committer)->close();
}

TEST(DecisionRetention, OldRefusalsGoByAgeThoughNothingElseIsWritten) {
    const TemporaryFolder folder;
    const RecordId sample = new_id(start);
    {
        const auto store = open_store({.folder = folder.path()});
        for (std::uint32_t i = 0; i <= refusal_fold_limit_per_minute; ++i)
            store->decisions().fold({client, "rule", 3}, sample, start);
        for (int i = 0; i < 100; ++i) {
            const RecordId id = i == 0 ? sample : new_id(start + seconds(i));
            store->decisions().refuse(id, id.time(), {"why", {}, {}}, {client, "d", {"r"}, "rule", "reject"});
        }
    }
    Database::Setup setup;
    setup.folder = folder / "refusals";
    setup.durability = Database::Durability::unsynced;
    setup.tables = refusal_tables(1U << 30U, std::chrono::hours(24 * 30));
    setup.clock = &system_clock();
    const auto database = Database::open(std::move(setup));
    ASSERT_TRUE(database) << database.error().message;
    const auto count = [&](RefusalTable table) {
        return count_keys(**database, static_cast<std::size_t>(table)).value_or(0);
    };
    ASSERT_EQ(count(RefusalTable::refusals), 100U);
    ASSERT_EQ(count(RefusalTable::folds), 1U);
    ASSERT_TRUE(trim_refusals(**database, start + seconds(40), seconds(50)));
    EXPECT_EQ(count(RefusalTable::refusals), 100U) << "a mark for a little";
    ASSERT_TRUE(trim_refusals(**database, start + seconds(40), seconds(10)));
    EXPECT_EQ(count(RefusalTable::refusals), 60U) << "records older than their retention are shown";
    EXPECT_EQ(count(RefusalTable::folds), 0U);
}

TEST(DecisionRetention, RefusalsKeepToTheirQuotaAndNeverTouchDecisions) {
    const TemporaryFolder folder;
    const auto store = open_store({.folder = folder.path(), .refusal_quota_octets = 4U << 20U});
    Delivery delivery;
    delivery.id = new_id(start);
    delivery.record = {"class a", {}, {}};
    const RecordId kept = delivery.id;
    ASSERT_TRUE(deliver(store->mail(), std::move(delivery)));
    const RecordId first = new_id(start);
    store->decisions().refuse(first, start, {std::string(1000, 'x'), {}, {}}, {});
    std::uint64_t written = 1;
    const bool is_gone = comes_true([&] {
        for (int i = 0; i < 2000; ++i, ++written) {
            std::string record = message_text(4000, written);
            store->decisions().refuse(
                new_id(start + std::chrono::milliseconds(written)), start, {std::move(record), {}, {}}, {}
            );
        }
        return !decision_of(store->decisions(), first);
    });
    EXPECT_TRUE(is_gone);
    EXPECT_EQ(decision_of(store->decisions(), kept), "class a");
    EXPECT_LT(store->decisions().count().value_or(written), written);
}

}  // namespace
}  // namespace wicket
