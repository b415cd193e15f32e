#include "access/downgrade.hpp"

#include "tests/unit/access/fake_mail_store.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace wicket {
namespace {

TEST(Downgrade, TurnsHeadersIntoAscii) {
    struct Case {
        std::string_view name, headers, want;
    };
    const std::vector<Case> cases = {
        {"ASCII stays octet for octet",
         "a:b\r\nSubject :  x \r\n\ty\r\nTo: a@b,\r\n c@d\r\n",                                                  "a:b\r\nSubject :  x \r\n\ty\r\nTo: a@b,\r\n c@d\r\n"                                              },
        {"a subject",
         "Subject: Gr\xC3\xBC\xC3\x9F"
         "e\r\n",                                                                                                "Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\n"                                                            },
        {"a folded subject",                       "Subject: \xC3\xA4\r\n b\r\n",                                "Subject: =?utf-8?B?w6QgYg==?=\r\n"                                                                },
        {"a long subject, cut between characters",
         "Subject: aaaaaaaaaaaaaaaaaaaaaaaaaa\xC3\xA4\xC3\xA4\r\n",                                              "Subject: =?utf-8?B?YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=?=\r\n =?utf-8?B?w6TDpA==?=\r\n"           },
        {"a subject that is not UTF-8",            "Subject: caf\xE9\r\n",                                       "Subject: =?unknown-8bit?B?Y2Fm6Q==?=\r\n"                                                         },
        {"a display name",                         "From: J\xC3\xB6rg <j@x.test>\r\n",                           "From: =?utf-8?B?SsO2cmc=?=\r\n <j@x.test>\r\n"
        },
        {"a quoted display name",
         "From: \"J\xC3\xB6rg, \\\"X\\\"\" <j@x.test>\r\n",                                                      "From: =?utf-8?B?SsO2cmcsICJYIg==?=\r\n <j@x.test>\r\n"                                            },
        {"an address with a name",
         "From: J <j\xC3\xB6@x.test>\r\n",                                                                       "From: =?utf-8?B?SiA8asO2QHgudGVzdD4=?=\r\n <invalid@internationalized-address.invalid>\r\n"       },
        {"an address alone",
         "To: j\xC3\xB6@x.test\r\n",                                                                             "To: =?utf-8?B?asO2QHgudGVzdA==?=\r\n <invalid@internationalized-address.invalid>\r\n"             },
        {"one of several",
         "To: a@b, j\xC3\xB6@x, \"C, D\" <c@d>\r\n",                                                             "To: a@b,\r\n =?utf-8?B?asO2QHg=?=\r\n <invalid@internationalized-address.invalid>,\r\n \"C, D\" "
         "<c@d>\r\n"                                                                                                                                            },
        {"a group",                                "To: Fr\xC3\xBC: a@b, c@d;\r\n",                              "To: =?utf-8?B?RnLDvA==?=:\r\n a@b,\r\n c@d;\r\n"                                                  },
        {"an empty group",                         "Cc: Fr\xC3\xBC:;\r\n",                                       "Cc: =?utf-8?B?RnLDvA==?=:\r\n ;\r\n"                                                              },
        {"a comma in a comment",
         "To: a@b (\xC3\xA4, <x>), c@d\r\n",                                                                     "To: =?utf-8?B?YUBiICjDpCwgPHg+KQ==?=\r\n <invalid@internationalized-address.invalid>,\r\n c@d\r\n"},
        {"an address literal",
         "To: \xC3\xA4 <a@[IPv6:::1]>, b@[IPv6:::2]\r\n",                                                        "To: =?utf-8?B?w6Q=?=\r\n <a@[IPv6:::1]>,\r\n b@[IPv6:::2]\r\n"                                    },
        {"an angle left open",                     "To: \xC3\xA4 <a@b\r\n",                                      "To: =?utf-8?B?w6Q=?=\r\n <a@b\r\n"                                                                },
        {"a parameter",
         "Content-Type: text/plain; name=\"\xC3\xA4;b\"; charset=utf-8\r\n",                                     "Content-Type: text/plain;\r\n charset=utf-8\r\n"                                                  },
        {"a value that is not ASCII",              "Content-Type: t\xC3\xA4xt/plain; charset=utf-8\r\nA: b\r\n", "A: b\r\n"
        },
        {"any other field goes",                   "Received: from \xC3\xA4\r\nX-A: \xC3\xA4\r\nB: c\r\n",       "B: c\r\n"                                                                                         },
        {"a name that is not ASCII goes",          "S\xC3\xBC: x\r\nB: c\r\n",                                   "B: c\r\n"                                                                                         },
        {"a line that is no field goes",           "\xC3\xA4\r\nB: c\r\n",                                       "B: c\r\n"                                                                                         },
        {"no CRLF at the end",                     "Subject: \xC3\xA4",                                          "Subject: =?utf-8?B?w6Q=?=\r\n"                                                                    },
    };
    for (const auto& [name, headers, want] : cases) {
        SCOPED_TRACE(name);
        EXPECT_EQ(downgrade_headers(headers), want);
        EXPECT_EQ(downgrade_headers(want), want) << "what is downgraded stays";
    }
}

TEST(Downgrade, KeepsLinesWithEncodedWordsWithin76Characters) {
    std::string text;
    for (int i = 0; i < 100; ++i)
        text += "\xE2\x82\xAC";
    for (const std::string& name : {std::string("Subject"), std::string("Content-Description")}) {
        for (const std::string& tail : {std::string(), std::string("\xE9")}) {
            const std::string headers = downgrade_headers(name + ": " + text + tail + "\r\n");
            for (std::size_t at = 0; at < headers.size();) {
                const std::size_t end = headers.find("\r\n", at);
                EXPECT_LE(end - at, 76U);
                at = end + 2;
            }
        }
    }
}

std::string fed(const std::vector<std::string>& pieces) {
    HeaderDowngrader downgrader;
    std::string out;
    for (const std::string& piece : pieces)
        downgrader.feed(piece, out);
    downgrader.finish(out);
    return out;
}

TEST(HeaderDowngrader, TouchesHeadersOnlyAtEverySplit) {
    struct Case {
        std::string_view name;
        std::string message, want;
    };
    const std::vector<Case> cases = {
        {"a body in UTF-8",
         "Subject: \xC3\xA4\r\n\r\n\xC3\xA4\r\n\r\n\xC3\xA4", "Subject: =?utf-8?B?w6Q=?=\r\n\r\n\xC3\xA4\r\n\r\n\xC3\xA4"},
        {"no headers",      "\r\n\xC3\xA4\r\n",               "\r\n\xC3\xA4\r\n"                                         },
        {"no body",         "Subject: \xC3\xA4\r\n",          "Subject: =?utf-8?B?w6Q=?=\r\n"                            },
        {"nothing",         "",                               ""                                                         },
    };
    for (const auto& [name, message, want] : cases) {
        SCOPED_TRACE(name);
        for (std::size_t cut = 0; cut <= message.size(); ++cut)
            EXPECT_EQ(fed({message.substr(0, cut), message.substr(cut)}), want) << "cut at " << cut;
    }
}

TEST(HeaderDowngrader, KeepsTheSizeOfHeadersTooLargeToRead) {
    for (const std::size_t size :
         {downgrade_limit_octets - 1,
          downgrade_limit_octets,
          downgrade_limit_octets + 1,
          3 * downgrade_limit_octets}) {
        SCOPED_TRACE(size);
        std::string headers = "X: \xC3\xA4";
        headers += std::string(size - headers.size() - 2, 'x') + "\r\n";
        const std::string body = "\r\nb\xC3\xA4\r\n";
        std::string want = headers + body;
        if (size > downgrade_limit_octets) {
            want[3] = want[4] = '?';
        } else {
            want = body;  // an X field that is not ASCII goes
        }
        EXPECT_EQ(fed({headers + body}), want);
        std::vector<std::string> pieces;
        for (std::size_t at = 0; at < headers.size() + body.size(); at += 1000)
            pieces.push_back((headers + body).substr(at, 1000));
        EXPECT_EQ(fed(pieces), want);
    }
}

TEST(Downgrade, MeasuresWhatItWouldServe) {
    FakeMailStore store;
    const std::string body = "\r\n" + std::string(100000, '\xFF');
    for (const std::string& headers :
         {std::string("Subject: \xC3\xA4\r\n"),
          std::string("A: b\r\n"),
          std::string(),
          "X: \xC3\xA4" + std::string(200000, 'x') + "\r\n"}) {
        const Uid uid = store.add(headers + body);
        const auto reader = store.open_message({"a", "INBOX", store.uid_validity}, uid);
        EXPECT_EQ(downgraded_size(**reader).value(), fed({headers + body}).size());
    }
    const auto reader =
        store.open_message({"a", "INBOX", store.uid_validity}, store.add("Subject: \xC3\xA4\r\n"));
    EXPECT_EQ(downgraded_size(**reader).value(), fed({"Subject: \xC3\xA4\r\n"}).size());
}

}  // namespace
}  // namespace wicket
