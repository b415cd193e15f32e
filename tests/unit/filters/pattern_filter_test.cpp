#include "filters/scan/pattern_filter.hpp"

#include "mail/pattern_matcher.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace wicket {
namespace {

using Found = std::map<FactId, FactValue>;

Found scanned(const std::vector<Pattern>& patterns, std::string_view message) {
    static const PatternFilter filter;
    const auto matcher = PatternMatcher::compile(make_pattern_set(patterns));
    EXPECT_NE(matcher, nullptr);
    ScanInput input;
    input.message = message;
    input.patterns = matcher.get();
    const auto outcome = filter.scan(input, {});
    const auto& facts = std::get<Observation>(outcome).facts;
    return {facts.begin(), facts.end()};
}

bool matches(PatternPart part, std::string regex, std::string_view message, std::string field = {}) {
    const Found found = scanned(
        {
            {.fact = 7, .part = part, .field = std::move(field), .regexes = {std::move(regex)}}
    },
        message
    );
    if (found.empty()) return false;
    EXPECT_EQ(
        found,
        (Found{
            {7, true}
    })
    );
    return true;
}

TEST(PatternFilter, SeesThroughWhatHidesText) {
    struct Case {
        std::string_view name;
        PatternPart part;
        std::string_view regex, message;
        std::string_view field = "";
    };
    const std::vector<Case> cases = {
        {"plain", PatternPart::body, "cheap pills", "A: b\r\n\r\nbuy cheap\r\npills\r\n"},
        {"base64 html",
         PatternPart::body,
         "^cheap pills$", "Content-Type: text/html\r\nContent-Transfer-Encoding: "
         "base64\r\n\r\nPGI+Y2hlYXA8L2I+IHA8aT48L2k+aWxscw==\r\n"},
        {"koi8-r",
         PatternPart::body,
         "^привет$", "Content-Type: text/plain; charset=KOI8-R\r\n\r\n\xD0\xD2\xC9\xD7\xC5\xD4\r\n"},
        {"windows-1251 header",
         PatternPart::headers,
         "^Subject: привет$", "Subject: =?windows-1251?B?7/Do4uXy?=\r\n\r\n"},
        {"shift_jis",
         PatternPart::body,
         "^日本$", "Content-Type: text/plain; charset=shift_jis\r\n\r\n\x93\xFA\x96\x7B\r\n"},
        {"iso-2022-jp",
         PatternPart::body,
         "^日本$", "Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1B$BF|K\\\x1B(B\r\n"},
        {"gb2312",
         PatternPart::body,
         "^中文$", "Content-Type: text/plain; charset=gb2312\r\n\r\n\xD6\xD0\xCE\xC4\r\n"},
        {"euc-kr",
         PatternPart::body,
         "^한국$", "Content-Type: text/plain; charset=euc-kr\r\n\r\n\xC7\xD1\xB1\xB9\r\n"},
        {"utf-7",
         PatternPart::body,
         "^<script>$", "Content-Type: text/plain; charset=utf-7\r\n\r\n+ADw-script+AD4-\r\n"},
        {"word of the field alone",
         PatternPart::headers,
         "^win$", "Subject: =?utf-8?Q?win?=\r\n\r\n",
         "subject"},
        {"name of an attachment",
         PatternPart::headers,
         "[.]exe\"$", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: attachment;\r\n "
         "filename*0*=utf-8''a%2E; filename*1=exe\r\n\r\nMZ\r\n--b--\r\n", "content-disposition"},
        {"raw",
         PatternPart::raw,
         "^--b\r\nContent-Type: x/y", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: x/y\r\n\r\n--b--\r\n"},
        {"raw octets", PatternPart::raw, "\\xFF\\xFE$", "A: b\r\n\r\n\xFF\xFE"},
        {"href",
         PatternPart::urls,
         "^http://evil[.]example/", "Content-Type: text/html\r\n\r\n<a href=\"HTTP://EV%49L.example/x\">y</a>"},
        {"no match", PatternPart::body, "^$", "A: b\r\n\r\nx"},
    };
    for (const Case& one : cases) {
        SCOPED_TRACE(one.name);
        EXPECT_EQ(
            matches(one.part, std::string(one.regex), one.message, std::string(one.field)),
            one.name != "no match"
        );
    }
    EXPECT_FALSE(matches(PatternPart::raw, "Subject", "Subject: x\r\n\r\nbody"))
        << "the header is no part of the body";
    EXPECT_FALSE(matches(PatternPart::headers, "evil", "A: b\r\n\r\nevil: x"));
}

TEST(PatternFilter, KnowsTheCharsetsOfMail) {
    const IconvCharsets charsets;
    EXPECT_GE(charsets.size(), 55U);
    EXPECT_EQ(charsets.decode("koi8-r", "\xD0"), "п");
    EXPECT_EQ(charsets.decode("x-unheard-of", "x"), std::nullopt);
    EXPECT_EQ(charsets.decode("iso-2022-jp", ""), "");
    // What is cut off, and what is none of the charset.
    EXPECT_EQ(charsets.decode("shift_jis", "a\x93"), "a");
    EXPECT_EQ(charsets.decode("shift_jis", "a\xFF\x62"), "a\uFFFDb");
    EXPECT_EQ(charsets.decode("euc-jp", std::string(2000, '\xFF')), std::nullopt);
    // Nothing is left over for the next text.
    EXPECT_EQ(charsets.decode("iso-2022-jp", "\x1B$BF|"), "日");
    EXPECT_EQ(charsets.decode("iso-2022-jp", "F|"), "F|");
    const std::string long_text(100'000, '\xD0');
    EXPECT_EQ(charsets.decode("koi8-r", long_text)->size(), 200'000U);
}

TEST(PatternFilter, DoesNotKnowWhatItDidNotLookAt) {
    const std::vector<Pattern> patterns = {
        {.fact = 1, .part = PatternPart::raw,     .regexes = {"^first"}},
        {.fact = 2, .part = PatternPart::raw,     .regexes = {"last$"} },
        {.fact = 3, .part = PatternPart::body,    .regexes = {"last"}  },
        {.fact = 4, .part = PatternPart::headers, .regexes = {"last"}  },
    };
    const std::string message =
        "Content-Type: image/png\r\n\r\nfirst" + std::string(pattern_raw_limit_octets, 'x') + "last";
    EXPECT_EQ(
        scanned(patterns, message),
        (Found{
            {1, true                                           },
            {2, Unknown{"the body is longer than is looked at"}}
    })
    );
    const std::string text = "A: b\r\n\r\n" + std::string(2U << 20U, 'x') + "last";
    EXPECT_EQ(
        scanned(patterns, text),
        (Found{
            {2, true                                           },
            {3, Unknown{"there is more text than is looked at"}}
    })
    );
}

TEST(PatternFilter, FindsNothingWithoutPatterns) {
    const PatternFilter filter;
    ScanInput input;
    input.message = "A: b\r\n\r\nx";
    EXPECT_TRUE(std::get<Observation>(filter.scan(input, {})).facts.empty());
}

}  // namespace
}  // namespace wicket
