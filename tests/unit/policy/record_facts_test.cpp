#include "policy/record_facts.hpp"

#include "policy/record.hpp"
#include "policy/time_text.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace wicket {
namespace {

/// A record with a fact of every type in every state.
StoredRecord record_of_all_facts() {
    StoredRecord stored;
    const auto declare = [&stored](std::string name, FactType type) {
        return *stored.dictionary.declare(
            {.name = std::move(name), .type = type, .stage = Stage::end, .filter = "t", .meaning = ""}
        );
    };
    std::vector<std::pair<FactType, std::vector<FactValue>>> table = {
        {FactType::boolean, {true, false}                                                                 },
        {FactType::integer, {std::int64_t{0}, std::int64_t{-5}, std::numeric_limits<std::int64_t>::max()} },
        {FactType::real,    {0.0, 1.5, -2e300, 0.1, 3.0}                                                  },
        {FactType::text,    {std::string(), std::string("a \"b\" \\ \n\x01 \u00fc"), std::string("\\xFF")}},
        {FactType::word,    {std::string("pass"), std::string("temperror")}                               },
        {FactType::address, {*IpAddress::parse("192.0.2.1"), *IpAddress::parse("2001:db8::1")}            },
        {FactType::time,    {*parse_time("2026-06-01T12:00:00.123456Z"), *parse_time("1969-12-31")}       },
        {FactType::texts,
         {TextList{}, TextList{{"a", "", "\u00fc"}, ""}, TextList{{"a"}, "time-out"}, TextList{{}, "x"}}  },
        {FactType::results,
         {ResultList{},
          ResultList{{{{"domain", "a"}, {"result", "pass"}}, {}}, ""},
          ResultList{{{{"b", ""}}}, "cut"}}                                                               },
    };
    for (const auto& [type, values] : table) {
        int number = 0;
        for (const FactValue& value : values)
            stored.record.facts.set(
                declare(
                    "t." + std::string(1, static_cast<char>('a' + static_cast<int>(type))) +
                        std::to_string(number++),
                    type
                ),
                value
            );
        stored.record.facts.set(
            declare("u." + std::string(1, static_cast<char>('a' + static_cast<int>(type))), type),
            Unknown{"time-out"}
        );
    }
    for (const char* address : {"a@x.example", "b@x.example"}) {
        RecordRecipient recipient;
        recipient.address = address;
        Facts own;
        own.set(id_of(CoreFact::rcpt_address), std::string(address));
        recipient.facts = std::make_shared<const Facts>(std::move(own));
        stored.record.recipients.push_back(std::move(recipient));
    }
    return stored;
}

TEST(RecordFacts, ComeBackFromWhatTheWriterWrote) {
    const StoredRecord stored = record_of_all_facts();
    const std::string json = record_to_json(stored, RecordJson::full);
    const auto read = facts_from_record(json, "B@X.example", stored.dictionary);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_TRUE(read->left_out.empty());
    Facts want = stored.record.facts;
    want.set(id_of(CoreFact::rcpt_address), std::string("b@x.example"));
    want.set(id_of(CoreFact::rcpt_domain), std::string("x.example"));
    want.set(id_of(CoreFact::rcpt_local_part), std::string("b"));
    for (std::size_t at = 0; at < stored.dictionary.rows().size(); ++at) {
        const auto id = static_cast<FactId>(at);
        EXPECT_EQ(read->facts.get(id), want.get(id)) << stored.dictionary.row(id).name;
    }
    EXPECT_EQ(read->facts, want);
}

TEST(RecordFacts, LeaveOutWhatIsNotKnownAndRefuseWhatIsNoRecord) {
    const FactDictionary dictionary;
    const auto read = facts_from_record(
        R"({"facts":{"client.port":25,"dnsbl.gone":["x"],"spf.result":5,"client.ip":"x","time.now":{"unknown":5},"iprev.names":["a",1]}})",
        "",
        dictionary
    );
    ASSERT_TRUE(read);
    EXPECT_EQ(
        read->left_out,
        (std::vector<std::string>{"dnsbl.gone", "spf.result", "client.ip", "time.now", "iprev.names"})
    );
    EXPECT_EQ(read->facts.get(id_of(CoreFact::client_port)), FactValue(std::int64_t{25}));

    for (const std::string_view bad : {"", "{", "[]", "5", "{}", R"({"facts":5})", R"({"facts":{}} x)"})
        EXPECT_FALSE(facts_from_record(bad, "", dictionary)) << bad;
    const std::string two = record_to_json(record_of_all_facts(), RecordJson::without_dns);
    EXPECT_FALSE(facts_from_record(two, "", dictionary));
    EXPECT_FALSE(facts_from_record(two, "c@x.example", dictionary));
    EXPECT_FALSE(facts_from_record(std::string(record_file_limit_octets + 1, ' '), "", dictionary));
}

}  // namespace
}  // namespace wicket
