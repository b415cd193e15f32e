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
        {ListKind::ip,      "192.0.2.0/24\n  192.0.2.1/24\n", 2, 3 },
        {ListKind::ip,      "example.org\n",                  1, 1 },
        {ListKind::domain,  "a\n\nb c\n",                     3, 1 },
        {ListKind::domain,  "a..b\n",                         1, 1 },
        {ListKind::address, "example.org\n",                  1, 1 },
        {ListKind::address, "a@\n",                           1, 1 },
        {ListKind::address, "a@b.test\n *@spam.test\n",       2, 2 },
        {ListKind::address, "a@b@c.test\n",                   1, 1 },
        {ListKind::address, "a b@c.test\n",                   1, 1 },
        {ListKind::address, "\"a b@c.test\n",                 1, 1 },
        {ListKind::address, "a@-c.test\n",                    1, 1 },
        {ListKind::address, "a@192.0.2.1\n",                  1, 1 },
        {ListKind::address, "a@[192.0.2]\n",                  1, 1 },
        {ListKind::domain,  "1.2.3.4\n",                      1, 1 },
        {ListKind::domain,  "-a.test\n",                      1, 1 },
        {ListKind::domain,  "a-.test\n",                      1, 1 },
        {ListKind::domain,  "a.test.\n",                      1, 1 },
        {ListKind::domain,  "*.a.test\n",                     1, 1 },
        {ListKind::glob,    "a b\n",                          1, 1 },
        {ListKind::regex,   "a\n  a(b\n",                     2, 3 },
        {ListKind::regex,   "good\nab[z-a]\n",                2, 4 },
        {ListKind::ip,      "192.0.2.1#x\n",                  1, 1 },
        {ListKind::ip,      "192.0.2.1 expires=soon\n",       1, 19},
        {ListKind::ip,      "expires=2027-01-31\n",           1, 1 },
        {ListKind::domain,  "a.example expires=2027-02-30\n", 1, 19},
    };
    for (const auto& [kind, content, line, column] : cases) {
        SCOPED_TRACE(content);
        Diagnostics diagnostics;
        EXPECT_EQ(NamedList::parse(kind, content, "lists/x.txt", diagnostics), nullptr);
        ASSERT_EQ(diagnostics.error_count(), 1U);
        EXPECT_EQ(diagnostics.sorted()[0].place, (SourcePlace{"lists/x.txt", line, column}));
    }
}

TEST(NamedList, BoundsTheLengthOfALabel) {
    Diagnostics diagnostics;
    const std::string longest(63, 'a');
    EXPECT_NE(NamedList::parse(ListKind::domain, longest + ".test\n", "f", diagnostics), nullptr);
    EXPECT_TRUE(diagnostics.empty());
    EXPECT_EQ(NamedList::parse(ListKind::domain, longest + "a.test\n", "f", diagnostics), nullptr);
    EXPECT_EQ(NamedList::parse(ListKind::address, "a@" + longest + "a.test\n", "f", diagnostics), nullptr);
    EXPECT_EQ(diagnostics.error_count(), 2U);
}

TEST(NamedList, TakesEveryAddressThatAnEnvelopeHas) {
    Diagnostics diagnostics;
    const auto list = NamedList::parse(
        ListKind::address,
        "\"A b\"@c.test # a comment\n\"plain\"@c.test\n\"x*\"@c.test\na@[192.0.2.1]\n@a_b.test\n"
        "d@b\u00fccher.test\n",
        "f",
        diagnostics
    );
    ASSERT_NE(list, nullptr) << render(diagnostics.sorted()[0]);
    EXPECT_TRUE(list->contains("\"a b\"@c.test"));
    EXPECT_TRUE(list->contains("plain@c.test"));
    EXPECT_TRUE(list->contains("x*@c.test"));
    EXPECT_TRUE(list->contains("a@[192.0.2.1]"));
    EXPECT_TRUE(list->contains("any@a_b.test"));
    EXPECT_TRUE(list->contains("d@xn--bcher-kva.test"));
    EXPECT_TRUE(list->covers("\"plain\"@C.test"));
}

TEST(NamedList, MatchesRegularExpressions) {
    Diagnostics diagnostics;
    const auto list = NamedList::parse(
        ListKind::regex, "^mail[0-9]+[.] # a comment\n(?i)two words\na#b\n", "f", diagnostics
    );
    ASSERT_NE(list, nullptr);
    EXPECT_EQ(list->size(), 3U);
    EXPECT_TRUE(list->contains("mail7.example.org"));
    EXPECT_FALSE(list->contains("Mail7.example.org"));
    EXPECT_TRUE(list->contains("so Two Words here"));
    EXPECT_TRUE(list->contains("xa#b"));
    EXPECT_FALSE(list->contains(std::string(2000, 'x') + "mail1."));
    EXPECT_FALSE(NamedList::parse(ListKind::regex, "# none\n", "f", diagnostics)->contains(""));
}

TEST(NamedList, EntriesExpire) {
    const WallTime day = std::chrono::sys_days{std::chrono::year{2027} / 1 / 31};
    const WallTime before = day - std::chrono::microseconds{1};
    const std::string_view table[] = {"192.0.2.0/24", "example.org", "a@example.org", "*.example.org", "^x"};
    const std::string_view texts[] = {"", "www.example.org", "a@example.org", "a.example.org", "xy"};
    for (std::size_t at = 0; at < 5; ++at) {
        const auto kind = static_cast<ListKind>(at);
        SCOPED_TRACE(to_string(kind));
        Diagnostics diagnostics;
        std::vector<ListEntry> entries;
        const auto list = NamedList::parse(
            kind, std::string(table[at]) + "\texpires=2027-01-31 # why\n", "f", diagnostics, &entries
        );
        ASSERT_NE(list, nullptr);
        EXPECT_TRUE(list->has_expiring());
        ASSERT_EQ(entries.size(), 1U);
        EXPECT_EQ(entries[0].text, table[at]);
        EXPECT_EQ(entries[0].expires, day);
        const auto contains = [&](WallTime now) {
            return kind == ListKind::ip ? list->contains(*IpAddress::parse("192.0.2.9"), now)
                                        : list->contains(texts[at], now);
        };
        EXPECT_TRUE(contains(before));
        EXPECT_FALSE(contains(day));
        EXPECT_TRUE(contains(WallTime::min()));
        EXPECT_TRUE(list->covers(table[at]));
        // Of the same entry twice the later one counts.
        const std::string entry(table[at]);
        const auto twice =
            NamedList::parse(kind, entry + "\n" + entry + " expires=2020-01-01\n", "f", diagnostics);
        EXPECT_TRUE(
            kind == ListKind::ip ? twice->contains(*IpAddress::parse("192.0.2.9"), day)
                                 : twice->contains(texts[at], day)
        );
    }
}

TEST(NamedList, CoversWhatIsPartOfAnEntry) {
    Diagnostics diagnostics;
    const auto ip = NamedList::parse(ListKind::ip, "192.0.2.0/24\n2001:db8::/32\n", "f", diagnostics);
    EXPECT_TRUE(ip->covers("192.0.2.7"));
    EXPECT_TRUE(ip->covers("192.0.2.128/25"));
    EXPECT_FALSE(ip->covers("192.0.0.0/16"));
    EXPECT_TRUE(ip->covers("2001:db8:1::/48"));
    const auto domain = NamedList::parse(ListKind::domain, "example.org\n", "f", diagnostics);
    EXPECT_TRUE(domain->covers("a.example.org"));
    EXPECT_FALSE(domain->covers("org"));
    const auto address = NamedList::parse(ListKind::address, "@example.org\n", "f", diagnostics);
    EXPECT_TRUE(address->covers("a@example.org"));
    const auto glob = NamedList::parse(ListKind::glob, "*.example.org\n", "f", diagnostics);
    EXPECT_TRUE(glob->covers("*.example.org"));
    EXPECT_FALSE(glob->covers("a.example.org"));
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
