#include "policy/redaction.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

const Redactor redactor("0123456789abcdef0123456789abcdef");

TEST(Redactor, EqualAddressesStayEqualAndOthersDoNot) {
    const std::string alice = redactor.address("alice@example.test");
    EXPECT_TRUE(alice.ends_with("@example.test"));
    EXPECT_EQ(alice.size(), std::string_view("~0123456789abcdef@example.test").size());
    EXPECT_EQ(redactor.address("ALICE@example.test"), alice);
    EXPECT_EQ(redactor.address("Alice@Example.TEST").substr(0, 17), alice.substr(0, 17));
    EXPECT_EQ(redactor.address(alice), alice) << "redacted twice";
    EXPECT_NE(redactor.address("alice@other.test").substr(0, 17), alice.substr(0, 17));
    EXPECT_NE(Redactor("another key").address("alice@example.test"), alice);
    EXPECT_EQ(redactor.address(""), "");
    EXPECT_EQ(redactor.address("postmaster"), "postmaster");
}

// As Python's hmac computes it.
TEST(Redactor, TheHashIsHmacWithSha256) {
    EXPECT_EQ(redactor.address("alice@example.test"), "~8b381104cb539d2c@example.test");
}

TEST(Redactor, FindsAddressesInTexts) {
    const std::string a = redactor.address("a.b+c@x.test");
    const std::string quoted = redactor.local_part("\"a b\"", "x.test") + "@x.test";
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"",                                                                ""                          },
        {"no address",                                                      "no address"                },
        {"@",                                                               "@"                         },
        {"a@",                                                              "a@"                        },
        {"@x.test",                                                         "@x.test"                   },
        {"C1 MAIL FROM:<a.b+c@x.test> SIZE=5\nC2 RCPT TO:<a.b+c@x.test>\n",
         "C1 MAIL FROM:<" + a + "> SIZE=5\nC2 RCPT TO:<" + a + ">\n"                                    },
        {"<\"a b\"@x.test>",                                                "<" + quoted + ">"          },
        {"a.b+c@x.test",                                                    a                           },
        {"mail of a.b+c@x.test, refused",                                   "mail of " + a + ", refused"},
        {"\"@x.test",                                                       "\"@x.test"                 },
    };
    for (const auto& [input, want] : cases)
        EXPECT_EQ(redactor.text(input), want) << input;
    EXPECT_EQ(redactor.text(redactor.text("<a.b+c@x.test>")), "<" + a + ">");
    EXPECT_FALSE(redactor.text("a@b@c").contains("a@b"));
}

TEST(Redactor, ATranscriptHasNoLocalPartLeftThatIsNoAddress) {
    for (const std::string_view line :
         {"C1 RCPT TO:<secret>",
          "C1 rcpt to:<secret@@example.test>",
          "C1 RCPT TO: <secret one@example.test> NOTIFY=NEVER",
          "C1 MAIL FROM:<secret",
          "C1 MAIL FROM:secret SIZE=1",
          "C1 VRFY secret",
          "C1 MAIL FROM:<\"secret\"@sender.test> AUTH=<secret@sender.test>",
          "C1 MAIL FROM:<@a.test,@b.test:secret@sender.test>"}) {
        const std::string redacted = redactor.transcript(line);
        EXPECT_FALSE(redacted.contains("secret")) << redacted;
        EXPECT_EQ(redactor.transcript(redacted), redacted);
    }
    const std::string kept = "C1 RCPT TO:<Postmaster>\nC2 MAIL FROM:<> SIZE=1\nS3 250\nC4 EHLO [192.0.2.1]\n";
    EXPECT_EQ(redactor.transcript(kept), kept);
}

TEST(Redactor, ARecordHasNoLocalPartLeft) {
    const FactDictionary dictionary;
    DecisionRecord record;
    record.id = RecordId::make(WallTime(std::chrono::seconds(1'760'000'000)), 1, 2);
    record.from = "secret.one@sender.test";
    record.transcript = "C1 MAIL FROM:<secret.one@sender.test>\nC2 RCPT TO:<secret.two@example.test>\n";
    record.verdict.reply.text = "No mail of secret.one@sender.test";
    record.reply.text = "No mail of secret.one@sender.test id=X";
    record.verdict.added_headers.emplace_back("X-From", "secret.one@sender.test");
    record.lookups.push_back({
        {"secret.one.spf.sender.test", DnsType::a},
        {}
    });
    record.events.push_back({1, Stage::mail, "of secret.one@sender.test"});
    record.facts.set(id_of(CoreFact::mail_from), std::string("secret.one@sender.test"));
    record.facts.set(id_of(CoreFact::rcpt_local_part), std::string("secret.two"));
    record.facts.set(id_of(CoreFact::from_addresses), TextList{{"secret.one@sender.test"}, ""});
    record.facts.set(
        id_of(CoreFact::dkim_results), ResultList{{{{"identity", "secret.one@sender.test"}}}, ""}
    );
    auto facts = std::make_shared<Facts>();
    facts->set(id_of(CoreFact::rcpt_address), std::string("secret.two@example.test"));
    record.recipients.push_back({"secret.two@example.test", record.verdict, "", facts});
    redactor.redact(record, dictionary);
    const RecordOctets parts = encode_record(record, dictionary);
    const std::string octets = parts.decision + parts.evidence;
    EXPECT_FALSE(octets.contains("secret"));
    const auto stored = decode_record(octets);
    ASSERT_TRUE(stored);
    EXPECT_TRUE(stored->record.is_redacted);
    EXPECT_EQ(stored->record.from, redactor.address("secret.one@sender.test"));
    EXPECT_EQ(stored->record.recipients[0].verdict, stored->record.verdict);
    EXPECT_EQ(
        std::get<std::string>(stored->record.facts.get(id_of(CoreFact::rcpt_local_part))) + "@example.test",
        stored->record.recipients[0].address
    );
    EXPECT_FALSE(record_to_json(*stored, RecordJson::full).contains("secret"));
    EXPECT_EQ(std::get<std::string>(facts->get(id_of(CoreFact::rcpt_address))), "secret.two@example.test");
}

}  // namespace
}  // namespace wicket
