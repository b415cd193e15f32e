// A header that is eight times as long must not cost much more than eight times as much, whatever stands in
// it: the attacker chooses it. Measured in CPU time of this thread against itself, so that a busy machine
// does not matter.

#include "mail/authentication_results.hpp"
#include "mail/dkim_tags.hpp"
#include "mail/from.hpp"
#include "mail/header.hpp"
#include "mail/message_text.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <time.h>

namespace wicket {
namespace {

constexpr std::size_t small_octets = 8'000;
constexpr std::size_t growth = 8;
// Quadratic work would be 64 times as much; caches and page faults may cost a factor of three.
constexpr double allowed_ratio = 3.0 * growth;

double cpu_seconds() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

void examine(const std::string& text) {
    const HeaderBlock header = parse_header(text, {.octets = text.size(), .lines = text.size()});
    check_fields(header);
    delivered_to(header);
    count_received_by(header, "mx.example.test");
    claimed_results(header, "mx.example.test");
    find_author(header);
    find_dkim_signatures(header);
    parse_from(text);
    parse_dkim_signature(text);
    unfold(text);
}

/// Takes what is read, and has no use for it.
class DeafReader : public MessageReader {
public:
    bool wants(MessagePiece /*piece*/) const override { return true; }
    void field(std::string_view /*name*/, std::string_view /*value*/) override {}
    void text(std::string_view /*text*/) override {}
    void url(std::string_view /*url*/) override {}
    void missing(MessagePiece /*piece*/, std::string_view /*reason*/) override {}
};

void examine_whole(const std::string& text) {
    DeafReader reader;
    read_message(text, nullptr, reader);
}

double least_cost(const std::string& text, void (*work)(const std::string&) = examine) {
    double least = 1e9;
    for (int round = 0; round < 2; ++round) {
        const double begin = cpu_seconds();
        work(text);
        least = std::min(least, cpu_seconds() - begin);
    }
    return least;
}

TEST(HeaderParsers, StayLinearWhateverTheHeaderHolds) {
    for (const std::string_view unit :
         {"a:\r\n",
          "x\r\n",
          " \r\n",
          "From: a@b.example\r\n",
          "Received: by by by (((\r\n",
          "Authentication-Results: (((\r\n",
          "Authentication-Results: \"\\\r\n",
          "Delivered-To: a\r\n",
          "DKIM-Signature: a=1;b=2\r\n",
          "From: ",
          "((((",
          "()",
          "\"\"",
          "a.",
          "<a@b>,",
          "@a,",
          "x:;",
          "a=b;",
          "\\(",
          "\xC3\xA4",
          "\xC3",
          "\r\n "}) {
        SCOPED_TRACE(unit);
        std::string small;
        while (small.size() < small_octets)
            small += unit;
        std::string large;
        for (std::size_t count = 0; count < growth; ++count)
            large += small;
        for (const std::string_view prefix : {"", "From: ", "Authentication-Results: "}) {
            SCOPED_TRACE(prefix);
            // A quarter of a millisecond on either side is noise.
            const double once = std::max(least_cost(std::string(prefix) + small), 250e-6);
            EXPECT_LT(least_cost(std::string(prefix) + large) / once, allowed_ratio);
        }
    }
}

TEST(MessageText, StaysLinearWhateverTheMessageHolds) {
    constexpr std::string_view multipart = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n";
    constexpr std::string_view html = "Content-Type: text/html\r\n\r\n";
    struct Case {
        std::string_view prefix, unit;
    };
    std::vector<Case> cases = {
        {multipart,                                             "--b\r\n"                                             },
        {multipart,                                             "--b\r\n\r\n"                                         },
        {multipart,                                             "--\r\n"                                              },
        {multipart,                                             "--bb\r\n"                                            },
        {multipart,                                             "--b\r\nContent-Type: message/rfc822\r\n\r\n"         },
        {multipart,                                             "--b\r\nContent-Type: multipart/x; boundary=b\r\n\r\n"},
        {multipart,                                             "--b\r\na: b\r\n"                                     },
        {"Subject: ",                                           "=?"                                                  },
        {"Subject: ",                                           "=?utf-8?Q?"                                          },
        {"Subject: ",                                           "=?u?q?x?="                                           },
        {"Content-Type: x/y",                                   "; a*0=b"                                             },
        {"Content-Type: x/y",                                   "(\\"                                                 },
        {"Content-Type: x/y",                                   ";\""                                                 },
        {"Content-Transfer-Encoding: quoted-printable\r\n\r\n", "= "                                                  },
        {"Content-Transfer-Encoding: base64\r\n\r\n",           "="                                                   },
        {"\r\n",                                                "http://"                                             },
        {"\r\n",                                                "www."                                                },
        {"\r\n",                                                "http://)))))"                                        },
        {"\r\n",                                                "\xC2\xAD"                                            },
        {"\r\n",                                                "\xFF"                                                },
        {"\r\n",                                                " \r\n"                                               },
    };
    for (const std::string_view unit :
         {"<",
          "<!",
          "<!--",
          "<!-- --",
          "</",
          "<a",
          "<a ",
          "<a href=",
          "<a href='",
          "<a href=\"//",
          "<script>",
          "<script></",
          "<style><script>",
          "&",
          "&#",
          "&#x1",
          "&nosuchname",
          "&amp",
          "http://a ",
          "<p>",
          "<a b=c>"})
        cases.push_back({html, unit});
    for (const Case& one : cases) {
        SCOPED_TRACE(std::string(one.prefix) + "|" + std::string(one.unit));
        std::string small;
        while (small.size() < small_octets)
            small += one.unit;
        std::string large;
        for (std::size_t count = 0; count < growth; ++count)
            large += small;
        const double once = std::max(least_cost(std::string(one.prefix) + small, examine_whole), 250e-6);
        EXPECT_LT(least_cost(std::string(one.prefix) + large, examine_whole) / once, allowed_ratio);
    }
}

TEST(HeaderParsers, ReadAHundredThousandFields) {
    std::string text;
    for (int count = 0; count < 100'000; ++count)
        text += "Subject: x\r\n";
    const HeaderBlock header = parse_header(text, {.octets = text.size(), .lines = 100'000});
    EXPECT_EQ(header.fields.size(), 100'000U);
    EXPECT_EQ(check_fields(header).duplicate, std::vector<std::string>{"subject"});
    // By default the limits stop it.
    EXPECT_EQ(parse_header(text).fields.size(), HeaderLimits{}.lines);
}

}  // namespace
}  // namespace wicket
