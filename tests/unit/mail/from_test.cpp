#include "mail/from.hpp"

#include "mail/fact_dictionary.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace wicket {
namespace {

/// The addresses with their display names in parentheses, then the fault's words after "!".
std::string shown(const FromList& list) {
    std::string text;
    for (const FromAddress& address : list.addresses) {
        if (!text.empty()) text += ", ";
        text += address.to_string();
        if (!address.display_name.empty()) text += " (" + address.display_name + ')';
    }
    if (list.fault) text += (text.empty() ? "!" : " !") + std::string(describe(*list.fault));
    return text;
}

constexpr std::string_view malformed = "!the From field is malformed (RFC 5322 section 3.4)";
constexpr std::string_view empty = "!the From field holds no address";

TEST(From, ReadsWhatTheGrammarAllows) {
    struct Row {
        std::string_view input, want;
    };
    constexpr Row table[] = {
        {" joe@Example.ORG",                                                "joe@example.org"                                 },
        {" <joe@example.org>",                                              "joe@example.org"                                 },
        {" Joe Q. Public <joe@example.org>",                                "joe@example.org (Joe Q. Public)"                 },
        {" \"Giant; \\\"Big\\\" Box\" <s@b.example>",                       "s@b.example (Giant; \"Big\" Box)"                },
        {" =?utf-8?q?J=C3=B6rg?= <j@example.org>",                          "j@example.org (=?utf-8?q?J=C3=B6rg?=)"           },
        {" J\xC3\xB6rg <j\xC3\xB6rg@\xC3\xA4.example>",                     "j\xC3\xB6rg@\xC3\xA4.example (J\xC3\xB6rg)"      },
        {" joe@example.org (Joe (the) \\) one)",                            "joe@example.org"                                 },
        {" Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "pete@silly.test (Pete)"                          },
        {" \"joe smith\"@example.org",                                      "\"joe smith\"@example.org"                       },
        {" \"joe\"@example.org",                                            "joe@example.org"                                 },
        {" joe@[192.0.2.1]",                                                "joe@[192.0.2.1]"                                 },
        {" Joe\r\n <joe@\r\n\texample.org>\r\n ",                           "joe@example.org (Joe)"                           },
        {" joe . smith @ example . org",                                    "joe.smith@example.org"                           }, // RFC 5322 section 4.4
        {" a@b.example, \"C\" <c@d.example>",                               "a@b.example, c@d.example (C)"                    },
        {" , a@b.example,, c@d.example ,",                                  "a@b.example, c@d.example"                        }, // RFC 5322 section 4.4
        {" The Group: a@b.example, <c@d.example>;",                         "a@b.example, c@d.example"                        }, // RFC 6854
        {" Group:a@b.example;, c@d.example",                                "a@b.example, c@d.example"                        },
        {" \"a@b.example\" <c@d.example>",                                  "c@d.example (a@b.example)"                       },
        {" a@b.example <A@b.example>",
         "A@b.example, a@b.example !the From field holds two addresses for one author"                                        },
        {" a@B.example <a@b.example>",                                      "a@b.example (a@b.example)"                       },
        {" a@b.example <c@d.example>",
         "c@d.example, a@b.example !the From field holds two addresses for one author"                                        },
        {" <@x.example,@y.example:a@b.example>",                            "a@b.example !the From field holds a source route"},
    };
    for (const auto& [input, want] : table) {
        SCOPED_TRACE(input);
        EXPECT_EQ(shown(parse_from(input)), want);
    }
}

TEST(From, RefusesToGuess) {
    using namespace std::string_view_literals;
    for (const std::string_view input :
         {" joe"sv,
          " joe@"sv,
          " @example.org"sv,
          " joe@example.org joe"sv,
          " joe@example..org"sv,
          " joe@.example.org"sv,
          " joe@example.org."sv,
          " .joe@example.org"sv,
          " joe.@example.org"sv,
          " j..oe@example.org"sv,
          " joe smith@example.org"sv,
          " \"joe\"smith@example.org"sv,
          " joe@example.org@example.com"sv,
          " <joe@example.org"sv,
          " joe@example.org>"sv,
          " <<joe@example.org>>"sv,
          " <joe@example.org> <a@b.example>"sv,
          " Joe <joe@example.org> Smith"sv,
          " (open joe@example.org"sv,
          " joe@example.org)"sv,
          " \"open <joe@example.org>"sv,
          " joe@[192.0.2.1"sv,
          " joe@[[192.0.2.1]"sv,
          " joe@[]"sv,
          " joe@[192.0.2.1>]"sv,
          " joe@[192.0.2. 1]"sv,
          " Joe; <joe@example.org>"sv,
          " .Joe <joe@example.org>"sv,
          " Group: a@b.example"sv,
          " Group: Inner: a@b.example;;"sv,
          " : a@b.example;"sv,
          " a@b.example;"sv,
          " joe@exa&mple.org"sv,
          " joe@\"example.org\""sv,
          " =?utf-8?q?joe=40example.org?=@attacker.example"sv,
          " joe\0@example.org"sv,
          " \"Joe\0\" <joe@example.org>"sv,
          " (\0) joe@example.org"sv,
          " joe@example.org\r\nSubject: x"sv,
          " joe@example.org\rx"sv,
          " joe\\@example.org"sv,
          " j\xFFoe@example.org"sv,
          " \"\xC3\" <joe@example.org>"sv,
          " (\xFF) joe@example.org"sv,
          " \x01joe@example.org"sv,
          " <joe@example.org:25>"sv,
          " <x.example:joe@example.org>"sv}) {
        SCOPED_TRACE(input);
        const FromList list = parse_from(input);
        EXPECT_TRUE(shown(list).ends_with(malformed)) << shown(list);
    }
    for (const std::string_view input :
         {""sv, " "sv, " (nobody)"sv, " <>"sv, " ,,"sv, " undisclosed:;"sv, " Joe <>"sv}) {
        SCOPED_TRACE(input);
        EXPECT_EQ(shown(parse_from(input)), empty);
    }
}

TEST(From, FindsTheSingleAuthorOfAMessage) {
    struct Row {
        std::string_view header, domain;
        std::optional<FromFault> fault;
        std::size_t count;
    };
    using enum FromFault;
    const Row table[] = {
        {"From: a@B.example\r\n\r\n",                          "b.example", {},                   1},
        {"Subject: x\r\n\r\nFrom: a@b.example\r\n",            "",          missing,              0},
        {"From: a@b.example\r\nfrom : c@d.example\r\n\r\n",    "",          several_fields,       2},
        {"From: a@b.example, c@d.example\r\n\r\n",             "",          several_authors,      2},
        {"From: a@b.example <c@d.example>\r\n\r\n",            "",          ambiguous,            2},
        {"From: <@x.example:a@b.example>\r\n\r\n",             "",          route,                1},
        {"From: nobody\r\n\r\n",                               "",          FromFault::malformed, 0},
        {"From: <>\r\n\r\n",                                   "",          FromFault::empty,     0},
        {"From: a@b.example, c@d.example, x\r\n\r\n",          "",          several_authors,      2},
        {"From: J\xF6rg <a@b.example>\r\n\r\n",                "",          FromFault::malformed, 0},
        {"From: Public, John <a@b.example>\r\n\r\n",           "",          FromFault::malformed, 0},
        {"From: [Company] News <a@b.example>\r\n\r\n",         "",          FromFault::malformed, 0},
        {"From: John <john <a@b.example>>\r\n\r\n",            "",          FromFault::malformed, 0},
        {"From: <a.@b.example>\r\n\r\n",                       "",          FromFault::malformed, 0},
        {"From: a@b.example.\r\n\r\n",                         "",          FromFault::malformed, 0},
        {"From: MAILER-DAEMON (Mail Delivery System)\r\n\r\n", "",          FromFault::malformed, 0},
        {"From: junk\r\nFrom: a@b.example\r\n\r\n",            "",          several_fields,       1},
    };
    const FactDictionary dictionary;
    for (const Row& row : table) {
        SCOPED_TRACE(row.header);
        const Author author = find_author(parse_header(row.header));
        EXPECT_EQ(author.domain, row.domain);
        EXPECT_EQ(author.fault, row.fault);
        EXPECT_EQ(author.addresses.size(), row.count);
        // The dictionary of facts writes the same words as this table.
        const FactDeclaration& fact = dictionary.row(id_of(CoreFact::from_fault));
        if (author.fault)
            EXPECT_EQ(std::ranges::count(fact.words, to_word(*author.fault)), 1) << to_word(*author.fault);
    }
}

TEST(From, IsBoundedInAddressesAndDepth) {
    std::string many;
    for (std::size_t count = 0; count < from_addresses_limit; ++count)
        many += "a@b.example,";
    EXPECT_FALSE(parse_from(many).fault);
    EXPECT_EQ(parse_from(many + "a@b.example").fault, FromFault::too_many);
    EXPECT_EQ(parse_from(many + "a@b.example").addresses.size(), from_addresses_limit);
    std::string fields;
    for (int count = 0; count < 1000; ++count)
        fields += "From: a@b.example\r\n";
    EXPECT_EQ(find_author(parse_header(fields)).addresses.size(), from_addresses_limit);
    // No recursion: depth costs a counter.
    const std::string deep = std::string(500'000, '(') + std::string(500'000, ')') + "a@b.example";
    EXPECT_FALSE(parse_from(deep).fault);
    EXPECT_TRUE(parse_from(std::string(1'000'000, '"')).fault);
    std::string words;
    for (int count = 0; count < 1000; ++count)
        words += "word ";
    EXPECT_FALSE(parse_from(words + "<a@b.example>").fault);
    EXPECT_EQ(parse_from(words + "word <a@b.example>").fault, FromFault::malformed);
}

}  // namespace
}  // namespace wicket
