#include "store/committer.hpp"
#include "store/store.hpp"
#include "tests/support/store/store_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <future>
#include <set>
#include <sys/mman.h>
#include <unistd.h>

namespace wicket {
namespace {

using namespace test;
namespace fs = std::filesystem;

constexpr auto alice = "alice@example.test";
constexpr auto bob = "bob@example.test";
constexpr std::size_t large = blob_file_limit_octets + 1;

std::size_t blob_count(const TemporaryFolder& folder) {
    std::size_t count = 0;
    for (const auto& entry : fs::recursive_directory_iterator(folder / "blobs"))
        count += entry.is_regular_file() ? 1U : 0U;
    return count;
}

std::vector<std::string> faults_of(MailStore& mail) {
    std::vector<std::string> faults;
    EXPECT_TRUE(mail.verify([&](const std::string& fault) { faults.push_back(fault); }));
    return faults;
}

class MailStoreTest : public testing::Test {
protected:
    void SetUp() override { reopen(); }
    void reopen() {
        store_.reset();
        store_ = open_store({.folder = folder_.path(), .clock = &clock_});
    }
    MailStore& mail() { return store_->mail(); }

    TemporaryFolder folder_;
    SharedClock clock_;
    std::unique_ptr<Store> store_;
};

TEST_F(MailStoreTest, GivesBackWhatWasDeliveredAlsoAfterReopening) {
    const std::string text = message_text(10000);
    const auto uids = deliver(mail(), delivery_to(alice, message_of(text)));
    ASSERT_TRUE(uids);
    EXPECT_EQ(*uids, std::vector<Uid>{1});
    for (int round = 0; round < 2; ++round) {
        const auto listing = mail().list(alice, "INBOX");
        ASSERT_TRUE(listing);
        ASSERT_EQ(listing->rows.size(), 1U);
        EXPECT_EQ(listing->next_uid, 2U);
        EXPECT_EQ(listing->rows[0].size_octets, text.size() + 17);
        EXPECT_EQ(read_message(mail(), alice, 1), "Return-Path: <>\r\n" + text);
        auto raw = mail().open_raw(listing->rows[0].id);
        ASSERT_TRUE(raw);
        EXPECT_EQ(read_all(**raw), text);
        EXPECT_EQ(
            decision_of(store_->decisions(), listing->rows[0].id),
            "record of " + listing->rows[0].id.to_string()
        );
        reopen();
    }
}

TEST_F(MailStoreTest, KeepsOneBodyForAllRecipientsUntilTheLastRowGoes) {
    for (const std::size_t size : {std::size_t{5000}, large}) {
        const std::string text = message_text(size);
        Delivery delivery = delivery_to(alice, message_of(text));
        const RecordId id = delivery.id;
        delivery.rows.push_back({bob, "Junk", "", {{0, 9}}, MailboxOwner::nobody});
        ASSERT_TRUE(deliver(mail(), std::move(delivery)));
        EXPECT_EQ(blob_count(folder_), size == large ? 1U : 0U);
        const auto junk = mail().list(bob, "Junk");
        ASSERT_TRUE(junk);
        auto reader = mail().open_message(listed(mail(), bob, "Junk"), junk->rows.back().uid);
        ASSERT_TRUE(reader);
        EXPECT_EQ(read_all(**reader), text.substr(9));
        EXPECT_TRUE(faults_of(mail()).empty());

        const auto inbox = mail().list(alice, "INBOX");
        ASSERT_TRUE(mail().expunge(listed(mail(), alice), {inbox->rows.back().uid, 999}));
        EXPECT_TRUE(mail().open_raw(id));
        EXPECT_TRUE(faults_of(mail()).empty());
        ASSERT_TRUE(mail().expunge(listed(mail(), bob, "Junk"), {junk->rows.back().uid}));
        const auto gone = mail().open_raw(id);
        ASSERT_FALSE(gone);
        EXPECT_EQ(gone.error().code, ErrorCode::not_found);
        EXPECT_EQ(blob_count(folder_), 0U);
    }
}

TEST_F(MailStoreTest, NeverGivesAUidTwice) {
    std::set<Uid> seen;
    for (int i = 0; i < 5; ++i) {
        const auto uids = deliver(mail(), delivery_to(alice, message_of("x")));
        ASSERT_TRUE(uids);
        EXPECT_TRUE(seen.insert(uids->front()).second);
        ASSERT_TRUE(mail().expunge(listed(mail(), alice), *uids));
        reopen();
    }
}

TEST_F(MailStoreTest, GivesUidsInTheOrderOfTheRowsAlsoTwiceToOneMailbox) {
    Delivery delivery = delivery_to(alice, message_of("x"));
    delivery.rows.push_back({bob, "INBOX", "", {}, MailboxOwner::nobody});
    delivery.rows.push_back({alice, "INBOX", "", {}, MailboxOwner::nobody});
    EXPECT_EQ(deliver(mail(), std::move(delivery)), (std::vector<Uid>{1, 1, 2}));
    ASSERT_TRUE(mail().expunge(listed(mail(), alice), {1, 2}));
    EXPECT_EQ(read_message(mail(), bob, 1), "x");
    EXPECT_TRUE(faults_of(mail()).empty());
}

TEST_F(MailStoreTest, KeepsUidValidityWhateverTheClockDoes) {
    ASSERT_TRUE(deliver(mail(), delivery_to(alice, message_of("x"))));
    const auto before = mail().list(alice, "INBOX")->uid_validity;
    std::set<std::uint32_t> given{before};
    for (const auto jump : {std::chrono::years(10), std::chrono::years(-20), std::chrono::years(200)}) {
        clock_.advance(std::chrono::duration_cast<std::chrono::microseconds>(jump));
        reopen();
        EXPECT_EQ(mail().list(alice, "INBOX")->uid_validity, before);
        const std::string account = std::to_string(jump.count()) + "@example.test";
        ASSERT_TRUE(deliver(mail(), delivery_to(account, message_of("x"))));
        EXPECT_TRUE(given.insert(mail().list(account, "INBOX")->uid_validity).second);
    }
}

TEST_F(MailStoreTest, StoresTheRecordAloneOfARefusedMessage) {
    Delivery delivery;
    delivery.id = new_id();
    delivery.body = message_of("refused");
    delivery.record = {"why", {}, {}};
    const RecordId id = delivery.id;
    EXPECT_EQ(deliver(mail(), std::move(delivery)), std::vector<Uid>());
    EXPECT_EQ(decision_of(store_->decisions(), id), "why");
    EXPECT_FALSE(mail().open_raw(id));
}

TEST_F(MailStoreTest, RefusesOneDeliveryWithoutHarmToItsCompany) {
    const RecordId id = new_id();
    ASSERT_TRUE(deliver(mail(), delivery_to(alice, message_of("first"), id)));
    const auto again = deliver(mail(), delivery_to(alice, message_of("second"), id));
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, ErrorCode::exists);
    Delivery bad = delivery_to(alice, message_of("bad cuts"));
    bad.rows[0].cuts = {
        {5, 100}
    };
    const auto refused = deliver(mail(), std::move(bad));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::invalid);
    EXPECT_TRUE(deliver(mail(), delivery_to(alice, message_of("third"))));
    EXPECT_EQ(mail().list(alice, "INBOX")->rows.size(), 2U);
    EXPECT_TRUE(mail().writable());
    EXPECT_TRUE(faults_of(mail()).empty());
}

TEST_F(MailStoreTest, TakesABodyThatIsAFile) {
    for (const std::size_t size : {std::size_t{1000}, large * 3}) {
        const std::string text = message_text(size);
        FileDescriptor file(::memfd_create("body", MFD_CLOEXEC));
        ASSERT_EQ(::pwrite(file.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
        const auto body = std::make_shared<MessageBytes>(std::move(file), text.size(), sha256_of(text));
        const auto uids = deliver(mail(), delivery_to(alice, body));
        ASSERT_TRUE(uids);
        EXPECT_EQ(read_message(mail(), alice, uids->front()), "Return-Path: <>\r\n" + text);
    }
}

TEST_F(MailStoreTest, AThousandEqualMessagesMakeAThousandRows) {
    constexpr int count = 1000;
    std::promise<void> done;
    std::atomic<int> left{count};
    const auto body = message_of(message_text(2000));
    for (int i = 0; i < count; ++i) {
        mail().deliver(delivery_to(alice, body), [&](Result<std::vector<Uid>> uids) {
            EXPECT_TRUE(uids);
            if (--left == 0) done.set_value();
        });
    }
    done.get_future().wait();
    const auto listing = mail().list(alice, "INBOX");
    ASSERT_TRUE(listing);
    ASSERT_EQ(listing->rows.size(), static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i)
        EXPECT_EQ(listing->rows[static_cast<std::size_t>(i)].uid, static_cast<Uid>(i + 1));
}

TEST_F(MailStoreTest, AnAccountWithoutMailHasAnEmptyMailbox) {
    const auto listing = mail().list("nobody@example.test", "INBOX");
    ASSERT_TRUE(listing);
    EXPECT_TRUE(listing->rows.empty());
    EXPECT_NE(listing->uid_validity, 0U);
    EXPECT_TRUE(mail().expunge(listed(mail(), "nobody@example.test"), {1}));
    const auto missing = mail().open_message(listed(mail(), "nobody@example.test"), 1);
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, ErrorCode::not_found);
}

TEST_F(MailStoreTest, NamesAreOctetsAndNeverPaths) {
    const std::vector<std::string> names = {
        "../../etc/passwd@x", std::string("a\0b@x", 5), "-rf@x", "|cmd@x", "a@x/INBOX", "\xC3\xA9@x", ""
    };
    for (const std::string& name : names)
        ASSERT_TRUE(deliver(mail(), delivery_to(name, message_of("to " + name))));
    for (const std::string& name : names) {
        EXPECT_EQ(mail().list(name, "INBOX")->rows.size(), 1U);
        EXPECT_EQ(read_message(mail(), name, 1), "Return-Path: <>\r\nto " + name);
    }
}

TEST_F(MailStoreTest, OnlyOneSessionHasAMaildrop) {
    auto first = mail().lock_maildrop(alice, "INBOX");
    ASSERT_TRUE(first);
    const auto second = mail().lock_maildrop(alice, "INBOX");
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::busy);
    EXPECT_TRUE(mail().lock_maildrop(alice, "Junk"));
    first->reset();
    EXPECT_TRUE(mail().lock_maildrop(alice, "INBOX"));
    auto survivor = mail().lock_maildrop(bob, "INBOX");
    store_.reset();
}

TEST_F(MailStoreTest, FindsDamageAndServesTheRest) {
    const std::string text = message_text(large, 3);
    Delivery delivery = delivery_to(alice, message_of(text));
    const RecordId id = delivery.id;
    ASSERT_TRUE(deliver(mail(), std::move(delivery)));
    ASSERT_TRUE(deliver(mail(), delivery_to(alice, message_of("good"))));
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / "blobs")) {
        if (!entry.is_regular_file()) continue;
        std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(70000);
        file.put('\0');
    }
    const auto damaged = read_message(mail(), alice, 1);
    ASSERT_FALSE(damaged);
    EXPECT_EQ(damaged.error().code, ErrorCode::corrupt);
    EXPECT_TRUE(read_message(mail(), alice, 2));
    const auto faults = faults_of(mail());
    ASSERT_EQ(faults.size(), 1U);
    EXPECT_NE(faults[0].find(id.to_string()), std::string::npos);
}

TEST_F(MailStoreTest, FindsFlippedOctetsInItsTables) {
    for (int i = 0; i < 20; ++i)
        ASSERT_TRUE(
            deliver(mail(), delivery_to(alice, message_of(message_text(6000, static_cast<std::uint64_t>(i)))))
        );
    store_.reset();
    reopen();  // flushes what the log holds into table and blob files
    store_.reset();
    std::size_t flipped = 0;
    for (const auto& entry : fs::directory_iterator(folder_ / "mail")) {
        if (entry.path().extension() != ".blob" || entry.file_size() < 50000) continue;
        std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
        file.seekg(20000);
        const auto octet = static_cast<char>(file.get() ^ 1);
        file.seekp(20000);
        file.put(octet);
        ++flipped;
    }
    ASSERT_GT(flipped, 0U);
    reopen();
    int read = 0;
    int corrupt = 0;
    for (Uid uid = 1; uid <= 20; ++uid) {
        const auto got = read_message(mail(), alice, uid);
        if (got)
            EXPECT_EQ(*got, "Return-Path: <>\r\n" + message_text(6000, uid - 1));
        else
            EXPECT_EQ(got.error().code, ErrorCode::corrupt);
        ++(got ? read : corrupt);
    }
    EXPECT_EQ(corrupt, 1);
    EXPECT_EQ(read, 19);
    EXPECT_EQ(faults_of(mail()).size(), 1U);
}

TEST_F(MailStoreTest, FindsFlippedOctetsInEveryTable) {
    ASSERT_TRUE(store_->accounts().add({alice, "hash", "scram", 1}));
    ASSERT_TRUE(deliver(mail(), delivery_to(alice, message_of("Subject: small\r\n"))));
    for (int i = 0; i < 102; ++i) {
        const RecordId id = new_id();
        if (!store_->decisions().fold({*IpAddress::parse("192.0.2.1"), "rule", 3}, id, id.time()))
            store_->decisions().refuse(id, id.time(), {"why", {}, {}}, {});
    }
    store_->memory().remember("key", "value", clock_.wall() + std::chrono::hours(1));
    ASSERT_TRUE(faults_of(mail()).empty());
    store_.reset();
    const auto expect_found = [&](const std::string& name, const std::vector<std::string>& files) {
        SCOPED_TRACE(name);
        ASSERT_FALSE(files.empty());
        damage(files.front(), 20);
        {
            const auto reader = Store::open_snapshot(folder_.path());
            ASSERT_TRUE(reader) << reader.error().message;
            const auto faults = faults_of((*reader)->mail());
            ASSERT_FALSE(faults.empty()) << "the damage is not found";
            const auto names_it = [&](const std::string& fault) { return fault.contains(name); };
            EXPECT_TRUE(std::ranges::any_of(faults, names_it)) << faults.front();
        }
        damage(files.front(), 20);
    };
    expect_found("`mailboxes`", files_of(folder_.path(), MailTable::mailboxes));
    expect_found("UID", files_of(folder_.path(), MailTable::views));
    expect_found("`messages`", files_of(folder_.path(), MailTable::messages));
    expect_found("message", files_of(folder_.path(), MailTable::bodies));
    expect_found("`accounts`", files_of(folder_.path(), MailTable::accounts));
    expect_found("record", files_of(folder_.path(), MailTable::decisions));
    expect_found("record", files_of(folder_.path(), RefusalTable::refusals));
    expect_found("`folds`", files_of(folder_.path(), RefusalTable::folds));
    expect_found("`memory`", files_of(folder_.path(), RefusalTable::memory));
    const auto reader = Store::open_snapshot(folder_.path());
    ASSERT_TRUE(reader);
    EXPECT_TRUE(faults_of((*reader)->mail()).empty());
}

TEST_F(MailStoreTest, SweepsTheBlobsOfACrash) {
    ASSERT_TRUE(deliver(mail(), delivery_to(alice, message_of(message_text(large)))));
    const RecordId orphan = new_id();
    store_.reset();
    const fs::path place = fs::path(folder_ / "blobs") / "00" / orphan.to_string();
    std::ofstream(place) << "half a mess";
    std::ofstream(fs::path(folder_ / "blobs") / "00" / "not-ours") << "x";
    reopen();
    EXPECT_FALSE(fs::exists(place));
    EXPECT_EQ(blob_count(folder_), 2U);
    EXPECT_TRUE(read_message(mail(), alice, 1));
}

TEST_F(MailStoreTest, EveryCallFailsAfterClose) {
    store_->close();
    const auto delivered = deliver(mail(), delivery_to(alice, message_of("x")));
    ASSERT_FALSE(delivered);
    EXPECT_EQ(delivered.error().code, ErrorCode::unavailable);
    EXPECT_EQ(mail().list(alice, "INBOX").error().code, ErrorCode::unavailable);
    EXPECT_EQ(mail().expunge(listed(mail(), alice), {1}).error().code, ErrorCode::unavailable);
    EXPECT_EQ(mail().writable().error().code, ErrorCode::unavailable);
    EXPECT_EQ(store_->accounts().find(alice).error().code, ErrorCode::unavailable);
    EXPECT_EQ(decision_of(store_->decisions(), new_id()).error().code, ErrorCode::unavailable);
    store_->close();
}

TEST_F(MailStoreTest, ASecondWriterIsToldWhoHasTheStore) {
    const auto second = Store::open({.folder = folder_.path()});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::busy);
    EXPECT_NE(
        second.error().message.find("in use by process " + std::to_string(::getpid())), std::string::npos
    );
    store_.reset();
    EXPECT_TRUE(Store::open({.folder = folder_.path()}));
}

TEST_F(MailStoreTest, AReaderSeesWhatTheWriterWrites) {
    ASSERT_TRUE(store_->accounts().add({alice, "hash", "scram", 5}));
    ASSERT_TRUE(deliver(mail(), delivery_to(alice, message_of("one"))));
    auto reader = Store::open_reader(folder_.path());
    ASSERT_TRUE(reader) << reader.error().message;
    EXPECT_TRUE((*reader)->accounts().find(alice));
    ASSERT_TRUE(deliver(mail(), delivery_to(alice, message_of(message_text(large)))));
    ASSERT_TRUE(deliver(mail(), delivery_to(alice, message_of(message_text(8000)))));
    const RecordId refused = new_id();
    store_->decisions().refuse(refused, clock_.wall(), {"refused", {}, {}}, {});
    EXPECT_TRUE(comes_true([&] {
        return (*reader)->refresh() && decision_of((*reader)->decisions(), refused).has_value();
    }));
    EXPECT_EQ((*reader)->mail().list(alice, "INBOX")->rows.size(), 3U);
    EXPECT_EQ((*reader)->mail().writable().error().code, ErrorCode::unavailable);
    EXPECT_EQ(
        deliver((*reader)->mail(), delivery_to(alice, message_of("x"))).error().code, ErrorCode::unavailable
    );
    // Also when the writer has flushed, renewed its log and gone.
    reopen();
    ASSERT_TRUE(deliver(mail(), delivery_to(alice, message_of("four"))));
    store_.reset();
    ASSERT_TRUE((*reader)->refresh());
    EXPECT_EQ((*reader)->mail().list(alice, "INBOX")->rows.size(), 4U);
    EXPECT_FALSE((*reader)->mail().verify([](const std::string&) {}));
    const auto late = Store::open_reader(folder_.path());
    ASSERT_TRUE(late);
    EXPECT_EQ((*late)->mail().list(alice, "INBOX")->rows.size(), 4U);
}

TEST_F(MailStoreTest, ASnapshotReadsOctetsWhereverTheyAre) {
    ASSERT_TRUE(deliver(mail(), delivery_to(alice, message_of("one"))));
    ASSERT_TRUE(deliver(mail(), delivery_to(alice, message_of(message_text(large)))));
    ASSERT_TRUE(deliver(mail(), delivery_to(alice, message_of(message_text(8000)))));
    const auto expect_all = [&] {
        const auto snapshot = Store::open_snapshot(folder_.path());
        ASSERT_TRUE(snapshot) << snapshot.error().message;
        EXPECT_EQ(read_message((*snapshot)->mail(), alice, 1), "Return-Path: <>\r\none");
        EXPECT_EQ(read_message((*snapshot)->mail(), alice, 2), "Return-Path: <>\r\n" + message_text(large));
        EXPECT_EQ(read_message((*snapshot)->mail(), alice, 3), "Return-Path: <>\r\n" + message_text(8000));
        EXPECT_EQ((*snapshot)->mail().writable().error().code, ErrorCode::unavailable);
        EXPECT_EQ(faults_of((*snapshot)->mail()), std::vector<std::string>());
    };
    expect_all();
    // Flushed: the third stands in a file of RocksDB's for large values.
    reopen();
    expect_all();
    store_.reset();
    expect_all();
}

TEST(MailStore, AReaderOfNothingSaysSo) {
    const TemporaryFolder folder;
    const auto reader = Store::open_reader(folder / "state");
    ASSERT_FALSE(reader);
    EXPECT_EQ(reader.error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace wicket
