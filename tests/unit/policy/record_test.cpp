#include "policy/record.hpp"

#include "base/sha256.hpp"
#include "policy/record_names.hpp"
#include "policy/record_story.hpp"
#include "policy/time_text.hpp"
#include "tests/unit/policy/sample_record.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <string>
#include <vector>

namespace wicket {
namespace {

namespace json = boost::json;

TEST(Record, ComesBackAsItWas) {
    const DecisionRecord record = sample();
    const auto back = decode_record(encode_record(record, dictionary()));
    ASSERT_TRUE(back) << back.error().message;
    const DecisionRecord& read = back->record;
    EXPECT_EQ(read.id, record.id);
    EXPECT_EQ(read.time, record.time);
    EXPECT_EQ(read.client_ip, record.client_ip);
    EXPECT_EQ(read.client_port, record.client_port);
    EXPECT_EQ(read.client_name, record.client_name);
    EXPECT_EQ(read.helo, record.helo);
    EXPECT_EQ(read.tls_version, record.tls_version);
    EXPECT_EQ(read.tls_cipher, record.tls_cipher);
    EXPECT_EQ(read.listener, record.listener);
    EXPECT_EQ(read.from, record.from);
    EXPECT_EQ(read.has_from, record.has_from);
    EXPECT_EQ(read.size, record.size);
    EXPECT_EQ(read.message_sha256, record.message_sha256);
    EXPECT_EQ(read.verdict, record.verdict);
    EXPECT_EQ(read.reply, record.reply);
    EXPECT_EQ(read.lookups, record.lookups);
    EXPECT_EQ(read.rules_hash, record.rules_hash);
    EXPECT_EQ(read.policy_shadow, record.policy_shadow);
    EXPECT_EQ(read.scan_passes, record.scan_passes);
    EXPECT_EQ(read.folded_count, 1U);
    ASSERT_EQ(read.events.size(), 2U);
    EXPECT_EQ(read.events[1].micros, 90'000U);
    EXPECT_EQ(read.events[1].stage, Stage::end);
    EXPECT_EQ(read.events[1].what, "dkim: pass");
    ASSERT_EQ(read.recipients.size(), 2U);
    EXPECT_EQ(read.recipients[0].verdict, record.recipients[0].verdict);
    EXPECT_EQ(read.recipients[1].verdict, record.recipients[1].verdict);
    EXPECT_EQ(read.recipients[1].mailbox, "Junk");
    ASSERT_NE(read.recipients[0].facts, nullptr);
    EXPECT_EQ(*read.recipients[0].facts, *record.recipients[0].facts);
    EXPECT_EQ(read.recipients[1].facts, nullptr);
    for (std::size_t at = 0; at < dictionary().rows().size(); ++at) {
        const FactDeclaration& row = dictionary().rows()[at];
        SCOPED_TRACE(row.name);
        const FactValue& want = record.facts.get(static_cast<FactId>(at));
        const auto id = back->dictionary.find(row.name);
        if (std::holds_alternative<Absent>(want)) continue;
        ASSERT_TRUE(id);
        EXPECT_EQ(read.facts.get(*id), want);
        EXPECT_EQ(is_unknown(back->dictionary.row(*id), want), is_unknown(row, want));
    }
}

TEST(Record, EmptyOnesAndFoldedOnesComeBackToo) {
    DecisionRecord record;
    record.rules_hash = "not hexadecimal";
    record.policy_shadow = true;
    record.folded_count = 300;
    record.is_open = true;
    record.folded_last = *parse_time("2026-06-01T12:01:00Z");
    record.reply = {421, "4.7.0", "Try later"};
    record.client_ip = *IpAddress::parse("2001:db8::1");
    const auto back = decode_record(encode_record(record, dictionary()));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(back->record.rules_hash, record.rules_hash);
    EXPECT_TRUE(back->record.policy_shadow);
    EXPECT_EQ(back->record.folded_count, 300U);
    EXPECT_TRUE(back->record.is_open);
    EXPECT_EQ(back->record.folded_last, record.folded_last);
    EXPECT_EQ(back->record.reply, record.reply);
    EXPECT_EQ(back->record.client_ip, record.client_ip);
    EXPECT_FALSE(back->record.has_from);
}

TEST(Record, AnAnswerThatIsNotKeptAnyMoreIsAFailureAndNotAnEmptyOne) {
    DecisionRecord record;
    DnsLookup lookup;
    lookup.question = {"sender.test", DnsType::txt};
    lookup.answer.status = DnsStatus::found;
    lookup.answer.records = {std::string(100, 'x')};
    record.lookups = {lookup};
    RecordOctets octets = encode_record(record, dictionary());
    ASSERT_EQ(octets.answers.size(), 1U);
    EXPECT_EQ(decode_record(octets)->record.lookups, record.lookups);
    octets.answers.clear();
    const auto back = decode_record(octets);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(back->record.lookups[0].answer.status, DnsStatus::try_again);
    EXPECT_EQ(back->record.lookups[0].answer.reason, "the answer is not kept any more");
}

TEST(Record, StoresLongTextsBehindTheirLength) {
    DecisionRecord record;
    for (const std::size_t length :
         {std::size_t{0},
          std::size_t{1},
          std::size_t{127},
          std::size_t{128},
          std::size_t{20'000},
          std::size_t{300'000}}) {
        SCOPED_TRACE(length);
        record.verdict.hits = {
            {std::string(length, 'r'), 1, RuleMode::enforce, Action::none}
        };
        const auto back = decode_record(encode_record(record, dictionary()));
        ASSERT_TRUE(back);
        EXPECT_EQ(back->record.verdict, record.verdict);
    }
}

TEST(Record, NumbersEveryCoreFactOnceForEver) {
    const FactDictionary core;
    std::set<std::uint32_t> numbers;
    for (const FactDeclaration& row : core.rows()) {
        SCOPED_TRACE(row.name);
        const std::uint32_t number = record_name_number(row.name, row.type);
        EXPECT_NE(number, 0U) << "append it to policy/record_names.cpp";
        EXPECT_TRUE(numbers.insert(number).second);
        if (number == 0) continue;
        ASSERT_NE(record_name(number), nullptr);
        EXPECT_EQ(record_name(number)->name, row.name);
    }
    // Fixed points: a changed number would misread every record on disk.
    EXPECT_EQ(record_name_number("time.now", FactType::time), 1U);
    EXPECT_EQ(record_name_number("spf.result", FactType::word), 21U);
    EXPECT_EQ(record_name_number("dkim.weak", FactType::texts), 40U);
    EXPECT_EQ(record_name_number("spf.result", FactType::text), 0U);
    EXPECT_EQ(record_name(0), nullptr);
    EXPECT_EQ(record_name(10'000), nullptr);
}

TEST(Record, ACorruptOneIsAnErrorNeverACrash) {
    const RecordOctets whole = encode_record(sample(), dictionary());
    const std::string good = whole.decision + whole.evidence;
    EXPECT_FALSE(decode_record(std::string_view("")));
    EXPECT_EQ(decode_record(std::string_view("")).error().code, ErrorCode::corrupt);
    EXPECT_FALSE(decode_record(std::string_view("garbage")));
    EXPECT_FALSE(decode_record(std::string_view("\x08\x03", 2)));  // a later version
    EXPECT_NE(
        decode_record(std::string_view("\x08\x03", 2)).error().message.find("version 3"), std::string::npos
    );
    for (std::size_t length = 0; length < good.size(); ++length) {
        const auto read = decode_record(std::string_view(good).substr(0, length));
        if (!read) {
            EXPECT_EQ(read.error().code, ErrorCode::corrupt);
        }
    }
    for (std::size_t at = 0; at < good.size(); ++at) {
        std::string bad = good;
        bad[at] = static_cast<char>(bad[at] ^ 0x55);
        const auto read = decode_record(std::string_view(bad));
        if (!read) {
            EXPECT_EQ(read.error().code, ErrorCode::corrupt);
            continue;
        }
        // What can still be read can also be told.
        EXPECT_FALSE(record_to_json(*read, RecordJson::full).empty());
        EXPECT_FALSE(record_to_story(*read, {}).empty());
        EXPECT_FALSE(record_to_line(*read).empty());
    }
}

TEST(Record, IsSmallAndQuicklyEncoded) {
    DecisionRecord record = sample();
    record.recipients.pop_back();  // the usual message has one recipient, or several with one verdict
    const RecordOctets octets = encode_record(record, dictionary());
    EXPECT_LT(octets.size(), 1024U);
    const auto begun = system_clock().steady();
    constexpr int rounds = 2000;
    std::size_t total = 0;
    for (int at = 0; at < rounds; ++at)
        total += encode_record(record, dictionary()).size();
    const std::chrono::duration<double, std::micro> taken = system_clock().steady() - begun;
    RecordProperty("octets", static_cast<int>(octets.size()));
    RecordProperty("microseconds_per_record", std::to_string(taken.count() / rounds));
    EXPECT_EQ(total, octets.size() * rounds);
}

TEST(RecordJson, KeepsTheContract) {
    const json::object object = json::parse(record_to_json(stored_sample(), RecordJson::full)).as_object();
    EXPECT_EQ(object.at("id").as_string(), sample().id.to_string());
    EXPECT_EQ(object.at("time").as_string(), "2026-06-01T12:00:00.123456Z");
    EXPECT_EQ(object.at("verdict").as_string(), "reject");
    EXPECT_EQ(object.at("stage").as_string(), "end");
    EXPECT_EQ(object.at("rule").as_string(), "threshold:reject");
    EXPECT_EQ(
        json::serialize(object.at("reply")),
        "{\"code\":550,\"enhanced\":\"5.7.1\",\"text\":\"This message has 12.5 points id=" +
            sample().id.to_string() + "\"}"
    );
    EXPECT_EQ(object.at("points").as_double(), 12.5);
    EXPECT_EQ(
        json::serialize(object.at("hits")),
        R"([{"rule":"spamhaus-zen","points":5,"mode":"enforce"},{"rule":"spf","points":7.5E0,"mode":"enforce"},)"
        R"({"rule":"strict","points":0,"mode":"shadow","action":"reject"}])"
    );
    EXPECT_EQ(
        json::serialize(object.at("client")),
        R"({"ip":"192.0.2.7","port":40123,"name":"mail.example.org","helo":"mail.example.org",)"
        R"("tls":{"version":"TLSv1.3","cipher":"TLS_AES_256_GCM_SHA384"}})"
    );
    EXPECT_EQ(object.at("from").as_string(), "a@example.org");
    EXPECT_EQ(json::serialize(object.at("to")), R"(["u@example.test","postmaster@example.test"])");
    EXPECT_EQ(object.at("size").as_int64(), 10240);
    EXPECT_EQ(object.at("rules_hash").as_string(), std::string(64, 'a'));
    const json::object& facts = object.at("facts").as_object();
    EXPECT_EQ(json::serialize(facts.at("helo.resolves")), R"({"unknown":"time-out"})");
    EXPECT_EQ(facts.at("iprev.result").as_string(), "temperror");
    EXPECT_EQ(facts.at("mail.is_null").as_bool(), false);
    EXPECT_EQ(facts.at("mail.from").as_string(), "");
    EXPECT_EQ(facts.at("client.ip").as_string(), "192.0.2.7");
    EXPECT_EQ(facts.at("time.now").as_string(), "2026-06-01T12:00:00.123456Z");
    EXPECT_EQ(json::serialize(facts.at("header.missing")), "[]");
    EXPECT_EQ(json::serialize(facts.at("dnsbl.zen")), R"(["xbl"])");
    // Incomplete and without a hit: nothing is known of it.
    EXPECT_EQ(json::serialize(facts.at("dnsbl.slow")), R"({"unknown":"time-out"})");
    EXPECT_EQ(
        json::serialize(facts.at("dkim.results")),
        R"([{"domain":"example.org","result":"pass"},{"domain":"x.example","result":"fail"}])"
    );
    EXPECT_FALSE(facts.contains("from.domain"));  // absent
    EXPECT_EQ(
        json::serialize(object.at("incomplete")),
        R"({"dkim.results":"key: time-out","dnsbl.slow":"time-out"})"
    );
    EXPECT_EQ(
        json::serialize(object.at("dns").as_array().at(0)),
        R"({"name":"7.2.0.192.zen.example","type":"A","status":"found","records":["127.0.0.4"],"ttl":300,"micros":1500})"
    );
    const json::object& second = object.at("recipients").as_array().at(1).as_object();
    EXPECT_EQ(second.at("address").as_string(), "postmaster@example.test");
    EXPECT_EQ(second.at("verdict").as_string(), "junk");
    EXPECT_EQ(second.at("mailbox").as_string(), "Junk");
    EXPECT_EQ(second.at("points").as_double(), 12.5);
    EXPECT_EQ(second.at("reply").as_object().at("code").as_int64(), 250);
    EXPECT_TRUE(
        second.at("reply").as_object().at("text").as_string().ends_with(" id=" + sample().id.to_string())
    );
    EXPECT_EQ(second.at("hits").as_array().size(), 3U);
    const std::string line = record_to_json(stored_sample(), RecordJson::without_dns);
    EXPECT_FALSE(json::parse(line).as_object().contains("dns"));
    EXPECT_EQ(line.find('\n'), std::string::npos);
}

TEST(RecordJson, IsValidWhateverPeersSay) {
    DecisionRecord record = sample();
    record.helo = std::string("a\xFF\"\\\n\0\xC3\xA4", 8);
    record.client_name.clear();
    record.tls_version.clear();
    record.has_from = false;
    record.from.clear();
    record.verdict = {};
    record.reply = {};
    record.recipients.clear();
    const auto stored = decode_record(encode_record(record, dictionary())).value();
    const json::object object = json::parse(record_to_json(stored, RecordJson::full)).as_object();
    EXPECT_EQ(
        object.at("client").as_object().at("helo").as_string(), std::string("a\\xff\"\\\n\0\xC3\xA4", 11)
    );
    EXPECT_TRUE(object.at("client").as_object().at("tls").is_null());
    EXPECT_TRUE(object.at("from").is_null());
    EXPECT_TRUE(object.at("reply").is_null());
    EXPECT_EQ(object.at("verdict").as_string(), "none");
    record.has_from = true;  // the null path
    const auto null_path = decode_record(encode_record(record, dictionary())).value();
    EXPECT_EQ(
        json::parse(record_to_json(null_path, RecordJson::full)).as_object().at("from").as_string(), ""
    );
}

TEST(RecordStory, TellsEverythingAndNoControlOctet) {
    DecisionRecord record = sample();
    record.helo = "evil\x1B[2J\r\nname";
    const auto stored = decode_record(encode_record(record, dictionary())).value();
    const std::string story =
        record_to_story(stored, {.origin_of = [](std::string_view rule) {
                            return rule == "spf" ? std::string("rules/30.toml:7") : std::string();
                        }});
    for (const std::string_view wanted :
         {"Rejected: mail from <a@example.org> by threshold:reject",
          "192.0.2.7",
          "+7.5  spf (rules/30.toml:7)",
          "+5  spamhaus-zen",
          "12.5  in total: 5 + 7.5 = 12.5",
          "shadow: without effect",
          "unknown  slow-list",
          "550 5.7.1 This message has 12.5 points id=",
          "For <postmaster@example.test> into Junk: junk",
          "iprev.result: temperror",
          "helo.resolves: unknown (time-out)",
          "dnsbl.slow: incomplete, time-out",
          "7.2.0.192.zen.example A: 127.0.0.4",
          "DNSSEC",
          "dkim: pass",
          "1.500"}) {
        EXPECT_NE(story.find(wanted), std::string::npos) << wanted << "\n" << story;
    }
    EXPECT_EQ(story.find('\x1B'), std::string::npos);
    EXPECT_EQ(story.find('\r'), std::string::npos);
}

TEST(RecordLine, IsOneLine) {
    DecisionRecord record = sample();
    record.from = "a\n2026 accept forged";
    record.folded_count = 12;
    const auto stored = decode_record(encode_record(record, dictionary())).value();
    const std::string line = record_to_line(stored);
    EXPECT_EQ(line.find('\n'), std::string::npos);
    EXPECT_TRUE(line.starts_with("2026-06-01T12:00:00.123456Z reject")) << line;
    EXPECT_TRUE(line.ends_with(" id=" + record.id.to_string())) << line;
    EXPECT_NE(line.find("mail.example.org[192.0.2.7]"), std::string::npos) << line;
    EXPECT_NE(line.find("to=<u@example.test>,<postmaster@example.test>"), std::string::npos) << line;
    EXPECT_NE(line.find("times=12"), std::string::npos) << line;
}

TEST(RecordLine, AnAddressCannotForgeAnotherField) {
    StoredRecord stored = stored_sample();
    stored.record.from = "\"a> to=<b\"@example.org";
    stored.record.helo = "x> rule=none";
    stored.record.recipients.front().address = "\"> x=<\"@example.test";
    const std::string line = record_to_line(stored);
    EXPECT_NE(line.find("from=<\"a\\x3E to=<b\"@example.org>"), std::string::npos) << line;
    EXPECT_NE(line.find("helo=<x\\x3E rule=none>"), std::string::npos) << line;
    EXPECT_NE(line.find("to=<\"\\x3E x=<\"@example.test>"), std::string::npos) << line;
}

}  // namespace
}  // namespace wicket
