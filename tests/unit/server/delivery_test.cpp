#include "server/delivery.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

struct Fixture {
    Fixture() {
        peer.ip = *IpAddress::parse("203.0.113.9");
        transaction.id = RecordId::make(WallTime(std::chrono::seconds(1'800'000'000)), 1, 2);
        transaction.began = transaction.id.time();
        transaction.from = *parse_mailbox("bob@example.org", AddressCharset::ascii);
        facts.set(id_of(CoreFact::spf_result), std::string("fail"));
        facts.set(
            id_of(CoreFact::dkim_results),
            ResultList{{{{"domain", "example.org"}, {"selector", "s"}, {"result", "pass"}}}, ""}
        );
    }

    void add(std::string address, std::vector<std::string> accounts, Action action) {
        VisitRecipient recipient;
        recipient.address = std::move(address);
        recipient.accounts = std::move(accounts);
        recipient.verdict.action = action;
        recipient.verdict.rule = "a-rule";
        transaction.accepted.push_back(std::move(recipient));
    }

    std::vector<MailboxDelivery> plan(ShadowPolicy shadow = ShadowPolicy::off) {
        const DeliveryTrace trace{peer, tls, hostname, helo, true, transaction, facts};
        return plan_rows(transaction, trace, {}, shadow);
    }

    Peer peer;
    TlsDetails tls;
    std::string hostname = "mx.example.test";
    std::string helo = "client.example.org";
    VisitTransaction transaction;
    Facts facts;
};

TEST(Delivery, GivesEachAccountOneRowInTheMailboxOfItsVerdict) {
    Fixture fixture;
    fixture.add("alice@example.test", {"alice@example.test"}, Action::accept);
    fixture.add("sales@example.test", {"alice@example.test", "bob@example.test"}, Action::accept);
    fixture.add("carol@example.test", {"carol@example.test"}, Action::junk);
    const auto rows = fixture.plan();
    ASSERT_EQ(rows.size(), 3U);
    EXPECT_EQ(rows[0].account, "alice@example.test");
    EXPECT_EQ(rows[0].mailbox, "INBOX");
    EXPECT_EQ(rows[1].account, "bob@example.test");
    EXPECT_EQ(rows[2].mailbox, "Junk");
    EXPECT_EQ(fixture.transaction.accepted[2].mailbox, "Junk");
}

TEST(Delivery, OnlyPostmasterAndTheQuarantineNeedNoAccount) {
    Fixture fixture;
    fixture.add("alice@example.test", {"alice@example.test"}, Action::accept);
    fixture.add("postmaster@example.test", {"postmaster@example.test"}, Action::accept);
    fixture.add("postmaster-b@example.test", {"postmaster-b@example.test"}, Action::accept);
    fixture.add("bob@example.test", {"bob@example.test"}, Action::quarantine);
    const auto rows = fixture.plan();
    ASSERT_EQ(rows.size(), 4U);
    EXPECT_EQ(rows[0].owner, MailboxOwner::account);
    EXPECT_EQ(rows[1].owner, MailboxOwner::nobody);
    EXPECT_EQ(rows[2].owner, MailboxOwner::account);
    EXPECT_EQ(rows[3].owner, MailboxOwner::nobody);
}

TEST(Delivery, KeepsBackWhatOneOfSeveralRefuses) {
    Fixture fixture;
    fixture.add("alice@example.test", {"alice@example.test"}, Action::accept);
    fixture.add("bob@example.test", {"bob@example.test"}, Action::reject);
    fixture.add("carol@example.test", {"carol@example.test"}, Action::discard);
    const auto rows = fixture.plan();
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[1].account, quarantine_account);
    EXPECT_EQ(fixture.transaction.accepted[1].mailbox, "");
}

TEST(Delivery, DeliversEverythingUnderAShadowPolicy) {
    Fixture fixture;
    fixture.add("alice@example.test", {"alice@example.test"}, Action::reject);
    const auto rows = fixture.plan(ShadowPolicy::on);
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0].mailbox, "INBOX");
}

TEST(Delivery, WritesTheTraceFieldsInOrder) {
    Fixture fixture;
    fixture.add("alice@example.test", {"alice@example.test"}, Action::accept);
    const std::string prefix = fixture.plan().front().prefix;
    std::size_t at = 0;
    for (const std::string_view field :
         {"Return-Path: <bob@example.org>\r\n",
          "Delivered-To: alice@example.test\r\n",
          "Received: from client.example.org",
          "Authentication-Results: mx.example.test;",
          "X-Mailwicket: verdict=accept"}) {
        const std::size_t found = prefix.find(field, at);
        EXPECT_NE(found, std::string::npos) << field << "\n" << prefix;
        at = found;
    }
    EXPECT_NE(prefix.find("spf=fail"), std::string::npos);
    EXPECT_NE(prefix.find("dkim=pass"), std::string::npos);
    EXPECT_TRUE(prefix.ends_with("\r\n"));
}

TEST(Delivery, TellsNoRecipientOfAnother) {
    Fixture fixture;
    fixture.add("alice@example.test", {"alice@example.test"}, Action::accept);
    fixture.add("secret@example.test", {"bob@example.test"}, Action::accept);
    EXPECT_EQ(fixture.plan().front().prefix.find("secret"), std::string::npos);
}

TEST(Delivery, TheQuarantineKnowsAllWhoDidNotGetIt) {
    Fixture fixture;
    fixture.add("alice@example.test", {"alice@example.test"}, Action::reject);
    fixture.add("bob@example.test", {"bob@example.test"}, Action::disconnect);
    fixture.add("eve@example.test", {"eve@example.test"}, Action::discard);
    const auto rows = fixture.plan();
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0].account, quarantine_account);
    EXPECT_EQ(rows[0].kept_from, (std::vector<std::string>{"alice@example.test", "bob@example.test"}));
    EXPECT_FALSE(rows[0].prefix.contains("Delivered-To"));
}

}  // namespace
}  // namespace wicket
