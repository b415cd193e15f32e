// A query finds the same records whether the store's indexes are asked or every record is looked at.
#include "server/record_scan.hpp"

#include "base/sha256.hpp"
#include "server/aftermath_service.hpp"
#include "server/record_candidates.hpp"
#include "server/visit_transaction.hpp"
#include "store/database.hpp"
#include "store/row_codec.hpp"
#include "store/tables.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <future>
#include <random>

namespace wicket {
namespace {

constexpr int past_records = 600;
constexpr std::chrono::hours past_span{10 * 24};
constexpr int queries_per_state = 400;

using Texts = std::vector<std::string>;

const Texts sender_domains = {"a.example", "B.example", "c.example", "d.example", "e.example", "[192.0.2.1]"};
const Texts recipients = {"u@example.test", "V@example.test", "w@example.test", ""};
const Texts rule_names = {"spf", "zen", "helo", "late", "threshold:reject"};
const Texts clients = {
    "192.0.2.1", "192.0.2.200", "192.0.3.1", "198.51.100.7", "0.0.0.0", "2001:db8::1", "2001:db8:0:1::1"
};
const Texts terms = {
    "from:x@a.example",
    "from:*@b.EXAMPLE",
    "from:?@c.example",
    "from:*@*.example",
    "from:*example",
    "from:<>",
    "from:x@[192.0.2.1]",
    "to:u@example.test",
    "to:v@EXAMPLE.test",
    "to:w@*",
    "to:",
    "rule:spf",
    "rule:ZEN",
    "rule:late",
    "rule:threshold:*",
    "rule:",
    "ip:192.0.2.1",
    "ip:192.0.2.0/24",
    "ip:192.0.2.0/23",
    "ip:192.0.0.0/16",
    "ip:192.0.2.*",
    "ip:unknown",
    "ip:2001:db8::/64",
    "ip:2001:db8::/63",
    "ip:2001:db8::/32",
    "verdict:reject",
    "verdict:junk",
    "verdict:accept",
    "stage:rcpt",
    "label:spam",
    "label:ham",
    "label:none",
    "label:*",
    "released:no",
    "released:yes",
    "since:3d",
    "since:200h",
    "until:5d",
    "until:100h",
};

class RecordScanTest : public testing::Test {
protected:
    void SetUp() override {
        reopen();
        for (int at = 0; at < past_records; ++at)
            add(at);
    }
    void reopen() {
        store_.reset();
        auto opened = Store::open({.folder = folder_ / "state"});
        ASSERT_TRUE(opened) << opened.error().message;
        store_ = std::move(*opened);
    }

    std::size_t roll(std::size_t below) { return random_() % below; }
    const std::string& any_of(const Texts& texts) { return texts[roll(texts.size())]; }

    Verdict verdict() {
        Verdict made;
        constexpr std::array actions = {Action::none, Action::accept, Action::junk, Action::reject};
        made.action = actions.at(roll(actions.size()));
        made.stage = roll(2) == 0 ? Stage::rcpt : Stage::end;
        if (roll(4) != 0) made.rule = any_of(rule_names);
        for (std::size_t hits = roll(3); hits > 0; --hits)
            made.hits.push_back({any_of(rule_names), 1, RuleMode::enforce, Action::none});
        return made;
    }

    DecisionRecord record(const RecordId& id, WallTime time) {
        DecisionRecord made;
        made.id = id;
        made.time = time;
        made.client_ip = *IpAddress::parse(any_of(clients));
        made.has_from = roll(8) != 0;
        if (made.has_from && roll(6) != 0) made.from = (roll(2) == 0 ? "x@" : "yy@") + any_of(sender_domains);
        made.verdict = verdict();
        for (std::size_t count = roll(4); count > 0; --count)
            made.recipients.push_back({any_of(recipients), verdict(), "", nullptr});
        return made;
    }

    void refuse(const DecisionRecord& made) {
        store_->decisions().refuse(made.id, made.time, encode_record(made, dictionary_), keys_of(made));
    }

    void add(int number) {
        const WallTime time =
            begin_ + past_span / past_records * number + std::chrono::microseconds(roll(999));
        const RecordId id = RecordId::make(time, 1, static_cast<std::uint32_t>(random_()));
        const std::size_t kind = roll(5);
        // Some are refused in part, and decided otherwise at their end.
        if (kind != 0) refuse(record(id, time));
        if (kind == 1) refuse(record(id, time));
        if (kind < 3) {
            const DecisionRecord made = record(id, time);
            Delivery delivery;
            delivery.id = id;
            delivery.time = time;
            delivery.record = encode_record(made, dictionary_);
            delivery.record_keys = keys_of(made);
            std::promise<bool> stored;
            store_->mail().deliver(std::move(delivery), [&](const Result<std::vector<Uid>>& done) {
                stored.set_value(done.has_value());
            });
            ASSERT_TRUE(stored.get_future().get());
        }
        if (roll(20) == 0) {
            const auto what = roll(2) == 0 ? LedgerMark::Kind::ham : LedgerMark::Kind::spam;
            ASSERT_TRUE(store_->quarantine().label(id, {what, time, "ann", {}}));
            if (roll(3) == 0)
                ASSERT_TRUE(store_->quarantine().label(id, {LedgerMark::Kind::undone, time, "ann", {}}));
        }
    }

    Texts random_query() {
        Texts made;
        for (std::size_t count = 1 + roll(3); count > 0; --count)
            made.push_back((roll(4) == 0 ? "-" : "") + any_of(terms));
        return made;
    }

    Texts found(const RecordQuery& query, WallTime since) {
        Texts lines;
        RecordScan scan(*store_, OutputForm::text, nullptr);
        EXPECT_TRUE(scan.run(query, since, [&](const StoredRecord& stored) {
            lines.push_back(record_to_line(stored));
            return true;
        }));
        EXPECT_EQ(scan.unreadable(), 0U);
        return lines;
    }

    /// Every record, and nothing else.
    Texts looked_through(const RecordQuery& query, WallTime since) {
        Texts lines;
        EXPECT_TRUE(store_->decisions().scan(
            {RecordId::first_at(since)},
            [&](const RecordId&, const Result<std::string_view>& octets) {
                auto stored = decode_record(octets.value());
                EXPECT_TRUE(add_aftermath(*store_, stored->record));
                if (query.matches(*stored) && stored->record.time >= query.since())
                    lines.push_back(record_to_line(*stored));
                return true;
            }
        ));
        return lines;
    }

    void expect_the_same_by_index() {
        std::size_t by_index = 0;
        std::size_t matches = 0;
        for (int at = 0; at < queries_per_state; ++at) {
            const Texts words = random_query();
            SCOPED_TRACE(fmt::format("{}", words));
            const auto query = RecordQuery::parse(words, now_);
            ASSERT_TRUE(query) << query.error().message;
            const WallTime since = roll(3) == 0 ? begin_ + past_span / 3 : WallTime{};
            const Texts want = looked_through(*query, since);
            ASSERT_EQ(found(*query, since), want);
            by_index += find_candidates(*store_, *query, {}) ? 1 : 0;
            matches += want.size();
        }
        EXPECT_GT(by_index, static_cast<std::size_t>(queries_per_state / 4));
        EXPECT_GT(matches, static_cast<std::size_t>(queries_per_state));
    }

    /// As a version that had no index would have left it.
    void remove_index_before(const RecordId& end) {
        store_->close();
        store_.reset();
        const auto remove =
            [&](const std::string& name, std::vector<Database::Table> tables, std::size_t index) {
                Database::Setup setup;
                setup.folder = folder_ / ("state/" + name);
                setup.tables = std::move(tables);
                setup.clock = &system_clock();
                auto database = Database::open(std::move(setup));
                ASSERT_TRUE(database);
                {
                    const auto use = (*database)->use();
                    rocksdb::WriteBatch batch;
                    const std::unique_ptr<rocksdb::Iterator> row(use->NewIterator({}, use.table(index)));
                    for (row->SeekToFirst(); row->Valid(); row->Next()) {
                        const auto key = row->key().ToStringView();
                        const auto id = RecordId::from_octets(key.substr(key.size() - end.octets().size()));
                        if (id && *id < end) ASSERT_TRUE(batch.Delete(use.table(index), key).ok());
                    }
                    ASSERT_TRUE((*database)->write(use, batch, Database::Sync::yes));
                }
                (*database)->close();
            };
        remove("mail", mail_tables(), static_cast<std::size_t>(MailTable::index));
        remove(
            "refusals",
            refusal_tables(1ULL << 30U, std::chrono::hours(24 * 30)),
            static_cast<std::size_t>(RefusalTable::index)
        );
        reopen();
    }

    test::TemporaryFolder folder_;
    std::mt19937_64 random_{4};
    const WallTime now_ = std::chrono::floor<std::chrono::microseconds>(system_clock().wall());
    const WallTime begin_ = now_ - past_span;
    FactDictionary dictionary_;
    std::unique_ptr<Store> store_;
};

TEST_F(RecordScanTest, FindsTheSameByIndexAsByLookingAtAll) {
    expect_the_same_by_index();
    reopen();
    expect_the_same_by_index();
    // A part of the past that is in no index, and all of it.
    remove_index_before(RecordId::first_at(begin_ + past_span / 2));
    expect_the_same_by_index();
    remove_index_before(RecordId::first_at(now_));
    expect_the_same_by_index();
}

TEST_F(RecordScanTest, LooksAtFewRecordsWhereATermPinsThemDown) {
    reopen();
    const auto looked_at = [this](const Texts& words) {
        const auto candidates = find_candidates(*store_, *RecordQuery::parse(words, now_), {});
        return candidates ? candidates->ids.size() : std::size_t{past_records};
    };
    const std::size_t of_domain = looked_at({"from:*@a.example"});
    EXPECT_LT(of_domain, std::size_t{past_records / 3});
    EXPECT_GT(of_domain, 0U);
    EXPECT_LT(looked_at({"from:*@a.example", "rule:spf"}), of_domain);
    EXPECT_LT(looked_at({"from:*@a.example", "-rule:spf"}), of_domain + 1);
    EXPECT_EQ(looked_at({"from:*@nobody.example"}), 0U);
    EXPECT_LT(looked_at({"label:spam"}), std::size_t{past_records / 10});
    EXPECT_EQ(looked_at({"-from:*@a.example"}), std::size_t{past_records});
    EXPECT_EQ(looked_at({"verdict:reject"}), std::size_t{past_records});
}

TEST_F(RecordScanTest, StopsWhenNobodyWantsMore) {
    for (const auto* word : {"verdict:*", "rule:spf"}) {
        SCOPED_TRACE(word);
        int seen = 0;
        RecordScan scan(*store_, OutputForm::text, nullptr);
        ASSERT_TRUE(scan.run(*RecordQuery::parse({word}, now_), {}, [&](const StoredRecord&) {
            return ++seen < 3;
        }));
        EXPECT_EQ(seen, 3);
    }
}

}  // namespace
}  // namespace wicket
