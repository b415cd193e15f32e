// The parts of `explain`: which DNS questions a fact rests on, the text of a rule, the letter to the sender.
#include "policy/fact_evidence.hpp"
#include "policy/rule_source.hpp"
#include "policy/sender_letter.hpp"
#include "tests/unit/policy/sample_record.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace wicket {
namespace {

DnsLookup asked(std::string name, DnsType type) {
    return {
        {std::move(name), type},
        {DnsStatus::no_data, {}, 60, false, 1500, ""}
    };
}

TEST(FactEvidence, GivesEachFactItsQuestions) {
    StoredRecord stored = stored_sample();
    DecisionRecord& record = stored.record;
    record.helo = "mail.example.org";
    record.facts.set(*stored.dictionary.find("iprev.names"), TextList{{"host.example.net"}, ""});
    record.lookups = {
        asked("7.2.0.192.zen.example", DnsType::a),        // 0
        asked("7.2.0.192.in-addr.arpa", DnsType::ptr),     // 1
        asked("host.example.net", DnsType::a),             // 2
        asked("mail.example.org", DnsType::mx),            // 3
        asked("example.org", DnsType::txt),                // 4
        asked("spf.example.org", DnsType::a),              // 5: a mechanism
        asked("s1._domainkey.example.org", DnsType::txt),  // 6
        asked("_dmarc.example.org", DnsType::txt),         // 7
        asked("7.2.0.192.notzen.example", DnsType::a),     // 8: of no list that we know
        asked("mail.example.org", DnsType::txt),           // 9
    };
    const FactEvidence evidence(
        stored,
        {
            {"dnsbl.zen",   "zen.example"},
            {"dnsbl.other", "en.example" }
    }
    );
    using Indices = std::vector<std::size_t>;
    EXPECT_EQ(evidence.of("dnsbl.zen"), Indices({0}));
    EXPECT_EQ(evidence.of("dnsbl.other"), Indices());
    EXPECT_EQ(evidence.of("iprev.result"), Indices({1, 2}));
    EXPECT_EQ(evidence.of("client.name"), Indices({1, 2}));
    EXPECT_EQ(evidence.of("helo.resolves"), Indices({3}));
    EXPECT_EQ(evidence.of("spf.result"), Indices({4, 5, 8}));
    EXPECT_EQ(evidence.of("spf.helo.result"), Indices({9}));
    EXPECT_EQ(evidence.of("dkim.pass"), Indices({6}));
    EXPECT_EQ(evidence.of("dmarc.policy"), Indices({7}));
    EXPECT_EQ(evidence.of("message.size"), Indices());
    EXPECT_EQ(evidence.rest(), Indices());

    record.facts.set(id_of(CoreFact::spf_result), Absent{});
    EXPECT_EQ(FactEvidence(stored, {}).rest(), Indices({0, 5, 8}));
}

TEST(RuleSource, IsTheTableThatALineLiesIn) {
    constexpr std::string_view file =
        "# head\n[thresholds]\njunk = 5\n\n# about a\n[[rule]]\nid = \"a\"\nwhen = '[x]'\nthen = "
        "\"reject\"\n\n"
        "# about b\n[[rule]]\nid = \"b\"\npoints = { 'x' = 1,\n 'y' = 2 }";
    EXPECT_EQ(table_text(file, 1), "");
    EXPECT_EQ(table_text(file, 2), "[thresholds]\njunk = 5\n");
    EXPECT_EQ(table_text(file, 7), "[[rule]]\nid = \"a\"\nwhen = '[x]'\nthen = \"reject\"\n");
    EXPECT_EQ(table_text(file, 6), table_text(file, 9));
    EXPECT_EQ(table_text(file, 15), "[[rule]]\nid = \"b\"\npoints = { 'x' = 1,\n 'y' = 2 }\n");
    EXPECT_EQ(table_text(file, 0), "");
    EXPECT_EQ(table_text(file, 99), "");
    constexpr std::string_view within =
        "[[override]]\ndomains = [\"a\"]\n[override.thresholds]\njunk = 3\n[[overrides]]\n";
    EXPECT_EQ(table_text(within, 1), "[[override]]\ndomains = [\"a\"]\n[override.thresholds]\njunk = 3\n");
    EXPECT_EQ(table_text("", 1), "");
}

TEST(SenderLetter, SaysWhatBecameOfItAndWhyInPlainWords) {
    DecisionRecord record = sample();
    record.recipients.resize(1);
    record.reply = {
        550, "5.7.1", "192.0.2.7 is on a list; see https://list.example id=" + record.id.to_string()
    };
    std::string letter = sender_letter(record);
    for (const char& c : letter)
        EXPECT_NE(c, '\r');
    std::string line;
    for (const char c : letter) {
        if (c != '\n') {
            line += c;
            continue;
        }
        EXPECT_LE(line.size(), 76U) << line;
        line.clear();
    }
    std::ranges::replace(letter, '\n', ' ');
    for (const std::string_view wanted :
         {"Your message from <a@example.org> to <u@example.test>, sent on 1 June 2026 at 12:00 UTC, was "
          "refused.",
          "The reason we gave: 192.0.2.7 is on a list; see https://list.example. If"})
        EXPECT_NE(letter.find(wanted), std::string::npos) << letter;
    EXPECT_NE(letter.find("the id " + record.id.to_string() + "."), std::string::npos) << letter;
}

TEST(SenderLetter, NamesNoOtherRecipientAndNoHostOfOurs) {
    DecisionRecord record = sample();
    record.listener = "smtp 10.1.2.3:25";
    record.helo = "x\x1B[2Jy";
    record.from = "a\r\nb@example.org";
    const std::string letter = sender_letter(record);
    for (const std::string_view hidden :
         {"u@example.test", "postmaster@example.test", "10.1.2.3", "\x1B", "\r"})
        EXPECT_EQ(letter.find(hidden), std::string::npos) << letter;
}

TEST(SenderLetter, SaysOfADeferralThatNothingHasToBeDone) {
    DecisionRecord record = sample();
    record.verdict.action = Action::greylist;
    record.reply = {451, "4.7.1", "Not seen before: try again in a few minutes id=X"};
    EXPECT_NE(sender_letter(record).find("by itself"), std::string::npos);
    record.verdict.action = Action::accept;
    record.reply = {250, "2.0.0", "Message accepted"};
    EXPECT_EQ(sender_letter(record).find("reason we gave"), std::string::npos);
}

}  // namespace
}  // namespace wicket
