#include "store/quarantine.hpp"

#include "store/rocks_quarantine.hpp"
#include "tests/support/store/fault_env.hpp"
#include "tests/support/store/store_fixture.hpp"

#include <gtest/gtest.h>

#include <filesystem>

namespace wicket {
namespace {

using namespace test;
using std::chrono::hours;

constexpr WallTime first_time{std::chrono::microseconds(1'760'000'000'000'000)};
const std::string first_owner = "alice@example.test";
const std::string second_owner = "bob@example.test";

/// Refused to `recipients`: the quarantine alone has it.
Delivery kept_from(std::vector<std::string> recipients, SharedMessage body, RecordId id) {
    Delivery delivery = delivery_to(std::string(quarantine_account), std::move(body), id);
    delivery.rows[0].mailbox = quarantine_mailbox;
    delivery.rows[0].kept_from = std::move(recipients);
    return delivery;
}

LedgerMark by(const std::string& who, LedgerMark::Kind kind = LedgerMark::Kind::released) {
    return {kind, first_time, who, {}};
}

std::vector<ReleaseTarget> targets(const std::vector<std::string>& accounts) {
    std::vector<ReleaseTarget> made;
    for (const std::string& account : accounts)
        made.push_back({account, "Delivered-To: " + account + "\r\n"});
    return made;
}

class QuarantineTest : public testing::Test {
protected:
    void SetUp() override {
        reopen();
        for (const std::string& account : {first_owner, second_owner})
            ASSERT_TRUE(store_->accounts().add({account, "hash", "scram", 1}));
    }
    void reopen() {
        store_.reset();
        store_ = open_store({.folder = folder_.path(), .clock = &clock_});
    }
    Quarantine& quarantine() { return store_->quarantine(); }
    std::vector<std::string> faults() {
        std::vector<std::string> found;
        EXPECT_TRUE(store_->mail().verify([&](const std::string& fault) { found.push_back(fault); }));
        return found;
    }

    TemporaryFolder folder_;
    SharedClock clock_;
    std::unique_ptr<Store> store_;
};

TEST_F(QuarantineTest, AReleasedMessageIsReadAsItWasReceivedAndOnlyOnce) {
    for (const std::size_t octets : {std::size_t{3000}, blob_file_limit_octets + 1}) {
        const std::string text = message_text(octets);
        const RecordId id = new_id(first_time - hours(5));
        ASSERT_TRUE(
            deliver(store_->mail(), kept_from({first_owner, "other@example.test"}, message_of(text), id))
        );
        const auto kept = quarantine().find(id);
        ASSERT_TRUE(kept) << kept.error().message;
        EXPECT_EQ(kept->recipients, (std::vector<std::string>{first_owner, "other@example.test"}));
        const std::size_t had = store_->mail().list(first_owner, "INBOX")->rows.size();
        const auto first = quarantine().release(id, targets({first_owner}), by("ann"));
        ASSERT_TRUE(first) << first.error().message;
        EXPECT_EQ(*first, std::vector<std::string>{first_owner});
        reopen();
        const auto second = quarantine().release(id, targets({first_owner}), by("ben"));
        ASSERT_TRUE(second);
        EXPECT_TRUE(second->empty());
        const auto listing = store_->mail().list(first_owner, "INBOX");
        ASSERT_EQ(listing->rows.size(), had + 1);
        EXPECT_EQ(listing->rows.back().received, id.time());
        EXPECT_EQ(
            read_message(store_->mail(), first_owner, listing->rows.back().uid).value(),
            "Delivered-To: " + first_owner + "\r\nReturn-Path: <>\r\n" + text
        );
        const auto marks = quarantine().marks(id);
        ASSERT_TRUE(marks);
        ASSERT_EQ(marks->size(), 1U);
        EXPECT_EQ(marks->front(), (LedgerMark{LedgerMark::Kind::released, first_time, "ann", {first_owner}}));
        EXPECT_EQ(faults(), std::vector<std::string>());
    }
}

TEST_F(QuarantineTest, ASecondReleaseReachesOnlyWhoHasNotGotIt) {
    const RecordId id = new_id();
    ASSERT_TRUE(deliver(store_->mail(), kept_from({first_owner}, message_of(message_text(100)), id)));
    ASSERT_TRUE(quarantine().release(id, targets({first_owner}), by("ann")));
    EXPECT_EQ(
        quarantine().release(id, targets({first_owner, second_owner, second_owner}), by("ann")).value(),
        std::vector<std::string>{second_owner}
    );
    EXPECT_EQ(store_->mail().list(first_owner, "INBOX")->rows.size(), 1U);
    EXPECT_EQ(store_->mail().list(second_owner, "INBOX")->rows.size(), 1U);
}

TEST_F(QuarantineTest, AReleaseToNobodyOrOfNothingLeavesAllAsItWas) {
    const RecordId id = new_id();
    EXPECT_EQ(quarantine().release(id, targets({first_owner}), by("ann")).error().code, ErrorCode::not_found)
        << "was never kept";
    ASSERT_TRUE(deliver(store_->mail(), kept_from({first_owner}, message_of(message_text(100)), id)));
    EXPECT_EQ(
        quarantine().release(id, targets({first_owner, "gone@example.test"}), by("ann")).error().code,
        ErrorCode::not_found
    );
    EXPECT_TRUE(store_->mail().list(first_owner, "INBOX")->rows.empty());
    EXPECT_TRUE(quarantine().marks(id)->empty());
}

TEST_F(QuarantineTest, TheLastLabelCountsUntilItIsTakenBack) {
    using enum LedgerMark::Kind;
    const RecordId id = new_id();
    const auto label = [&] { return label_of(quarantine().marks(id).value()); };
    EXPECT_EQ(quarantine().label(id, by("ann", undone)).error().code, ErrorCode::not_found);
    ASSERT_TRUE(quarantine().label(id, by("ann", spam)));
    ASSERT_TRUE(quarantine().label(id, by("ben", ham)));
    ASSERT_TRUE(quarantine().label(id, by("eve", ham)));  // says nothing new
    reopen();
    EXPECT_EQ(label(), by("ben", ham));
    ASSERT_TRUE(quarantine().label(id, by("ann", undone)));
    EXPECT_EQ(label(), by("ann", spam));
    ASSERT_TRUE(quarantine().label(id, by("ann", undone)));
    EXPECT_EQ(label().kind, undone);
    EXPECT_EQ(faults(), std::vector<std::string>());
}

TEST_F(QuarantineTest, ListsWhatIsKeptLabelledAndReleasedById) {
    std::vector<RecordId> ids;
    for (int hour = 0; hour < 5; ++hour) {
        ids.push_back(new_id(first_time - hours(10 - hour)));
        ASSERT_TRUE(
            deliver(store_->mail(), kept_from({first_owner}, message_of(message_text(100)), ids.back()))
        );
    }
    const RecordId never_kept = new_id(first_time);
    ASSERT_TRUE(quarantine().label(ids[3], by("ann", LedgerMark::Kind::ham)));
    ASSERT_TRUE(quarantine().label(never_kept, by("ann", LedgerMark::Kind::spam)));
    ASSERT_TRUE(quarantine().release(ids[1], targets({first_owner}), by("ann")));
    using Ids = std::vector<RecordId>;
    for (int round = 0; round < 2; ++round) {
        EXPECT_EQ(quarantine().noted(LedgerNote::kept, {}, 10).value(), ids);
        EXPECT_EQ(quarantine().noted(LedgerNote::kept, ids[2], 2).value(), (Ids{ids[2], ids[3]}));
        EXPECT_EQ(quarantine().noted(LedgerNote::labelled, {}, 10).value(), (Ids{ids[3], never_kept}));
        EXPECT_EQ(quarantine().noted(LedgerNote::labelled, never_kept, 10).value(), Ids{never_kept});
        EXPECT_EQ(quarantine().noted(LedgerNote::released, {}, 10).value(), Ids{ids[1]});
        EXPECT_EQ(quarantine().noted(LedgerNote::released, ids[2], 10).value(), Ids{});
        reopen();
    }
    ASSERT_TRUE(quarantine().forget({ids[1], ids[3]}));
    EXPECT_EQ(quarantine().noted(LedgerNote::kept, {}, 10).value(), (Ids{ids[0], ids[2], ids[4]}));
    EXPECT_EQ(quarantine().noted(LedgerNote::labelled, {}, 10).value(), Ids{never_kept});
}

TEST_F(QuarantineTest, TheLedgerOfOneDecisionIsBounded) {
    const RecordId id = new_id();
    for (std::size_t i = 0; i < ledger_marks_limit + 5; ++i)
        ASSERT_TRUE(
            quarantine().label(id, by("ann", i % 2 == 0 ? LedgerMark::Kind::ham : LedgerMark::Kind::spam))
        );
    EXPECT_EQ(quarantine().marks(id)->size(), ledger_marks_limit);
}

TEST_F(QuarantineTest, WhatIsForgottenIsGoneButNotFromMailboxes) {
    const RecordId id = new_id(), other = new_id();
    for (const RecordId& one : {id, other})
        ASSERT_TRUE(deliver(store_->mail(), kept_from({first_owner}, message_of(message_text(5000)), one)));
    ASSERT_TRUE(quarantine().release(id, targets({first_owner}), by("ann")));
    ASSERT_TRUE(quarantine().label(id, by("ann", LedgerMark::Kind::ham)));
    EXPECT_EQ(quarantine().forget({id, new_id()}).value(), 1U);
    EXPECT_EQ(quarantine().find(id).error().code, ErrorCode::not_found);
    EXPECT_TRUE(quarantine().marks(id)->empty());
    EXPECT_TRUE(quarantine().find(other));
    EXPECT_EQ(store_->mail().list(first_owner, "INBOX")->rows.size(), 1U);
    EXPECT_TRUE(read_message(store_->mail(), first_owner, 1));
    EXPECT_EQ(faults(), std::vector<std::string>());
}

TEST_F(QuarantineTest, TheKeyOfRedactionStaysTheSame) {
    const auto key = quarantine().redaction_key();
    ASSERT_TRUE(key);
    EXPECT_EQ(key->size(), 32U);
    reopen();
    EXPECT_EQ(quarantine().redaction_key().value(), *key);
    EXPECT_EQ(faults(), std::vector<std::string>());
}

TEST_F(QuarantineTest, AFullDiskHasNoRoomForItLongBeforeMailIsRefused) {
    store_.reset();
    FaultEnv env(folder_ / "graveyard");
    env.say_free(disk_margin_octets + quarantine_reserve_octets / 2);
    store_ = open_store({.folder = folder_.path(), .env = env.env(), .clock = &clock_});
    EXPECT_EQ(quarantine().has_room().error().code, ErrorCode::no_space);
    EXPECT_TRUE(store_->mail().writable());
    store_.reset();
}

/// The parts, so that trim() can be called when the test wants it.
class QuarantineTrimTest : public testing::Test {
protected:
    QuarantineTrimTest() {
        {
            const auto store = open_store({.folder = folder_.path(), .clock = &clock_});
            for (int i = 0; i < 10; ++i) {
                ids_.push_back(new_id(first_time + hours(i)));
                EXPECT_TRUE(deliver(
                    store->mail(),
                    kept_from({first_owner}, message_of(message_text(i == 5 ? 200'000 : 1000)), ids_[at(i)])
                ));
                EXPECT_TRUE(store->quarantine().label(ids_[at(i)], by("ann", LedgerMark::Kind::ham)));
            }
        }
        Database::Setup setup;
        setup.folder = folder_ / "mail";
        setup.tables = mail_tables();
        setup.clock = &clock_;
        database_ = std::move(*Database::open(std::move(setup)));
        blobs_.emplace(folder_ / "blobs", database_->env());
        reserve_.emplace(*database_, *database_);
        committer_ =
            std::move(*Committer::start(*database_, *blobs_, *reserve_, clock_, Database::Sync::yes));
        quarantine_.emplace(*database_, committer_.get(), &*reserve_);
    }
    static std::size_t at(int index) { return static_cast<std::size_t>(index); }
    std::vector<int> kept() {
        std::vector<int> found;
        for (int i = 0; i < 10; ++i)
            if (quarantine_->find(ids_[at(i)])) found.push_back(i);
        return found;
    }
    std::vector<int> labelled() {
        std::vector<int> found;
        for (int i = 0; i < 10; ++i)
            if (!quarantine_->marks(ids_[at(i)])->empty()) found.push_back(i);
        return found;
    }

    static constexpr std::uint64_t any = 1ULL << 40U;
    TemporaryFolder folder_;
    SharedClock clock_;
    std::vector<RecordId> ids_;
    std::unique_ptr<Database> database_;
    std::optional<BlobFiles> blobs_;
    std::optional<DiskReserve> reserve_;
    std::unique_ptr<Committer> committer_;
    std::optional<RocksQuarantine> quarantine_;
};

TEST_F(QuarantineTrimTest, TheOldestGoByAge) {
    ASSERT_TRUE(quarantine_->trim({first_time + hours(3), any, first_time + hours(2), any, {}}));
    EXPECT_EQ(kept(), (std::vector<int>{3, 4, 5, 6, 7, 8, 9}));
    EXPECT_EQ(labelled(), (std::vector<int>{2, 3, 4, 5, 6, 7, 8, 9}));
    ASSERT_TRUE(quarantine_->trim({first_time + hours(100), any, first_time + hours(100), any, {}}));
    EXPECT_EQ(kept(), std::vector<int>());
    EXPECT_EQ(labelled(), std::vector<int>());
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ / "blobs"))
        files += entry.is_regular_file() ? 1U : 0U;
    EXPECT_EQ(files, 0U) << "the body of a large message is left";
}

TEST_F(QuarantineTrimTest, TheOldestGoBySize) {
    ASSERT_TRUE(quarantine_->trim({{}, 207'500, {}, any, {}}));
    EXPECT_EQ(kept(), (std::vector<int>{2, 3, 4, 5, 6, 7, 8, 9}));
    ASSERT_TRUE(quarantine_->trim({{}, 3500, {}, 130, {}}));
    EXPECT_EQ(kept(), (std::vector<int>{7, 8, 9}));
    EXPECT_LT(labelled().size(), 5U);
    EXPECT_EQ(labelled().back(), 9);
    ASSERT_TRUE(quarantine_->trim({{}, 3500, {}, 130, {}}));
    EXPECT_EQ(kept(), (std::vector<int>{7, 8, 9})) << "nothing new, nothing more to go";
}

TEST_F(QuarantineTrimTest, AReleaseIsRememberedForItsOwnTime) {
    {
        // No account of that name is needed.
        std::vector<ReleaseTarget> target{
            {"postmaster@example.test", "", MailboxOwner::nobody}
        };
        ASSERT_TRUE(quarantine_->release(ids_[0], target, by("ann")));
        ASSERT_TRUE(quarantine_->trim({first_time + hours(100), any, first_time + hours(100), any, first_time}
        ));
        EXPECT_EQ(labelled(), std::vector<int>{0});
        ASSERT_TRUE(quarantine_->trim({{}, any, {}, any, first_time + hours(1)}));
        EXPECT_EQ(labelled(), std::vector<int>());
    }
}

TEST_F(QuarantineTrimTest, WhatAnOlderVersionHasKeptIsFound) {
    {
        // Such a store has neither the mark nor the rows.
        const auto use = database_->use();
        rocksdb::WriteBatch batch;
        batch.Delete(use[MailTable::meta], rocksdb::Slice("kept")).PermitUncheckedError();
        for (const RecordId& id : ids_)
            batch.Delete(use[MailTable::meta], rows::ledger_key(rows::LedgerRow::kept, id))
                .PermitUncheckedError();
        ASSERT_TRUE(database_->write(use, batch, Database::Sync::yes));
    }
    EXPECT_EQ(kept(), std::vector<int>());
    ASSERT_TRUE(quarantine_->index_older());
    EXPECT_EQ(kept(), (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
    EXPECT_TRUE(quarantine_->find(ids_[3])->recipients.empty());
    EXPECT_EQ(quarantine_->find(ids_[3])->uid, 4U);
}

}  // namespace
}  // namespace wicket
