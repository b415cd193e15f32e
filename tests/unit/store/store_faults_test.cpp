// A disk that refuses, that lies after a failed sync, and that is slow.
#include "store/committer.hpp"
#include "store/disk_reserve.hpp"
#include "store/row_codec.hpp"
#include "store/store.hpp"
#include "store/tables.hpp"
#include "tests/support/store/fault_env.hpp"
#include "tests/support/store/store_fixture.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <set>

namespace wicket {
namespace {

using namespace test;
namespace fs = std::filesystem;

constexpr auto mailbox_owner = "alice@example.test";

class StoreFaults : public testing::Test {
protected:
    void SetUp() override { reopen(); }
    void reopen() {
        store_.reset();
        store_ = open_store({.folder = folder_ / "state", .env = env_.env()});
    }
    MailStore& mail() { return store_->mail(); }
    Result<std::vector<Uid>> deliver_text(const std::string& text) {
        return deliver(mail(), delivery_to(mailbox_owner, message_of(text)));
    }
    bool recovers() {
        return comes_true([&] { return mail().writable().has_value(); });
    }
    /// All that was acknowledged is there, now and after the power was cut.
    void expect_all(const std::map<Uid, std::string>& acknowledged) {
        for (int round = 0; round < 2; ++round) {
            for (const auto& [uid, text] : acknowledged)
                EXPECT_EQ(read_message(mail(), mailbox_owner, uid), "Return-Path: <>\r\n" + text)
                    << "round " << round;
            EXPECT_TRUE(mail().verify([](const std::string& fault) { ADD_FAILURE() << fault; }));
            env_.cut_after(0);
            store_.reset();
            env_.restore(17);
            reopen();
        }
    }

    TemporaryFolder folder_;
    FaultEnv env_{folder_ / "graveyard"};
    std::unique_ptr<Store> store_;
};

struct FaultCase {
    const char* name;
    bool is_sync;
    Fault fault;
    ErrorCode want;
};

class RefusingDisk : public StoreFaults, public testing::WithParamInterface<FaultCase> {
protected:
    void fail(Fault fault) {
        if (GetParam().is_sync)
            env_.fail_syncs(fault);
        else
            env_.fail_appends(fault);
    }
};

TEST_P(RefusingDisk, IsReportedReadOnAndRecoveredFrom) {
    std::map<Uid, std::string> acknowledged;
    Uid greatest = 0;
    const auto accept = [&](const std::string& text) {
        const auto uids = deliver_text(text);
        ASSERT_TRUE(uids) << uids.error().message;
        EXPECT_GT(uids->front(), greatest) << "a UID of a failed batch was given again";
        greatest = uids->front();
        acknowledged[uids->front()] = text;
    };
    // The first round fails on a log that is still empty, the second on one that holds acknowledged mail.
    for (int round = 0; round < 3; ++round) {
        const std::string name = "round " + std::to_string(round);
        if (round != 0) accept(name + " before");
        fail(GetParam().fault);
        const auto refused = deliver_text(name + " refused");
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, GetParam().want) << refused.error().message;
        EXPECT_FALSE(mail().writable());
        EXPECT_FALSE(deliver_text(name + " refused too"));
        for (const auto& [uid, text] : acknowledged)
            EXPECT_EQ(read_message(mail(), mailbox_owner, uid), "Return-Path: <>\r\n" + text);
        EXPECT_TRUE(mail().list(mailbox_owner, "INBOX"));
        fail(Fault::none);
        ASSERT_TRUE(recovers());
        accept(name + " after");
        accept(name + " after, " + message_text(blob_file_limit_octets + 1));
    }
    expect_all(acknowledged);
}

INSTANTIATE_TEST_SUITE_P(
    All,
    RefusingDisk,
    testing::Values(
        FaultCase{"FullAtAppend", false, Fault::no_space, ErrorCode::no_space},
        FaultCase{"BrokenAtAppend", false, Fault::io, ErrorCode::io},
        FaultCase{"FullAtSync", true, Fault::no_space, ErrorCode::no_space},
        FaultCase{"BrokenAtSync", true, Fault::io, ErrorCode::io}
    ),
    [](const auto& info) { return info.param.name; }
);

TEST_F(StoreFaults, AFullDiskLeavesNoPartOfALargeBody) {
    for (const bool is_sync : {false, true}) {
        if (is_sync)
            env_.fail_syncs(Fault::no_space, "/blobs/");
        else
            env_.fail_appends(Fault::no_space, "/blobs/");
        const auto refused = deliver_text(message_text(blob_file_limit_octets + 1));
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, ErrorCode::no_space);
        env_.fail_appends(Fault::none);
        env_.fail_syncs(Fault::none);
        for (const auto& entry : fs::recursive_directory_iterator(folder_ / "state/blobs"))
            EXPECT_FALSE(entry.is_regular_file()) << entry.path();
        ASSERT_TRUE(recovers());
        EXPECT_TRUE(deliver_text("small"));
    }
}

TEST_F(StoreFaults, ALargeBodyOfAFailedBatchIsRemovedOnceTheDiskIsBack) {
    env_.fail_syncs(Fault::no_space, ".log");
    EXPECT_FALSE(deliver_text(message_text(blob_file_limit_octets + 1)));
    env_.fail_syncs(Fault::none);
    ASSERT_TRUE(recovers());
    const auto listing = mail().list(mailbox_owner, "INBOX");
    ASSERT_TRUE(listing);
    std::size_t files = 0;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / "state/blobs"))
        files += entry.is_regular_file() ? 1U : 0U;
    // If RocksDB had to be opened anew, the batch may have come back, then with its body.
    EXPECT_EQ(files, listing->rows.size());
    EXPECT_TRUE(mail().verify([](const std::string& fault) { ADD_FAILURE() << fault; }));
}

TEST_F(StoreFaults, WhatCannotBeReadIsSaidAndServedOnceItCan) {
    const std::string large = message_text(blob_file_limit_octets + 1);
    ASSERT_TRUE(deliver_text("small"));
    ASSERT_TRUE(deliver_text(large));
    reopen();  // nothing is in memory then
    env_.fail_reads(Fault::io, "/blobs/");
    EXPECT_EQ(read_message(mail(), mailbox_owner, 1), "Return-Path: <>\r\nsmall");
    const auto unread = read_message(mail(), mailbox_owner, 2);
    ASSERT_FALSE(unread);
    EXPECT_EQ(unread.error().code, ErrorCode::io) << unread.error().message;
    EXPECT_TRUE(deliver_text("mail goes on"));
    reopen();
    env_.fail_reads(Fault::io);
    const auto none = read_message(mail(), mailbox_owner, 1);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, ErrorCode::io) << none.error().message;
    env_.fail_reads(Fault::none);
    EXPECT_EQ(read_message(mail(), mailbox_owner, 1), "Return-Path: <>\r\nsmall");
    EXPECT_EQ(read_message(mail(), mailbox_owner, 2), "Return-Path: <>\r\n" + large);
    EXPECT_EQ(read_message(mail(), mailbox_owner, 3), "Return-Path: <>\r\nmail goes on");
}

TEST_F(StoreFaults, TheFirstWriteAfterOpeningMayBeRefused) {
    // Nothing is in memory then, so that nothing but the recovery itself ends the log that has failed.
    reopen();
    env_.fail_appends(Fault::no_space, ".log");
    EXPECT_FALSE(deliver_text("refused"));
    const RecordId id = new_id();
    store_->decisions().refuse(id, id.time(), {"r", {}, {}}, {});
    EXPECT_TRUE(comes_true([&] { return env_.has_refused_append("/refusals/"); }));
    env_.fail_appends(Fault::none);
    ASSERT_TRUE(recovers());
    EXPECT_TRUE(deliver_text("after"));
    EXPECT_TRUE(comes_true([&] {
        const auto reader = Store::open_reader(folder_ / "state");
        return reader && (*reader)->decisions().count() == 2U;
    }));
}

TEST_F(StoreFaults, MailIsRefusedBeforeTheDiskIsFullAndOwnersMayStillDelete) {
    ASSERT_TRUE(deliver_text("first"));
    ASSERT_TRUE(deliver_text("second"));
    env_.say_free(disk_margin_octets - 1);
    ASSERT_TRUE(comes_true([&] { return !mail().writable(); })) << "the disk may fill up to its end";
    EXPECT_EQ(mail().writable().error().code, ErrorCode::no_space);
    for (const std::size_t octets : {std::size_t{5}, std::size_t{blob_file_limit_octets + 1}}) {
        const auto refused = deliver_text(message_text(octets));
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, ErrorCode::no_space);
    }
    EXPECT_TRUE(read_message(mail(), mailbox_owner, 1));
    EXPECT_TRUE(mail().expunge(listed(mail(), mailbox_owner), {1}));
    EXPECT_TRUE(store_->accounts().add({"new@example.test", "", "", 1}));
    // Also after a restart.
    reopen();
    EXPECT_FALSE(mail().writable());
    EXPECT_TRUE(mail().expunge(listed(mail(), mailbox_owner), {2}));
    env_.say_free(std::nullopt);
    ASSERT_TRUE(recovers());
    EXPECT_TRUE(deliver_text("after"));
}

TEST_F(StoreFaults, AMessageThatNeedsMoreThanThereIsIsRefusedAlone) {
    env_.say_free(disk_margin_octets + (12U << 20U));
    reopen();
    const auto refused = deliver_text(message_text(20U << 20U));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::no_space);
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / "state/blobs"))
        EXPECT_FALSE(entry.is_regular_file()) << entry.path();
    EXPECT_TRUE(mail().writable());
    EXPECT_TRUE(deliver_text(message_text(blob_file_limit_octets + 1)));
}

TEST_F(StoreFaults, WhereThereIsLessRoomThanTheLogsHoldOwnersMayDeleteAndMailWaits) {
    std::map<Uid, std::string> acknowledged;
    for (Uid uid = 1; uid <= 40; ++uid) {
        acknowledged[uid] = message_text(100000, uid);
        ASSERT_TRUE(deliver_text(acknowledged[uid]));
    }
    env_.fail_appends(Fault::no_space);
    EXPECT_FALSE(deliver_text("refused"));
    // Some octets are free again, but fewer than the log would need as tables.
    env_.say_free(3U << 20U);
    env_.fail_appends(Fault::none);
    const ListedMailbox inbox = listed(mail(), mailbox_owner);
    ASSERT_TRUE(comes_true([&] { return mail().expunge(inbox, {1}).has_value(); })) << "nobody can delete";
    acknowledged.erase(1);
    EXPECT_EQ(mail().writable().error().code, ErrorCode::no_space);
    EXPECT_FALSE(deliver_text("refused too"));
    reopen();
    EXPECT_FALSE(mail().writable());
    EXPECT_TRUE(mail().expunge(inbox, {2}));
    acknowledged.erase(2);
    env_.say_free(std::nullopt);
    ASSERT_TRUE(recovers());
    ASSERT_TRUE(deliver_text("after"));
    expect_all(acknowledged);
    EXPECT_FALSE(read_message(mail(), mailbox_owner, 1));
    EXPECT_FALSE(read_message(mail(), mailbox_owner, 2));
}

TEST_F(StoreFaults, AStoreThatFindsNoRoomAtAllOpensForReadingAndRecovers) {
    ASSERT_TRUE(store_->accounts().add({mailbox_owner, "hash", "", 1}));
    ASSERT_TRUE(deliver_text("before"));
    const RecordId id = new_id();
    store_->decisions().refuse(id, id.time(), {"why", {}, {}}, {});
    store_.reset();
    env_.fail_appends(Fault::no_space);
    auto opened = Store::open({.folder = folder_ / "state", .env = env_.env()});
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
    EXPECT_EQ(read_message(mail(), mailbox_owner, 1), "Return-Path: <>\r\nbefore");
    EXPECT_TRUE(store_->accounts().find(mailbox_owner));
    EXPECT_EQ(decision_of(store_->decisions(), id), "why");
    EXPECT_EQ(mail().writable().error().code, ErrorCode::no_space);
    EXPECT_EQ(deliver_text("refused").error().code, ErrorCode::no_space);
    env_.fail_appends(Fault::none);
    ASSERT_TRUE(recovers());
    EXPECT_TRUE(deliver_text("after"));
    expect_all({
        {1, "before"},
        {2, "after" }
    });
}

TEST_F(StoreFaults, RefusalsWaitInMemoryWhileTheDiskRefuses) {
    env_.fail_appends(Fault::no_space, "/refusals/");
    std::vector<RecordId> ids;
    for (int i = 0; i < 600; ++i) {
        ids.push_back(new_id());
        store_->decisions().refuse(ids.back(), ids.back().time(), {"r" + std::to_string(i), {}, {}}, {});
    }
    EXPECT_EQ(decision_of(store_->decisions(), ids.front()), "r0");
    EXPECT_TRUE(deliver_text("mail goes on"));
    env_.fail_appends(Fault::none);
    EXPECT_TRUE(comes_true([&] {
        const auto reader = Store::open_reader(folder_ / "state");
        return reader && (*reader)->decisions().count() == 601U;
    }));
}

TEST_F(StoreFaults, ASlowDiskHoldsUpNobodyWhoHandsIn) {
    ASSERT_TRUE(deliver_text("before"));
    env_.hold_syncs();
    std::atomic<int> busy{0};
    std::atomic<int> others{0};
    std::atomic<int> answered{0};
    std::promise<void> all_answered;
    const std::string text = message_text(100000);
    const auto body = message_of(text);
    constexpr int count = 1000;  // 100 MB: more than may wait
    for (int i = 0; i < count; ++i) {
        mail().deliver(delivery_to(mailbox_owner, body), [&](Result<std::vector<Uid>> uids) {
            const bool is_busy = !uids && uids.error().code == ErrorCode::busy;
            ++(is_busy ? busy : others);
            if (++answered == count) all_answered.set_value();
        });
    }
    // All of them were handed in while a sync hung; those over the limit are told so now, the others later.
    EXPECT_TRUE(comes_true([&] { return env_.held_syncs() > 0 && busy > 0; }));
    EXPECT_EQ(others, 0);
    EXPECT_TRUE(mail().list(mailbox_owner, "INBOX"));
    env_.release_syncs();
    all_answered.get_future().wait();
    EXPECT_LT(busy, count / 2);
    EXPECT_EQ(mail().list(mailbox_owner, "INBOX")->rows.size(), static_cast<std::size_t>(1 + count - busy));
}

TEST_F(StoreFaults, ANewerFormatIsRefusedInWords) {
    store_.reset();
    {
        Database::Setup setup;
        setup.folder = folder_ / "state/mail";
        setup.env = env_.env();
        setup.tables = mail_tables();
        setup.tables.push_back({"a-table-of-tomorrow", {}});
        setup.clock = &system_clock();
        const auto database = Database::open(std::move(setup));
        ASSERT_TRUE(database);
        const auto use = (*database)->use();
        rocksdb::WriteBatch batch;
        ASSERT_TRUE(
            batch.Put(use[MailTable::meta], rocksdb::Slice(rows::format_key), rows::encode_format(3)).ok()
        );
        ASSERT_TRUE((*database)->write(use, batch, Database::Sync::yes));
    }
    const auto store = Store::open({.folder = folder_ / "state", .env = env_.env()});
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().code, ErrorCode::invalid);
    EXPECT_NE(
        store.error().message.find("newer version of mailwicket (format 3; this one knows 2)"),
        std::string::npos
    );
    const auto reader = Store::open_reader(folder_ / "state");
    ASSERT_FALSE(reader);
    EXPECT_EQ(reader.error().code, ErrorCode::invalid);
}

TEST_F(StoreFaults, DamageInTheLogCostsTheBatchAloneThatItHit) {
    for (int i = 0; i < 30; ++i)
        ASSERT_TRUE(deliver_text(message_text(5000, static_cast<std::uint64_t>(i))));
    env_.cut_after(0);
    store_.reset();
    env_.restore(3);
    fs::path log;
    for (const auto& entry : fs::directory_iterator(folder_ / "state/mail")) {
        if (entry.path().extension() == ".log" && entry.file_size() > 100000) log = entry.path();
    }
    ASSERT_FALSE(log.empty());
    {
        std::FILE* file = std::fopen(log.c_str(), "r+b");
        ASSERT_NE(file, nullptr);
        std::fseek(file, 80000, SEEK_SET);
        std::fputs("damage", file);
        std::fclose(file);
    }
    reopen();
    int read = 0;
    for (Uid uid = 1; uid <= 30; ++uid) {
        const auto got = read_message(mail(), mailbox_owner, uid);
        if (got) EXPECT_EQ(*got, "Return-Path: <>\r\n" + message_text(5000, uid - 1));
        read += got ? 1 : 0;
    }
    EXPECT_LT(read, 30);
    EXPECT_GE(read, 22);  // RocksDB gives up the rest of a block of 32 KiB
}

TEST_F(StoreFaults, DamagedRecordsOfRefusalsAreSetAsideAndMailGoesOn) {
    ASSERT_TRUE(deliver_text("Subject: kept\r\n\r\n"));
    for (const std::string_view file : {"CURRENT", "MANIFEST"}) {
        SCOPED_TRACE(file);
        store_->decisions().refuse(new_id(), system_clock().wall(), {"a record", {}, {}}, {});
        store_.reset();
        int damaged = 0;
        for (const auto& entry : fs::directory_iterator(folder_ / "state/refusals")) {
            if (!entry.path().filename().string().starts_with(file)) continue;
            std::ofstream(entry.path(), std::ios::trunc) << "rubbish\n";
            ++damaged;
        }
        ASSERT_GE(damaged, 1);
        reopen();
        ASSERT_TRUE(store_);
        EXPECT_EQ(read_message(mail(), mailbox_owner, 1), "Return-Path: <>\r\nSubject: kept\r\n\r\n");
        EXPECT_TRUE(mail().writable());
        int aside = 0;
        for (const auto& entry : fs::directory_iterator(folder_ / "state"))
            aside += entry.path().filename().string().starts_with("refusals.damaged-") ? 1 : 0;
        EXPECT_EQ(aside, 1);
        for (const auto& entry : fs::directory_iterator(folder_ / "state"))
            if (entry.path().filename().string().starts_with("refusals.damaged-"))
                fs::remove_all(entry.path());
    }
}

}  // namespace
}  // namespace wicket
