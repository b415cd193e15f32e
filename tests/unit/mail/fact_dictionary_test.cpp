#include "mail/fact_dictionary.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <initializer_list>

namespace wicket {
namespace {

using namespace std::chrono_literals;

TEST(FactDictionary, HoldsTheCoreFactsUnderTheirNumbers) {
    const FactDictionary dictionary;
    EXPECT_EQ(dictionary.rows().size(), static_cast<std::size_t>(CoreFact::count));
    EXPECT_EQ(dictionary.find("time.now"), id_of(CoreFact::time_now));
    EXPECT_EQ(dictionary.find("spf.helo.result"), id_of(CoreFact::spf_helo_result));
    EXPECT_EQ(dictionary.find("helo.literal_matches"), id_of(CoreFact::helo_literal_matches));
    EXPECT_EQ(dictionary.find("dkim.weak"), id_of(CoreFact::dkim_weak));
    EXPECT_EQ(dictionary.find("no.such"), std::nullopt);
    EXPECT_EQ(dictionary.names().at(id_of(CoreFact::client_ip)), "client.ip");
    EXPECT_EQ(dictionary.row(id_of(CoreFact::spf_helo_result)).stage, Stage::helo);
}

TEST(FactDictionary, DescribesEveryFact) {
    const FactDictionary dictionary;
    for (const FactDeclaration& row : dictionary.rows()) {
        SCOPED_TRACE(row.name);
        EXPECT_TRUE(row.name.contains('.'));
        EXPECT_FALSE(row.meaning.empty());
        EXPECT_FALSE(row.filter.empty());
        const bool needs_words = row.type == FactType::word || row.type == FactType::results;
        EXPECT_TRUE(!needs_words || !row.words.empty());
        EXPECT_TRUE(needs_words || row.type == FactType::texts || row.words.empty());
        if (!row.unknown_word.empty())
            EXPECT_NE(std::ranges::find(row.words, row.unknown_word), row.words.end());
    }
}

TEST(FactDictionary, TakesEachNameOnce) {
    FactDictionary dictionary;
    const FactDeclaration list{"dnsbl.zen", FactType::texts, Stage::connect, "dnsbl", "codes that hit"};
    const auto id = dictionary.declare(list);
    EXPECT_EQ(id, static_cast<FactId>(CoreFact::count));
    EXPECT_EQ(dictionary.declare(list), std::nullopt);
    EXPECT_EQ(dictionary.find("dnsbl.zen"), id);
    EXPECT_EQ(dictionary.rows().size(), static_cast<std::size_t>(CoreFact::count) + 1);
}

TEST(FactDictionary, KnowsWhatComparesAsUnknown) {
    const FactDictionary dictionary;
    const auto& spf = dictionary.row(id_of(CoreFact::spf_result));
    EXPECT_TRUE(is_unknown(spf, std::string("temperror")));
    EXPECT_TRUE(is_unknown(spf, Unknown{"time-out"}));
    EXPECT_FALSE(is_unknown(spf, std::string("fail")));
    EXPECT_FALSE(is_unknown(spf, Absent()));
    EXPECT_FALSE(is_unknown(dictionary.row(id_of(CoreFact::helo_name)), std::string("temperror")));
    EXPECT_FALSE(is_unknown(dictionary.row(id_of(CoreFact::helo_name)), std::string()));
}

TEST(FactDictionary, ShowsValuesToPeople) {
    EXPECT_EQ(fact_to_text(Absent()), "");
    EXPECT_EQ(fact_to_text(Unknown{"time-out"}), "unknown (time-out)");
    EXPECT_EQ(fact_to_text(true), "true");
    EXPECT_EQ(fact_to_text(std::int64_t{-3}), "-3");
    EXPECT_EQ(fact_to_text(2.5), "2.5");
    EXPECT_EQ(fact_to_text(*IpAddress::parse("192.0.2.1")), "192.0.2.1");
    EXPECT_EQ(fact_to_text(WallTime(1s)), "1970-01-01T00:00:01.000000Z");
    EXPECT_EQ(
        fact_to_text(TextList{
            {"a", "b"},
            {}
    }),
        "a, b"
    );
    EXPECT_EQ(fact_to_text(TextList{{"a"}, "time-out"}), "a (incomplete: time-out)");
    EXPECT_EQ(fact_to_text(TextList{{}, "time-out"}), "(incomplete: time-out)");
    EXPECT_EQ(
        fact_to_text(ResultList{
            {{{"domain", "a.example"}, {"result", "pass"}}, {{"domain", "b.example"}}},
            {}
    }),
        "domain=a.example result=pass; domain=b.example"
    );
}

TEST(Facts, AreAbsentUntilTheyAreSet) {
    Facts facts;
    EXPECT_EQ(facts.get(3), FactValue(Absent()));
    facts.set(3, true);
    EXPECT_EQ(facts.get(3), FactValue(true));
    EXPECT_EQ(facts.get(2), FactValue(Absent()));
    EXPECT_EQ(facts.get(60'000), FactValue(Absent()));
    EXPECT_EQ(facts.size(), 4U);
}

TEST(Facts, ThatBecomeAbsentAreAsIfNeverSet) {
    Facts facts;
    for (const FactId id : std::initializer_list<FactId>{7, 2, 9, 4, 0, 8, 1, 3})
        facts.set(id, std::int64_t{id});
    for (const FactId id : std::initializer_list<FactId>{9, 0, 8, 5})
        facts.set(id, Absent());
    facts.set(2, std::string("another"));
    for (FactId id = 0; id < 10; ++id) {
        SCOPED_TRACE(id);
        const bool is_left = id == 1 || id == 3 || id == 4 || id == 7;
        const FactValue want = is_left ? FactValue(std::int64_t{id}) : FactValue(Absent());
        EXPECT_EQ(facts.get(id), id == 2 ? FactValue(std::string("another")) : want);
    }
    EXPECT_EQ(facts.size(), 8U);
    Facts others;
    for (const FactId id : std::initializer_list<FactId>{1, 3, 4, 7})
        others.set(id, std::int64_t{id});
    others.set(2, std::string("another"));
    EXPECT_EQ(facts, others);
}

}  // namespace
}  // namespace wicket
