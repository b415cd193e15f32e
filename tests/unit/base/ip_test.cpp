#include "base/ip.hpp"

#include <gtest/gtest.h>

#include <string>

namespace wicket {
namespace {

TEST(IpAddress, ReadsAndPrintsCanonicalText) {
    struct Row {
        std::string_view input, want;
    };
    constexpr Row table[] = {
        {"192.0.2.1",                               "192.0.2.1"           },
        {"0.0.0.0",                                 "0.0.0.0"             },
        {"255.255.255.255",                         "255.255.255.255"     },
        {"2001:DB8::1",                             "2001:db8::1"         },
        {"2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"   },
        {"2001:db8:0:1:1:1:1:1",                    "2001:db8:0:1:1:1:1:1"},
        {"2001:0:0:1:0:0:0:1",                      "2001:0:0:1::1"       },
        {"::",                                      "::"                  },
        {"::1",                                     "::1"                 },
        {"1::",                                     "1::"                 },
        {"::1:2",                                   "::1:2"               },
        {"::ffff:192.0.2.1",                        "192.0.2.1"           },
        {"::FFFF:C000:0201",                        "192.0.2.1"           },
    };
    for (const auto& [input, want] : table) {
        SCOPED_TRACE(input);
        const auto address = IpAddress::parse(input);
        ASSERT_TRUE(address);
        EXPECT_EQ(address->to_string(), want);
        EXPECT_EQ(IpAddress::parse(want), address);
        EXPECT_EQ(IpAddress::from_octets(address->octets()), address);
    }
}

TEST(IpAddress, RefusesWhatIsNotOneAddress) {
    using namespace std::string_view_literals;
    for (const auto input :
         {""sv,
          "1.2.3"sv,
          "1.2.3.4.5"sv,
          "01.2.3.4"sv,
          "1.2.3.256"sv,
          " 1.2.3.4"sv,
          "1.2.3.4 "sv,
          "1.2.3.4\0"sv,
          "[::1]"sv,
          "fe80::1%eth0"sv,
          "1:2:3:4:5:6:7"sv,
          "1::2::3"sv,
          "12345::"sv,
          "0x7f.1"sv,
          "0000:0000:0000:0000:0000:ffff:192.168.100.2280"sv}) {
        SCOPED_TRACE(input);
        EXPECT_FALSE(IpAddress::parse(input));
    }
    EXPECT_FALSE(IpAddress::from_octets("abc"));
}

TEST(IpAddress, KnowsWhatIsNobodysOnTheInternet) {
    for (const auto* const text :
         {"127.0.0.1",
          "10.1.2.3",
          "172.31.255.255",
          "192.168.0.1",
          "169.254.1.1",
          "100.127.0.1",
          "224.0.0.1",
          "255.255.255.255",
          "0.0.0.0",
          "::",
          "::1",
          "fe80::1",
          "fd00::1",
          "ff02::1",
          "::ffff:10.0.0.1"}) {
        SCOPED_TRACE(text);
        EXPECT_TRUE(IpAddress::parse(text)->is_private());
    }
    for (const auto* const text :
         {"192.0.2.1",
          "198.51.100.1",
          "203.0.113.9",
          "172.32.0.0",
          "100.128.0.1",
          "8.8.8.8",
          "2001:db8::1",
          "fec0::1"}) {
        SCOPED_TRACE(text);
        EXPECT_FALSE(IpAddress::parse(text)->is_private());
    }
    EXPECT_TRUE(IpAddress::parse("127.9.9.9")->is_loopback());
    EXPECT_TRUE(IpAddress::parse("::1")->is_loopback());
    EXPECT_FALSE(IpAddress::parse("::2")->is_loopback());
    EXPECT_FALSE(IpAddress::parse("::")->is_loopback());
}

TEST(IpAddress, ReversesItsLabelsForListsAndPointers) {
    EXPECT_EQ(IpAddress::parse("192.0.2.99")->reversed_labels(), "99.2.0.192");
    // RFC 5782 section 2.4
    EXPECT_EQ(
        IpAddress::parse("2001:db8:1:2:3:4:567:89ab")->reversed_labels(),
        "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2"
    );
}

TEST(IpNetwork, ReadsPrefixesStrictly) {
    struct Row {
        std::string_view input, want;  // empty: refused
    };
    constexpr Row table[] = {
        {"192.0.2.0/24",          "192.0.2.0/24" },
        {"192.0.2.1",             "192.0.2.1/32" },
        {"0.0.0.0/0",             "0.0.0.0/0"    },
        {"::/0",                  "::/0"         },
        {"2001:db8::/32",         "2001:db8::/32"},
        {"::1",                   "::1/128"      },
        {"::ffff:192.0.2.0/120",  "192.0.2.0/24" },
        {"::ffff:0:0/96",         "0.0.0.0/0"    },
        {"::ffff:0:0/95",         ""             },
        {"192.0.2.1/24",          ""             },
        {"192.0.2.0/33",          ""             },
        {"192.0.2.0/",            ""             },
        {"192.0.2.0/+8",          ""             },
        {"192.0.2.0/08",          ""             },
        {"192.0.2.0/24/24",       ""             },
        {"2001:db8::/129",        ""             },
        {"2001:db8::/4294967328", ""             },
        {"/24",                   ""             },
    };
    for (const auto& [input, want] : table) {
        SCOPED_TRACE(input);
        const auto network = IpNetwork::parse(input);
        EXPECT_EQ(network ? network->to_string() : "", want);
    }
}

TEST(IpNetwork, ContainsItsAddressesAndNoOthers) {
    const auto contains = [](std::string_view network, std::string_view address) {
        return IpNetwork::parse(network)->contains(*IpAddress::parse(address));
    };
    EXPECT_TRUE(contains("192.0.2.0/25", "192.0.2.127"));
    EXPECT_FALSE(contains("192.0.2.0/25", "192.0.2.128"));
    EXPECT_TRUE(contains("192.0.2.0/24", "::ffff:192.0.2.9"));
    EXPECT_TRUE(contains("2001:db8::/33", "2001:db8:7fff::1"));
    EXPECT_FALSE(contains("2001:db8::/33", "2001:db8:8000::1"));
    EXPECT_TRUE(contains("0.0.0.0/0", "255.0.0.1"));
    EXPECT_FALSE(contains("0.0.0.0/0", "::1"));
    EXPECT_FALSE(contains("::/0", "192.0.2.1"));
}

TEST(IpNetwork, NeighboursShareASlash24OrASlash64) {
    EXPECT_EQ(neighbourhood(*IpAddress::parse("192.0.2.77")).to_string(), "192.0.2.0/24");
    EXPECT_EQ(neighbourhood(*IpAddress::parse("2001:db8:1:2:3::4")).to_string(), "2001:db8:1:2::/64");
}

}  // namespace
}  // namespace wicket
