#include "store/accounts.hpp"
#include "store/store.hpp"
#include "tests/support/store/store_fixture.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

using namespace test;

TEST(AccountStore, KeepsAccountsAcrossReopening) {
    const TemporaryFolder folder;
    {
        const auto store = open_store({.folder = folder.path()});
        ASSERT_TRUE(store->accounts().add({"b@x", "hash b", "scram b", 2}));
        ASSERT_TRUE(store->accounts().add({"a@x", "hash a", "scram a", 1}));
        EXPECT_EQ(store->accounts().add({"a@x", "other", "", 1}).error().code, ErrorCode::exists);
        EXPECT_EQ(store->accounts().update({"c@x", "", "", 1}).error().code, ErrorCode::not_found);
        ASSERT_TRUE(store->accounts().update({"a@x", "new hash", "new scram", 1}));
        EXPECT_EQ(store->accounts().add({"", "", "", 1}).error().code, ErrorCode::invalid);
    }
    const auto store = open_store({.folder = folder.path()});
    const auto all = store->accounts().list();
    ASSERT_TRUE(all);
    ASSERT_EQ(all->size(), 2U);
    EXPECT_EQ(all->front().address, "a@x");
    EXPECT_EQ(all->front().password_hash, "new hash");
    EXPECT_EQ(all->front().scram_sha256, "new scram");
    EXPECT_EQ(all->back().created_seconds, 2);
    EXPECT_EQ(store->accounts().find("c@x").error().code, ErrorCode::not_found);
}

TEST(AccountStore, MailGoesWithItsAccountAndStaysForOthers) {
    const TemporaryFolder folder;
    const auto store = open_store({.folder = folder.path()});
    ASSERT_TRUE(store->accounts().add({"a@x", "", "", 1}));
    const auto validity = store->mail().list("a@x", "INBOX")->uid_validity;
    Delivery delivery = delivery_to("a@x", message_of("shared"));
    delivery.rows.push_back({"a@x", "Junk", "", {}});
    delivery.rows.push_back({"b@x", "INBOX", "", {}, MailboxOwner::nobody});
    ASSERT_TRUE(deliver(store->mail(), std::move(delivery)));
    EXPECT_EQ(store->mail().list("a@x", "INBOX")->uid_validity, validity);
    EXPECT_EQ(store->accounts().remove("c@x").error().code, ErrorCode::not_found);
    ASSERT_TRUE(store->accounts().remove("a@x"));
    EXPECT_EQ(store->accounts().find("a@x").error().code, ErrorCode::not_found);
    EXPECT_TRUE(store->mail().list("a@x", "INBOX")->rows.empty());
    EXPECT_EQ(read_message(store->mail(), "b@x", 1), "shared");
    // An account of the same name begins anew.
    ASSERT_TRUE(store->accounts().add({"a@x", "", "", 1}));
    EXPECT_NE(store->mail().list("a@x", "INBOX")->uid_validity, validity);
    EXPECT_TRUE(store->mail().list("a@x", "INBOX")->rows.empty());
    std::uint64_t faults = 0;
    ASSERT_TRUE(store->mail().verify([&](const std::string&) { ++faults; }));
    EXPECT_EQ(faults, 0U);
}

TEST(AccountStore, ASessionOfARemovedAccountGetsNothingOfItsNamesake) {
    const TemporaryFolder folder;
    const auto store = open_store({.folder = folder.path()});
    MailStore& mail = store->mail();
    ASSERT_TRUE(store->accounts().add({"a@x", "", "", 1}));
    ASSERT_TRUE(deliver(mail, delivery_to("a@x", message_of("old"))));
    const ListedMailbox old = listed(mail, "a@x");
    ASSERT_TRUE(mail.open_message(old, 1));

    ASSERT_TRUE(store->accounts().remove("a@x"));
    EXPECT_EQ(mail.open_message(old, 1).error().code, ErrorCode::not_found);
    EXPECT_EQ(mail.expunge(old, {1}).error().code, ErrorCode::not_found);

    ASSERT_TRUE(store->accounts().add({"a@x", "", "", 2}));
    ASSERT_TRUE(deliver(mail, delivery_to("a@x", message_of("of the new owner"))));
    const auto opened = mail.open_message(old, 1);
    ASSERT_FALSE(opened) << "the old session reads the new owner's mail";
    EXPECT_EQ(opened.error().code, ErrorCode::not_found);
    const auto expunged = mail.expunge(old, {1});
    ASSERT_FALSE(expunged) << "the old session deletes the new owner's mail";
    EXPECT_EQ(expunged.error().code, ErrorCode::not_found);
    EXPECT_EQ(read_message(mail, "a@x", 1), "Return-Path: <>\r\nof the new owner");
}

TEST(AccountStore, MailOnItsWayToARemovedAccountIsNotKeptForANamesake) {
    const TemporaryFolder folder;
    const auto store = open_store({.folder = folder.path()});
    const auto late_delivery = [] {
        Delivery delivery = delivery_to("a@x", message_of(message_text(5000)));
        delivery.rows.front().owner = MailboxOwner::account;
        return delivery;
    };
    // Whether or not the store has had to do with the mailbox since it was opened.
    for (const int earlier : {0, 1}) {
        SCOPED_TRACE(earlier);
        ASSERT_TRUE(store->accounts().add({"a@x", "", "", 1}));
        for (int i = 0; i < earlier; ++i)
            ASSERT_TRUE(deliver(store->mail(), late_delivery()));
        ASSERT_TRUE(store->accounts().remove("a@x"));
        Delivery delivery = late_delivery();
        delivery.rows.push_back({"b@x", "INBOX", "", {}, MailboxOwner::nobody});
        const auto late = deliver(store->mail(), std::move(delivery));
        ASSERT_FALSE(late) << "acknowledged, though nobody is there to get it";
        EXPECT_EQ(late.error().code, ErrorCode::not_found);
        EXPECT_TRUE(store->mail().list("b@x", "INBOX")->rows.empty()) << "a part of it was stored";
        ASSERT_TRUE(store->accounts().add({"a@x", "", "", 2}));
        EXPECT_TRUE(store->mail().list("a@x", "INBOX")->rows.empty()) << "the next owner of the name got it";
        ASSERT_TRUE(deliver(store->mail(), late_delivery()));
        ASSERT_TRUE(store->accounts().remove("a@x"));
    }
}

TEST(AccountStore, ADamagedBlockHidesItsAccountsForNowAndStopsNothingElse) {
    const TemporaryFolder folder;
    const auto address = [](int i) { return std::to_string(1000 + i) + "@x"; };
    const RecordId record = new_id();
    {
        const auto store = open_store({.folder = folder.path()});
        for (int i = 0; i < 300; ++i)
            ASSERT_TRUE(store->accounts().add({address(i), std::string(300, 'h'), "", 1}));
        store->decisions().refuse(record, record.time(), {"why", {}, {}}, {});
    }
    const auto files = files_of(folder.path(), MailTable::accounts);
    ASSERT_EQ(files.size(), 1U);
    damage(files.front(), 40000);
    {
        const auto reader = Store::open_reader(folder.path());
        ASSERT_TRUE(reader) << "what needs no accounts does not work: " << reader.error().message;
        EXPECT_EQ(decision_of((*reader)->decisions(), record), "why");
        const auto snapshot = Store::open_snapshot(folder.path());
        ASSERT_TRUE(snapshot);
        int faults = 0;
        EXPECT_TRUE((*snapshot)->mail().verify([&](const std::string&) { ++faults; }));
        EXPECT_GT(faults, 0);
    }
    auto opened = Store::open({.folder = folder.path()});
    ASSERT_TRUE(opened) << opened.error().message;
    AccountStore& accounts = (*opened)->accounts();
    EXPECT_TRUE(accounts.find(address(0)));
    EXPECT_TRUE(accounts.find(address(299)));
    int hidden = 0;
    for (int i = 0; i < 300; ++i) {
        const auto found = accounts.find(address(i));
        if (found) continue;
        ++hidden;
        EXPECT_EQ(found.error().code, ErrorCode::unavailable) << "mail for it would be refused for good";
    }
    EXPECT_GT(hidden, 0);
    EXPECT_LT(hidden, 150);
    EXPECT_EQ(accounts.find("nobody@x").error().code, ErrorCode::unavailable);
    EXPECT_TRUE(deliver((*opened)->mail(), delivery_to(address(0), message_of("mail goes on"))));
}

TEST(AccountStore, FoldsOnlyAsciiLetters) {
    EXPECT_EQ(canonical_account_name("Alice.B", "Example.TEST"), "alice.b@example.test");
    EXPECT_EQ(
        canonical_account_name(
            "\xC3\x89",
            "b\xC3\xBC"
            "cher.test"
        ),
        "\xC3\xA9@xn--bcher-kva.test"
    );
    EXPECT_EQ(canonical_account_name("a b", "x"), "a b@x");
    EXPECT_EQ(canonical_account_name("../..", "x"), "../..@x");
    EXPECT_EQ(canonical_account_name("e\xCC\x81", "x"), canonical_account_name("\xC3\xA9", "x"));
}

TEST(KeyedMemory, ForgetsWhatHasExpired) {
    const TemporaryFolder folder;
    SharedClock clock;
    auto store = open_store({.folder = folder.path(), .clock = &clock});
    store->memory().remember("key", "value", clock.wall() + std::chrono::hours(1));
    store->memory().remember("short", "value", clock.wall() + std::chrono::seconds(1));
    EXPECT_EQ(store->memory().recall("key"), "value");
    EXPECT_EQ(store->memory().recall("other"), std::nullopt);
    clock.advance(std::chrono::seconds(1));
    EXPECT_EQ(store->memory().recall("short"), std::nullopt);
    store.reset();
    store = open_store({.folder = folder.path(), .clock = &clock});
    EXPECT_EQ(store->memory().recall("key"), "value");
    store->memory().forget("key");
    EXPECT_EQ(store->memory().recall("key"), std::nullopt);
    store->close();
    EXPECT_EQ(store->memory().recall("key"), std::nullopt);
}

}  // namespace
}  // namespace wicket
