#include "policy/rule_hits.hpp"

#include "policy/time_text.hpp"

#include <gtest/gtest.h>

#include <fmt/format.h>

namespace wicket {
namespace {

RuleHit points_hit(std::string rule, double points, RuleMode mode = RuleMode::enforce) {
    return {std::move(rule), points, mode, Action::none};
}

StoredRecord refused_at(std::string_view time, std::string rule, std::vector<RuleHit> hits) {
    StoredRecord stored;
    stored.record.time = parse_time(time).value();
    stored.record.client_ip = *IpAddress::parse("192.0.2.7");
    stored.record.verdict.action = Action::reject;
    stored.record.verdict.rule = std::move(rule);
    stored.record.verdict.hits = std::move(hits);
    return stored;
}

TEST(RuleHits, TellsHitsDecidingOnesAndThoseAlone) {
    RuleHits hits({
        {.id = "spf",   .origin = "a:1"},
        {.id = "never", .origin = "a:9"}
    });
    hits.add(
        refused_at(
            "2026-06-01T10:00:00Z",
            "threshold:reject",
            {points_hit("spf", 3),
             points_hit("zen", 9),
             points_hit("credit", -1),
             points_hit("quiet", 5, RuleMode::shadow)}
        ),
        {"zen"},
        true
    );
    StoredRecord folded = refused_at(
        "2026-06-02T10:00:00Z",
        "drop",
        {
            {"drop", 0, RuleMode::enforce, Action::reject},
            points_hit("spf", 3)
    }
    );
    folded.record.folded_count = 10;
    folded.record.folded_last = *parse_time("2026-06-03T10:00:00Z");
    hits.add(folded, {"drop"}, false);
    hits.add(refused_at("2026-06-02T11:00:00Z", "builtin:relay", {}), {}, false);

    std::string told;
    for (const RuleHits::Row& row : hits.rows())
        told += fmt::format(
            "{}{}:{}/{}/{}/{} ",
            row.is_in_force ? "" : "~",
            row.rule.id,
            row.hits,
            row.deciding,
            row.alone,
            row.suspects
        );
    EXPECT_EQ(
        told, "spf:11/1/0/1 never:0/0/0/0 ~credit:1/0/0/0 ~drop:10/10/10/0 ~quiet:1/0/0/0 ~zen:1/1/1/1 "
    );
    EXPECT_EQ(hits.rows()[0].last, folded.record.folded_last);
    EXPECT_EQ(hits.rows()[1].last, WallTime{});
}

TEST(RuleHits, CountsARuleOfSeveralRecipientsOnce) {
    StoredRecord stored = refused_at(
        "2026-06-01T10:00:00Z",
        "a",
        {
            {"a", 0, RuleMode::enforce, Action::reject}
    }
    );
    stored.record.recipients = {
        {"x@y", stored.record.verdict, "", nullptr},
        {"z@y", stored.record.verdict, "", nullptr}
    };
    RuleHits hits({});
    hits.add(stored, {"a"}, true);
    ASSERT_EQ(hits.rows().size(), 1U);
    EXPECT_EQ(hits.rows()[0].hits, 1U);
    EXPECT_EQ(hits.rows()[0].alone, 1U);
}

TEST(WaitingTimes, AreExactToFivePercent) {
    WaitingTimes times;
    EXPECT_EQ(times.at(0.5), 0U);
    for (std::uint32_t micros = 1; micros <= 10'000; ++micros)
        times.add(micros);
    EXPECT_NEAR(times.at(0.5), 5000, 250);
    EXPECT_NEAR(times.at(0.99), 9900, 500);
    times.add(UINT32_MAX, 1'000'000);
    EXPECT_GT(times.at(0.99), 4'000'000'000U);
}

TEST(ListHits, TellsWhoHitAloneWithWhomAndWhoDidNotAnswer) {
    ListHits hits({
        {"dnsbl.zen",  "zen.example" },
        {"dnsbl.psbl", "psbl.example"},
        {"dnsbl.slow", "slow.example"}
    });
    StoredRecord stored = refused_at("2026-06-01T10:00:00Z", "a", {});
    std::map<std::string, FactId> ids;
    for (const char* name : {"dnsbl.zen", "dnsbl.psbl", "dnsbl.slow"})
        ids[name] = stored.dictionary.declare({name, FactType::texts, Stage::connect, "dnsbl", ""}).value();
    const auto add = [&](FactValue zen, FactValue psbl, FactValue slow) {
        stored.record.facts.set(ids["dnsbl.zen"], std::move(zen));
        stored.record.facts.set(ids["dnsbl.psbl"], std::move(psbl));
        stored.record.facts.set(ids["dnsbl.slow"], std::move(slow));
        hits.add(stored);
    };
    const TextList yes{{"x"}, ""};
    stored.record.lookups = {
        {{"7.2.0.192.zen.example", DnsType::a},
         {DnsStatus::found, {std::string("\x7F\0\0\4", 4)}, 300, false, 1500, ""}}
    };
    add(yes, yes, Unknown{"time-out"});
    stored.record.lookups.clear();
    stored.record.folded_count = 3;
    add(yes, TextList{}, Unknown{"refused by the list"});
    add(Unknown{"the list is off: it lists everybody"}, Absent{}, TextList{});
    // A client that left before the answer came has timed nothing out.
    add(Absent{}, Absent{}, Unknown{"not known yet"});
    add(Absent{}, Absent{}, Unknown{"not looked at"});
    const auto& zen = hits.rows().at("dnsbl.zen");
    EXPECT_EQ(zen.known, 4U);
    EXPECT_EQ(zen.hits, 4U);
    EXPECT_EQ(zen.alone, 3U);
    EXPECT_EQ(zen.off, 3U);
    EXPECT_EQ(zen.with.at("dnsbl.psbl"), 1U);
    EXPECT_NEAR(zen.waits.at(0.5), 1500, 75);
    const auto& psbl = hits.rows().at("dnsbl.psbl");
    EXPECT_EQ(psbl.known, 4U);
    EXPECT_EQ(psbl.hits, 1U);
    EXPECT_EQ(psbl.alone, 0U);
    const auto& slow = hits.rows().at("dnsbl.slow");
    EXPECT_EQ(slow.timed_out, 1U);
    EXPECT_EQ(slow.refused, 3U);
    EXPECT_EQ(slow.known, 3U);
}

}  // namespace
}  // namespace wicket
