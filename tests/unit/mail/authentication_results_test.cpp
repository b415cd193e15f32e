#include "mail/authentication_results.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace wicket {
namespace {

TEST(AuthenticationResults, FindsWhatClaimsToBeOurs) {
    struct Row {
        std::string_view value;
        bool is_claimed;
    };
    using namespace std::string_view_literals;
    constexpr Row table[] = {
        {" mx.example.test; spf=pass"sv,                                   true },
        {"mx.example.test;spf=pass"sv,                                     true },
        {" MX.Example.Test ; spf=pass"sv,                                  true },
        {" mx.example.test 1; spf=pass"sv,                                 true },
        {" (a (nested \\) one) comment)\r\n\t mx.example.test(x); none"sv, true },
        {" \"mx.example.test\"; none"sv,                                   true },
        {" \"mx\\.example.test\"; none"sv,                                 true },
        {" \"mx.exa\r\n mple.test\"; none"sv,                              true }, // a careless reader drops the space
        {" mx.example.test."sv,                                            true },
        {" mx.example.test"sv,                                             true },
        {" mx.example.test=x; none"sv,                                     true },
        {" mx(x).example(y).test; none"sv,                                 true },
        {" mx.example.\r\n test; none"sv,                                  true },
        {" m\"x\".example.test; none"sv,                                   true },
        {" (open mx.example.test; none"sv,                                 true }, // cannot be read
        {" \"mx.example.test; none"sv,                                     true }, // likewise
        {" ; none"sv,                                                      true },
        {""sv,                                                             true },
        {" other.example; spf=pass"sv,                                     false},
        {" mx.example.test.other.example; spf=pass"sv,                     false},
        {" sub.mx.example.test; spf=pass"sv,                               false},
        {" other.example (mx.example.test); x=pass"sv,                     false},
        {" other.example; mx.example.test; x=pass"sv,                      false},
        {" \"other.example;\" mx.example.test; x=pass"sv,                  false},
    };
    for (const auto& [value, is_claimed] : table) {
        SCOPED_TRACE(value);
        const std::string field = "Authentication-results:" + std::string(value) + "\r\n";
        const std::string text = "Subject: x\r\n" + field + "To: y\r\n\r\n";
        const auto ranges = claimed_results(parse_header(text), "mx.example.test");
        ASSERT_EQ(ranges.size(), is_claimed ? 1U : 0U);
        if (is_claimed) EXPECT_EQ(ranges[0], (OctetRange{12, field.size()}));
    }
}

TEST(AuthenticationResults, LeavesOtherFieldsAlone) {
    constexpr std::string_view text =
        "ARC-Authentication-Results: i=1; mx.example.test; spf=pass\r\n"
        "Authentication-Results: mx.example.test; a=pass\r\n"
        "X-Authentication-Results: mx.example.test; spf=pass\r\n"
        "Authentication-Results : mx.example.test; b=pass\r\n\r\n"
        "Authentication-Results: mx.example.test; body=pass\r\n";
    const auto ranges = claimed_results(parse_header(text), "mx.example.test");
    ASSERT_EQ(ranges.size(), 2U);
    EXPECT_TRUE(text.substr(ranges[0].offset, ranges[0].length).ends_with("a=pass\r\n"));
    EXPECT_TRUE(text.substr(ranges[1].offset, ranges[1].length).ends_with("b=pass\r\n"));
}

TEST(AuthenticationResults, WritesOurs) {
    EXPECT_EQ(
        authentication_results_field("mx.example.test", {}),
        "Authentication-Results: mx.example.test; none\r\n"
    );
    const std::vector<AuthenticationResult> results = {
        {"spf",  "pass", "",              {{"smtp.mailfrom", "joe@example.org"}}           },
        {"dkim", "fail", "bad signature", {{"header.d", "example.org"}, {"header.s", "s1"}}},
    };
    EXPECT_EQ(
        authentication_results_field("mx.example.test", results),
        "Authentication-Results: mx.example.test; spf=pass\r\n"
        "\tsmtp.mailfrom=joe@example.org; dkim=fail reason=\"bad signature\"\r\n"
        "\theader.d=example.org header.s=s1\r\n"
    );
}

TEST(AuthenticationResults, CannotBeForgedThroughAPeersValue) {
    struct Row {
        std::string value, want;
    };
    const Row table[] = {
        {"a@b.example; dkim=pass",      R"("a@b.example; dkim=pass")"     },
        {"a\"; dkim=pass header.d=\"x", R"("a\"; dkim=pass header.d=\"x")"},
        {"a\\",                         R"("a\\")"                        },
        {"a\r\nSubject: x",             R"("a??Subject: x")"              },
        {"(comment",                    R"("(comment")"                   },
        {"\"a b\"@c.example",           R"("\"a b\"@c.example")"          },
        {"a@b@c",                       R"("a@b@c")"                      },
        {"",                            R"("")"                           },
        {"\xFF\x01",                    R"("??")"                         },
        {"@b.example",                  "@b.example"                      },
        {"mx-1.example",                "mx-1.example"                    },
        {"[192.0.2.1]",                 R"("[192.0.2.1]")"                },
    };
    for (const auto& [value, want] : table) {
        SCOPED_TRACE(value);
        const std::vector<AuthenticationResult> results = {
            {"spf", "fail", "", {{"smtp.helo", value}}}
        };
        std::string field = authentication_results_field("id", results);
        EXPECT_EQ(field.substr(field.find("helo=") + 5), want + "\r\n");
    }
    const std::vector<AuthenticationResult> huge = {
        {"spf", "fail", std::string(5000, '"'), {{"smtp.helo", std::string(5000, 'x')}}}
    };
    const std::string field = authentication_results_field("id", huge);
    for (std::size_t at = 0; at < field.size();) {
        const std::size_t end = field.find("\r\n", at);
        EXPECT_LE(end - at, line_limit_octets);
        at = end + 2;
    }
    // A cut never takes a closing quote, which would leave what follows to the peer.
    EXPECT_TRUE(field.ends_with("x\"\r\n"));
    EXPECT_TRUE(field.contains("\\\"\"\r\n\tsmtp.helo=\""));
}

}  // namespace
}  // namespace wicket
