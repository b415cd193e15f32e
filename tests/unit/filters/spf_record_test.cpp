#include "filters/scan/spf_record.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

TEST(SpfRecord, FollowsTheGrammarOfRfc7208) {
    struct Case {
        std::string text;
        bool is_good;
    };
    const std::vector<Case> cases = {
        {"v=spf1", true},
        {"V=SPF1 ", true},
        {"v=spf10", false},
        {"v=spf1 a mx -all", true},
        {"v=spf1 A:Example.ORG/24//64 ?ALL", true},
        {"v=spf1 a/24//64", true},
        {"v=spf1 a/24/64", false},
        {"v=spf1 a/032", false},
        {"v=spf1 a/33", false},
        {"v=spf1 a//129", false},
        {"v=spf1 a/0", true},
        {"v=spf1 a:", false},
        {"v=spf1 a:museum", false},
        {"v=spf1 a:abc.123", false},
        {"v=spf1 a:example.-com", false},
        {"v=spf1 a:foo:bar/baz.example.com", true},
        {"v=spf1 all:x", false},
        {"v=spf1 -all.", false},
        {"v=spf1 ip4:192.0.2.0/24", true},
        {"v=spf1 ip4:192.0.2.0/032", false},
        {"v=spf1 ip4:192.0.2", false},
        {"v=spf1 ip4:192.0.2.1:25", false},
        {"v=spf1 ip4:192.0.2.01", false},
        {"v=spf1 ip6:::FFFF:192.0.2.1/96", true},
        {"v=spf1 ip6:::1//33", false},
        {"v=spf1 ip6:CAFE::BABE::1", false},
        {"v=spf1 include", false},
        {"v=spf1 include:%{d}", true},
        {"v=spf1 include:%{x}.example", false},
        {"v=spf1 include:%{d0}", false},
        {"v=spf1 exists:%{ir}.%{l1r+-}._spf.%{d}", true},
        {"v=spf1 exists:%{c}.example", false},
        {"v=spf1 exists:foo%.example", false},
        {"v=spf1 exists:foo%%.example%%", true},
        {"v=spf1 exists:foo%", false},
        {"v=spf1 exists:%{d", false},
        {"v=spf1 ptr/24", false},
        {"v=spf1 redirect=a.example redirect=b.example", false},
        {"v=spf1 exp=a.example exp=b.example", false},
        {"v=spf1 exp=", false},
        {"v=spf1 redirect:a.example", false},
        {"v=spf1 moo.cow-far_out=man:dog/cat", true},
        {"v=spf1 moo.cow/far=man", false},
        {"v=spf1 1up=foo", false},
        {"v=spf1 -redirect=a.example", false},
        {"v=spf1 default=", true},
        {"v=spf1 a\t-all", false},
        {"v=spf1 a:\xc3\xbc.example", false},
        {"v=spf1 +", false},
        {"v=spf1 a:" + std::string(250, 'a') + ".example", false},
        {"v=spf1 a:" + std::string(240, 'a') + ".example", true},
    };
    for (const auto& [text, is_good] : cases) {
        SCOPED_TRACE(text);
        EXPECT_EQ(is_good, parse_spf_record(text).has_value());
    }
}

TEST(SpfRecord, IgnoresRedirectBesideAll) {
    EXPECT_FALSE(parse_spf_record("v=spf1 redirect=a.example ~all")->redirect.has_value());
    EXPECT_TRUE(parse_spf_record("v=spf1 redirect=a.example ip4:192.0.2.1")->redirect.has_value());
}

TEST(SpfRecord, ComparesPrefixes) {
    const std::string a("\xc0\x00\x02\x80", 4);
    const std::string b("\xc0\x00\x02\xff", 4);
    EXPECT_TRUE(agree_in_prefix(a, b, 0));
    EXPECT_TRUE(agree_in_prefix(a, b, 25));
    EXPECT_FALSE(agree_in_prefix(a, b, 26));
    EXPECT_FALSE(agree_in_prefix(a, b, 32));
    EXPECT_FALSE(agree_in_prefix(a, b.substr(1), 0));
}

TEST(SpfMacro, ExpandsTheExamplesOfRfc7208Section74) {
    SpfMacroValues values;
    values.sender = "strong-bad@email.example.com";
    values.domain = "email.example.com";
    values.client_ip = IpAddress::parse("192.0.2.3").value();
    values.validated_name = [] { return "mx.example.org"; };
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"%{s}",                              "strong-bad@email.example.com"           },
        {"%{o}",                              "email.example.com"                      },
        {"%{d}",                              "email.example.com"                      },
        {"%{d4}",                             "email.example.com"                      },
        {"%{d3}",                             "email.example.com"                      },
        {"%{d2}",                             "example.com"                            },
        {"%{d1}",                             "com"                                    },
        {"%{dr}",                             "com.example.email"                      },
        {"%{d2r}",                            "example.email"                          },
        {"%{l}",                              "strong-bad"                             },
        {"%{l-}",                             "strong.bad"                             },
        {"%{lr}",                             "strong-bad"                             },
        {"%{lr-}",                            "bad.strong"                             },
        {"%{l1r-}",                           "strong"                                 },
        {"%{ir}.%{v}._spf.%{d2}",             "3.2.0.192.in-addr._spf.example.com"     },
        {"%{lr-}.lp._spf.%{d2}",              "bad.strong.lp._spf.example.com"         },
        {"%{p2}.trusted-domains.example.net", "example.org.trusted-domains.example.net"},
        {"%%%_%-",                            "% %20"                                  },
        {"%{S}",                              "strong-bad%40email.example.com"         },
    };
    for (const auto& [text, want] : cases) {
        SCOPED_TRACE(text);
        EXPECT_EQ(want, expand_spf_macros(parse_spf_macros(text, SpfMacroUse::domain).value(), values));
    }
}

TEST(SpfMacro, CutsNamesFromTheLeft) {
    std::string name;
    for (int count = 0; count < 40; ++count)
        name += "label" + std::to_string(count) + ".";
    const auto cut = spf_name_to_ask(name).value();
    EXPECT_LE(cut.size(), domain_name_limit_octets);
    EXPECT_TRUE(cut.ends_with(".label39"));
    EXPECT_FALSE(spf_name_to_ask(std::string(64, 'a') + ".example").has_value());
    EXPECT_FALSE(spf_name_to_ask("a..example").has_value());
    EXPECT_FALSE(spf_name_to_ask("").has_value());
    EXPECT_FALSE(spf_name_to_ask("a\\.example").has_value());
    EXPECT_EQ("example.org", spf_name_to_ask("Example.ORG."));
}

}  // namespace
}  // namespace wicket
