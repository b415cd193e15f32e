#include "policy/suspicion.hpp"

#include "policy/time_text.hpp"

#include <gtest/gtest.h>

#include <fmt/format.h>
#include <set>

namespace wicket {
namespace {

StoredRecord mail_at(std::string_view time, std::string from, Action action) {
    StoredRecord stored;
    DecisionRecord& record = stored.record;
    record.time = parse_time(time).value();
    record.id = RecordId::make(record.time, 1, 1);
    record.client_ip = *IpAddress::parse("192.0.2.7");
    record.from = std::move(from);
    record.has_from = true;
    record.verdict.action = action;
    record.verdict.rule = action == Action::accept ? "default" : "some";
    record.recipients = {
        {"u@example.test", record.verdict, "", nullptr}
    };
    return stored;
}

std::string words_of(const std::vector<Sign>& signs) {
    std::string text;
    for (const Sign& sign : signs)
        text += fmt::format("{}({}) ", row_of(sign.kind).word, sign.detail);
    return text;
}

TEST(Suspicion, TableStandsInTheOrderOfTheEnum) {
    for (std::size_t at = 0; at < sign_table().size(); ++at)
        EXPECT_EQ(static_cast<std::size_t>(sign_table()[at].kind), at);
}

TEST(Suspicion, SeesWhoProvedWhoHeIs) {
    StoredRecord stored = mail_at("2026-06-01T10:00:00Z", "a@bounce.example.org", Action::reject);
    Facts& facts = stored.record.facts;
    facts.set(id_of(CoreFact::from_domain), std::string("mail.example.org"));
    facts.set(id_of(CoreFact::mail_domain), std::string("bounce.example.org"));
    facts.set(id_of(CoreFact::spf_result), std::string("pass"));
    facts.set(
        id_of(CoreFact::dkim_pass),
        TextList{
            {"list.example", "Example.org"},
            ""
    }
    );
    EXPECT_EQ(
        words_of(signs_of(stored, SenderHistory(), {})),
        "dkim_aligned(Example.org) spf_pass(bounce.example.org) "
    );
    facts.set(id_of(CoreFact::mail_domain), std::string("example.org"));
    EXPECT_EQ(
        words_of(signs_of(stored, SenderHistory(), {})), "dkim_aligned(Example.org) spf_aligned(example.org) "
    );
    facts.set(id_of(CoreFact::spf_permits_all), true);
    facts.set(
        id_of(CoreFact::dkim_pass),
        TextList{
            {"ample.org", "other.example"},
            ""
    }
    );
    EXPECT_EQ(words_of(signs_of(stored, SenderHistory(), {})), "");
}

TEST(Suspicion, RemembersWhomItAccepted) {
    SenderHistory history;
    history.learn(mail_at("2026-06-01T10:00:00Z", "ann@example.org", Action::accept));
    const auto signs = [&](std::string_view time, const std::string& from) {
        return words_of(signs_of(mail_at(time, from, Action::junk), history, {}));
    };
    EXPECT_EQ(signs("2026-06-02T10:00:00Z", "Ann@example.org"), "sender_accepted(Ann@example.org) ");
    EXPECT_EQ(signs("2026-06-02T10:00:00Z", "bob@example.org"), "domain_accepted(example.org) ");
    EXPECT_EQ(signs("2026-05-02T10:00:00Z", "ann@example.org"), "");
    EXPECT_EQ(signs("2026-06-02T10:00:00Z", "ann@example.com"), "");
    EXPECT_EQ(signs("2026-06-02T10:00:00Z", ""), "");
    StoredRecord elsewhere = mail_at("2026-06-02T10:00:00Z", "ann@example.org", Action::reject);
    elsewhere.record.client_ip = *IpAddress::parse("203.0.113.7");
    EXPECT_EQ(words_of(signs_of(elsewhere, history, {})), "");
}

TEST(Suspicion, SeesAQueueThatTriesAgain) {
    SenderHistory history;
    const auto first = mail_at("2026-06-01T10:00:00Z", "ann@example.org", Action::reject);
    const auto second = mail_at("2026-06-01T10:00:01Z", "ann@example.org", Action::reject);
    history.learn(first);
    history.learn(second);
    EXPECT_EQ(words_of(signs_of(first, history, {})), "");
    const auto third = mail_at("2026-06-01T10:20:00Z", "ann@example.org", Action::reject);
    history.learn(third);
    EXPECT_EQ(words_of(signs_of(first, history, {})), "retried(3 times) ");
    ASSERT_NE(history.tries(first.record), nullptr);
    EXPECT_EQ(history.tries(first.record), history.tries(third.record));
}

TEST(Suspicion, TriesAreTriesOfOneMessage) {
    SenderHistory history;
    const auto learned =
        [&](std::string_view time, Action action, std::string_view rule, const std::string& hash) {
            StoredRecord stored = mail_at(time, "ann@example.org", action);
            stored.record.verdict.rule = rule;
            stored.record.message_sha256 = hash;
            history.learn(stored);
            return history.tries(stored.record);
        };
    const auto* greylisted = learned("2026-06-01T10:00:00Z", Action::greylist, "grey", "");
    const auto* one = learned("2026-06-01T10:10:00Z", Action::reject, "pills", std::string(32, '1'));
    const auto* other = learned("2026-06-01T10:20:00Z", Action::reject, "pills", std::string(32, '2'));
    const auto* at_rcpt = learned("2026-06-01T10:30:00Z", Action::reject, "drop", "");
    const auto* by_another = learned("2026-06-01T10:40:00Z", Action::reject, "zen", "");
    EXPECT_EQ(learned("2026-06-01T11:10:00Z", Action::junk, "spf", std::string(32, '1')), one);
    EXPECT_EQ(learned("2026-06-01T11:30:00Z", Action::reject, "drop", ""), at_rcpt);
    EXPECT_EQ(greylisted, one) << "the message is what came after it was put off";
    EXPECT_EQ((std::set{one, other, at_rcpt, by_another}.size()), 4U);
    ASSERT_NE(one, nullptr);
    EXPECT_EQ(one->count, 3U);
    EXPECT_EQ(other->count, 1U);
    // What was put off and then taken has nothing to do with what comes later.
    const auto* taken = learned("2026-06-02T10:00:00Z", Action::greylist, "grey", "");
    learned("2026-06-02T10:10:00Z", Action::accept, "default", "");
    EXPECT_NE(learned("2026-06-02T10:20:00Z", Action::reject, "pills", std::string(32, '3')), taken);
}

TEST(Suspicion, NeedsEvidenceOnlyOfMessagesThatWereRefused) {
    StoredRecord stored = mail_at("2026-06-01T10:00:00Z", "ann@example.org", Action::reject);
    EXPECT_FALSE(SenderHistory::wants_evidence(stored.record));
    stored.record.size = 10;
    EXPECT_TRUE(SenderHistory::wants_evidence(stored.record));
    stored.record.verdict.action = Action::accept;
    EXPECT_FALSE(SenderHistory::wants_evidence(stored.record));
}

TEST(Suspicion, ListensToAllowLists) {
    StoredRecord stored = mail_at("2026-06-01T10:00:00Z", "ann@example.org", Action::reject);
    const auto list =
        stored.dictionary.declare({"dnsbl.dnswl", FactType::texts, Stage::connect, "dnsbl", ""}).value();
    const auto block =
        stored.dictionary.declare({"dnsbl.zen", FactType::texts, Stage::connect, "dnsbl", ""}).value();
    stored.record.facts.set(block, TextList{{"xbl"}, ""});
    stored.record.facts.set(list, TextList{{"none"}, ""});
    EXPECT_EQ(words_of(signs_of(stored, SenderHistory(), {})), "");
    stored.record.facts.set(list, TextList{{"medium"}, ""});
    EXPECT_EQ(words_of(signs_of(stored, SenderHistory(), {})), "allow_listed(dnswl medium) ");
}

TEST(Suspicion, CountsWhatJudgingAgainHasShown) {
    const StoredRecord stored = mail_at("2026-06-01T10:00:00Z", "ann@example.org", Action::reject);
    const auto signs = signs_of(stored, SenderHistory(), {.single_rule = "spf", .margin = 0.5});
    EXPECT_EQ(words_of(signs), "single_rule(spf) low_margin(0.5) ");
    EXPECT_EQ(weight_of(signs), 3);
    EXPECT_EQ(words_of(signs_of(stored, SenderHistory(), {.single_rule = "", .margin = 1.5})), "");
}

TEST(Suspicion, KnowsWhatARefusalIs) {
    StoredRecord stored = mail_at("2026-06-01T10:00:00Z", "ann@example.org", Action::reject);
    EXPECT_TRUE(is_refusal(stored.record, DeferredToo::no));
    stored.record.verdict.rule = "builtin:unknown-user";
    EXPECT_FALSE(is_refusal(stored.record, DeferredToo::yes));
    EXPECT_FALSE(is_refusal(mail_at("2026-06-01T10:00:00Z", "a@b", Action::accept).record, DeferredToo::yes));
    const auto put_off = mail_at("2026-06-01T10:00:00Z", "a@b", Action::greylist);
    EXPECT_FALSE(is_refusal(put_off.record, DeferredToo::no));
    EXPECT_TRUE(is_refusal(put_off.record, DeferredToo::yes));
}

TEST(Suspicion, HoldsNoMoreThanItsLimitAndSaysSo) {
    SenderHistory history(10);
    for (int at = 0; at < 10; ++at)
        history.learn(mail_at("2026-06-01T10:00:00Z", fmt::format("u{}@d{}.example", at, at), Action::accept)
        );
    EXPECT_FALSE(history.is_capped());
    history.learn(mail_at("2026-06-01T10:00:00Z", "late@late.example", Action::accept));
    EXPECT_TRUE(history.is_capped());
    EXPECT_EQ(
        words_of(signs_of(mail_at("2026-06-02T10:00:00Z", "late@late.example", Action::junk), history, {})),
        ""
    );
}

}  // namespace
}  // namespace wicket
