#include "net/answer_cache.hpp"

#include <gtest/gtest.h>

#include <string>

namespace wicket {
namespace {

using std::chrono::seconds;

DnsAnswer answer(DnsStatus status, std::uint32_t ttl) {
    DnsAnswer made;
    made.status = status;
    made.ttl_seconds = ttl;
    if (status == DnsStatus::found) made.records = {"data"};
    return made;
}

TEST(AnswerCache, KeepsEachKindOfAnswerForItsTime) {
    struct Case {
        const char* name;
        DnsStatus status;
        std::uint32_t ttl;
        int kept;
    };
    for (const auto& [name, status, ttl, kept] : {
             Case{"as told",               DnsStatus::found,        300,       300  },
             Case{"zero",                  DnsStatus::found,        0,         1    },
             Case{"a week",                DnsStatus::found,        7 * 86400, 86400},
             Case{"no such name",          DnsStatus::no_such_name, 60,        60   },
             Case{"no such name for long", DnsStatus::no_such_name, 86400,     900  },
             Case{"no data, zero",         DnsStatus::no_data,      0,         1    },
             Case{"a failure",             DnsStatus::try_again,    0,         2    },
    }) {
        SCOPED_TRACE(name);
        ManualClock clock{WallTime{}};
        AnswerCache cache(100);
        const DnsQuestion question{"a.test", DnsType::a};
        cache.put(question, answer(status, ttl), clock.steady());
        clock.advance(seconds(kept) - std::chrono::microseconds(1));
        const auto found = cache.find(question, clock.steady());
        ASSERT_TRUE(found);
        EXPECT_EQ(found->status, status);
        EXPECT_EQ(found->ttl_seconds, 1);
        clock.advance(std::chrono::microseconds(1));
        EXPECT_FALSE(cache.find(question, clock.steady()));
        EXPECT_EQ(cache.size(), 0);
    }
}

TEST(AnswerCache, TellsTypesApartAndReplaces) {
    ManualClock clock{WallTime{}};
    AnswerCache cache(100);
    cache.put({"a.test", DnsType::a}, answer(DnsStatus::found, 10), clock.steady());
    EXPECT_FALSE(cache.find({"a.test", DnsType::aaaa}, clock.steady()));
    cache.put({"a.test", DnsType::a}, answer(DnsStatus::no_data, 10), clock.steady());
    EXPECT_EQ(cache.find({"a.test", DnsType::a}, clock.steady())->status, DnsStatus::no_data);
    EXPECT_EQ(cache.size(), 1);
    cache.clear();
    EXPECT_EQ(cache.size(), 0);
}

TEST(AnswerCache, StaysWithinItsEntriesAndOctets) {
    ManualClock clock{WallTime{}};
    AnswerCache cache(160);
    for (int i = 0; i < 5000; ++i) {
        cache.put({"n" + std::to_string(i), DnsType::a}, answer(DnsStatus::found, 10), clock.steady());
    }
    EXPECT_LE(cache.size(), 160);
    EXPECT_GE(cache.size(), 100);
    auto large = answer(DnsStatus::found, 10);
    large.records = {std::string(60000, 'x')};
    for (int i = 0; i < 1000; ++i)  // enough for each shard to be filled anew
        cache.put({"l" + std::to_string(i), DnsType::txt}, large, clock.steady());
    EXPECT_LE(cache.size(), 16);
    EXPECT_TRUE(cache.find({"l999", DnsType::txt}, clock.steady()));
}

}  // namespace
}  // namespace wicket
