#include "policy/named_list.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

TEST(NamedList, FindsEntriesOfEveryKind) {
    Diagnostics diagnostics;
    const auto ip = NamedList::parse(
        ListKind::ip,
        "# ours\n192.0.2.0/24\n  198.51.100.7  # a host\r\n2001:db8::/32\n0.0.0.0/32",
        "f",
        diagnostics
    );
    ASSERT_NE(ip, nullptr);
    EXPECT_EQ(ip->size(), 4U);
    EXPECT_TRUE(ip->contains(*IpAddress::parse("192.0.2.255")));
    EXPECT_FALSE(ip->contains(*IpAddress::parse("192.0.3.0")));
    EXPECT_TRUE(ip->contains(*IpAddress::parse("198.51.100.7")));
    EXPECT_TRUE(ip->contains(*IpAddress::parse("2001:db8:1::1")));
    EXPECT_FALSE(ip->contains(*IpAddress::parse("2001:db9::1")));

    const auto domain = NamedList::parse(ListKind::domain, "Example.org\n", "f", diagnostics);
    EXPECT_TRUE(domain->contains("example.ORG"));
    EXPECT_TRUE(domain->contains("a.b.example.org"));
    EXPECT_FALSE(domain->contains("notexample.org"));
    EXPECT_FALSE(domain->contains("org"));

    const auto unicode = NamedList::parse(ListKind::domain, "b\u00fccher.test\n", "f", diagnostics);
    EXPECT_TRUE(unicode->contains("www.xn--bcher-kva.test"));

    const auto address =
        NamedList::parse(ListKind::address, "a@example.org\n@example.net\n", "f", diagnostics);
    EXPECT_TRUE(address->contains("A@example.org"));
    EXPECT_FALSE(address->contains("b@example.org"));
    EXPECT_TRUE(address->contains("any@example.net"));
    EXPECT_FALSE(address->contains("any@a.example.net"));

    const auto glob = NamedList::parse(ListKind::glob, "*.dyn.example.*\n", "f", diagnostics);
    EXPECT_TRUE(glob->contains("h1.dyn.example.net"));
    EXPECT_FALSE(glob->contains("dyn.example.net"));
    EXPECT_TRUE(diagnostics.empty());
}

TEST(NamedList, TellsWhereABadLineStands) {
    struct Case {
        ListKind kind;
        std::string_view content;
        std::uint32_t line, column;
    };
    const std::vector<Case> cases = {
        {ListKind::ip,      "192.0.2.0/24\n  192.0.2.1/24\n", 2, 3},
        {ListKind::ip,      "example.org\n",                  1, 1},
        {ListKind::domain,  "a\n\nb c\n",                     3, 1},
        {ListKind::domain,  "a..b\n",                         1, 1},
        {ListKind::address, "example.org\n",                  1, 1},
        {ListKind::address, "a@\n",                           1, 1},
        {ListKind::glob,    "a b\n",                          1, 1},
    };
    for (const auto& [kind, content, line, column] : cases) {
        SCOPED_TRACE(content);
        Diagnostics diagnostics;
        EXPECT_EQ(NamedList::parse(kind, content, "lists/x.txt", diagnostics), nullptr);
        ASSERT_EQ(diagnostics.error_count(), 1U);
        EXPECT_EQ(diagnostics.sorted()[0].place, (SourcePlace{"lists/x.txt", line, column}));
    }
}

TEST(NamedList, MatchesGlobs) {
    struct Case {
        std::string_view glob, text;
        bool want;
    };
    const std::vector<Case> cases = {
        {"",             "",                   true },
        {"",             "a",                  false},
        {"*",            "",                   true },
        {"*",            "abc",                true },
        {"a?c",          "aBC",                true },
        {"a?c",          "ac",                 false},
        {"postmaster@*", "Postmaster@x.test",  true },
        {"postmaster@*", "xpostmaster@x.test", false},
        {"*@x.test",     "a@b@x.test",         true },
        {"*a*b",         "xaxbxb",             true },
        {"*a*b",         "xaxbxc",             false},
        {"a**b",         "ab",                 true },
    };
    for (const auto& [glob, text, want] : cases) {
        SCOPED_TRACE(std::string(glob) + " " + std::string(text));
        EXPECT_EQ(matches_glob(glob, text), want);
    }
}

}  // namespace
}  // namespace wicket
