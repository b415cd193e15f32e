#include "server/descriptors.hpp"

#include <gtest/gtest.h>

#include <sys/resource.h>

namespace wicket {
namespace {

TEST(Descriptors, ConnectionsLeaveSomeToTheRest) {
    struct Case {
        std::string_view name;
        std::uint32_t wanted;
        std::uint64_t descriptors;
        std::uint32_t want;
        std::uint64_t all;
    };
    const std::vector<Case> cases = {
        {"enough",     10000, 20000,         10000, 12500                },
        {"too few",    10000, 19998,         9999,  12495                },
        {"few",        10000, 256,           128,   160                  },
        {"few wanted", 20,    256,           20,    160                  },
        {"hardly any", 10000, 2,             1,     1                    },
        {"not known",  10000, 0,             1,     1                    },
        {"no limit",   10000, RLIM_INFINITY, 10000, RLIM_INFINITY / 8 * 5},
    };
    for (const auto& [name, wanted, descriptors, want, all] : cases) {
        SCOPED_TRACE(name);
        EXPECT_EQ(total_within(wanted, descriptors), want);
        EXPECT_EQ(connections_within(descriptors), all);
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
