#include "policy/record_groups.hpp"

#include "policy/time_text.hpp"

#include <gtest/gtest.h>

#include <fmt/format.h>

namespace wicket {
namespace {

StoredRecord record_at(std::string_view time, std::string from, Action action, std::string rule) {
    StoredRecord stored;
    stored.record.time = parse_time(time).value();
    stored.record.client_ip = *IpAddress::parse("192.0.2.7");
    stored.record.from = std::move(from);
    stored.record.has_from = true;
    stored.record.verdict.action = action;
    stored.record.verdict.rule = std::move(rule);
    return stored;
}

std::string told(const RecordGroups& groups) {
    std::string text;
    for (const RecordGroups::Row& row : groups.rows())
        text += fmt::format("{}={} ", row.value, row.count);
    return text;
}

TEST(RecordGroups, CountsEachValueOfARecordOnce) {
    StoredRecord first = record_at("2026-06-01T10:00:00Z", "a@Example.org", Action::reject, "spf");
    first.record.recipients = {
        {"x@one.test", first.record.verdict, "", nullptr},
        {"y@one.test", first.record.verdict, "", nullptr},
        {"z@two.test", first.record.verdict, "", nullptr}
    };
    first.record.recipients[2].verdict.rule = "other";
    first.record.facts.set(
        id_of(CoreFact::dkim_pass),
        TextList{
            {"d.example", "e.example"},
            ""
    }
    );
    StoredRecord second = record_at("2026-06-01T11:00:00Z", "", Action::accept, "default");
    second.record.folded_count = 10;
    second.record.folded_last = *parse_time("2026-06-01T12:00:00Z");

    struct Case {
        std::string_view field;
        std::string_view want;
    };
    for (const auto& [field, want] : std::vector<Case>{
             {"rule",             "default=10 other=1 spf=1 "         },
             {"verdict",          "accept=10 reject=1 "               },
             {"ip",               "192.0.2.7=11 "                     },
             {"network",          "192.0.2.0/24=11 "                  },
             {"sender",           "<>=10 a@Example.org=1 "            },
             {"sender-domain",    "<>=10 example.org=1 "              },
             {"recipient-domain", "(none)=10 one.test=1 two.test=1 "  },
             {"fact:dkim.pass",   "(none)=10 d.example=1 e.example=1 "},
    }) {
        SCOPED_TRACE(field);
        auto groups = RecordGroups::by(field);
        ASSERT_TRUE(groups);
        groups->add(first);
        groups->add(second);
        EXPECT_EQ(told(*groups), want);
        EXPECT_EQ(groups->total(), 11U);
        EXPECT_EQ(groups->others(), 0U);
    }
    auto groups = RecordGroups::by("verdict");
    groups->add(first);
    groups->add(second);
    EXPECT_EQ(groups->rows().front().last, second.record.folded_last);
    EXPECT_EQ(groups->rows().front().first, second.record.time);
}

TEST(RecordGroups, RefusesAFieldThatItDoesNotKnow) {
    const auto near = RecordGroups::by("sender-domian");
    ASSERT_FALSE(near);
    EXPECT_NE(near.error().message.find("\"sender-domain\""), std::string::npos) << near.error().message;
    EXPECT_FALSE(RecordGroups::by("fact:"));
    EXPECT_FALSE(RecordGroups::by("fact:nosuch"));
    EXPECT_FALSE(RecordGroups::by("fact:spf.*"));
    const auto fact = RecordGroups::by("fact:spf.resutl");
    ASSERT_FALSE(fact);
    EXPECT_TRUE(fact.error().message.contains("\"spf.result\"")) << fact.error().message;
    // Block lists and patterns of then may be gone.
    EXPECT_TRUE(RecordGroups::by("fact:dnsbl.gone"));
}

TEST(RecordGroups, HoldsNoMoreThanItsLimitAndSaysWhatItLost) {
    auto groups = RecordGroups::by("sender", 100);
    std::uint64_t count = 0;
    for (int at = 0; at < 1000; ++at) {
        for (const std::string& from :
             {std::string("often@example.org"), fmt::format("u{}@example.org", at)}) {
            groups->add(record_at("2026-06-01T10:00:00Z", from, Action::accept, "default"));
            ++count;
        }
        EXPECT_LE(groups->rows().size(), 100U);
    }
    EXPECT_EQ(groups->rows().front().value, "often@example.org");
    EXPECT_EQ(groups->rows().front().count, 1000U);
    std::uint64_t sum = groups->others();
    for (const RecordGroups::Row& row : groups->rows())
        sum += row.count;
    EXPECT_EQ(sum, count);
    EXPECT_GT(groups->others(), 0U);
}

TEST(RecordTimes, TakesTheShortestStepThatFits) {
    RecordTimes times;
    times.add(record_at("2026-06-01T10:00:10Z", "a@b", Action::accept, ""));
    times.add(record_at("2026-06-01T10:00:50Z", "a@b", Action::reject, ""));
    times.add(record_at("2026-06-01T10:05:00Z", "a@b", Action::junk, ""));
    const auto minutes = times.chart(10);
    EXPECT_EQ(minutes.step, std::chrono::seconds(60));
    ASSERT_EQ(minutes.rows.size(), 6U);
    EXPECT_EQ(minutes.rows[0].taken, 1U);
    EXPECT_EQ(minutes.rows[0].refused, 1U);
    EXPECT_EQ(minutes.rows[1].total(), 0U);
    EXPECT_EQ(minutes.rows[5].set_aside, 1U);
    EXPECT_EQ(to_rfc3339(minutes.rows[5].begin), "2026-06-01T10:05:00.000000Z");
    times.add(record_at("2026-06-02T10:05:00Z", "a@b", Action::defer, ""));
    const auto hours = times.chart(10);
    EXPECT_EQ(hours.step, std::chrono::seconds(3 * 3600));
    EXPECT_LE(hours.rows.size(), 10U);
    std::uint64_t sum = 0;
    for (const RecordTimes::Row& row : hours.rows)
        sum += row.total();
    EXPECT_EQ(sum, 4U);
    EXPECT_EQ(hours.rows.back().put_off, 1U);
}

TEST(RecordTimes, StaysBoundedOverYears) {
    RecordTimes times;
    StoredRecord stored = record_at("2000-01-01T00:00:00Z", "a@b", Action::accept, "");
    for (int at = 0; at < 100'000; ++at) {
        times.add(stored);
        stored.record.time += std::chrono::hours(2);
    }
    const auto chart = times.chart(30);
    ASSERT_LE(chart.rows.size(), 30U);
    std::uint64_t sum = 0;
    for (const RecordTimes::Row& row : chart.rows)
        sum += row.total();
    EXPECT_EQ(sum, 100'000U);
    EXPECT_TRUE(RecordTimes().chart(10).rows.empty());
}

}  // namespace
}  // namespace wicket
