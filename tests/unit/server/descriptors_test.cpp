#include "server/descriptors.hpp"

#include <gtest/gtest.h>

#include <sys/resource.h>

namespace wicket {
namespace {

TEST(Descriptors, ConnectionsTakeHalfOfThemAtMost) {
    struct Case {
        std::string_view name;
        std::vector<std::uint32_t> wanted;
        std::uint64_t descriptors;
        std::vector<std::uint32_t> want;
    };
    const std::vector<Case> cases = {
        {"enough for all",           {10000, 100},          20200,         {10000, 100}},
        {"one too few",              {10000, 100},          20198,         {9999, 100} },
        {"few",                      {10000, 10000},        256,           {64, 64}    },
        {"who wants little gets it", {10000, 20, 10000},    256,           {54, 20, 54}},
        {"an odd one is not lost",   {10000, 10000, 10000}, 200,           {33, 33, 34}},
        {"hardly any",               {10000, 10000},        2,             {1, 1}      },
        {"not known",                {10000},               0,             {1}         },
        {"no limit",                 {10000},               RLIM_INFINITY, {10000}     },
    };
    for (const auto& [name, wanted, descriptors, want] : cases) {
        SCOPED_TRACE(name);
        std::vector<ListenerConfig> listeners(wanted.size());
        for (std::size_t i = 0; i < wanted.size(); ++i)
            listeners[i].connections.total = wanted[i];
        EXPECT_EQ(totals_within(listeners, descriptors), want);
    }
}

TEST(Descriptors, TheSoftLimitBecomesTheHardOne) {
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit lowered{before.rlim_max / 2, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &lowered), 0);
    EXPECT_EQ(raise_descriptor_limit(), before.rlim_max);
    EXPECT_EQ(descriptor_limit(), before.rlim_max);
    rlimit now{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &now), 0);
    EXPECT_EQ(now.rlim_cur, before.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &before);
}

}  // namespace
}  // namespace wicket
