#include "mail/mime_walk.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace wicket {
namespace {

/// What a walk tells, as text: "H(n fields)", "E(...)" of an embedded message, "P(...)" of a part,
/// "[type|content]" of a leaf, "!reason".
class Writer : public MimeVisitor {
public:
    void header(const HeaderBlock& header, MimeEntity entity) override {
        constexpr std::string_view kinds = "HEP";
        told += kinds[static_cast<std::size_t>(entity)];
        told += std::to_string(header.fields.size()) + ' ';
    }
    void leaf(const MimeLeaf& leaf) override {
        ++leaves;
        told += '[' + leaf.type.word + '|';
        if (leaf.encoding == TransferEncoding::base64) told += "b64|";
        if (leaf.encoding == TransferEncoding::quoted_printable) told += "qp|";
        if (!leaf.disposition.word.empty()) told += leaf.disposition.word + '|';
        told += std::string(leaf.content) + "] ";
    }
    void cut(std::string_view reason) override { told += '!' + std::string(reason) + ' '; }

    std::string told;
    std::size_t leaves = 0;
};

std::string walked(std::string_view message, const MimeLimits& limits = {}) {
    Writer writer;
    walk_mime(message, writer, limits);
    if (writer.told.ends_with(' ')) writer.told.pop_back();
    return writer.told;
}

/// LF as CRLF, so that tables can be read.
std::string with_crlf(std::string_view text) {
    std::string made;
    for (const char c : text) {
        if (c == '\n') made += '\r';
        made += c;
    }
    return made;
}

TEST(MimeWalk, FindsTheParts) {
    struct Case {
        std::string_view name, message, want;
    };
    const std::vector<Case> cases = {
        {"plain",                                "Subject: x\n\nbody\n",                           "H1 [text/plain|body\n]"                                             },
        {"no body",                              "Subject: x\n",                                   "H1 [text/plain|]"                                                   },
        {"nothing",                              "",                                               "H0 [text/plain|]"                                                   },
        {"html",
         "Content-Type: TEXT/HTML; charset=x\nContent-Transfer-Encoding: Base64\n\nPGI+\n",        "H2 [text/html|b64|PGI+\n]"                                          },
        {"malformed type",                       "Content-Type: text\n\nx",                        "H1 [text/plain|x]"                                                  },
        {"two parts",
         "Content-Type: multipart/mixed; boundary=b\n\npreamble\n--b\n\none\n--b\nContent-Type: "
         "text/html\n\ntwo\n"
         "--b--\nepilogue\n",                                                                      "H1 P0 [text/plain|one] P1 [text/html|two]"                          },
        {"padding behind the boundary",
         "Content-Type: multipart/mixed; boundary=b\n\n--b \t\n\none\n--b--  \n",                  "H1 P0 [text/plain|one]"                                             },
        {"no end",
         "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n",                  "H1 P0 [text/plain|one] P0 [text/plain|two\n]"                       },
        {"the boundary never comes",
         "Content-Type: multipart/mixed; boundary=b\n\nsecret\n",                                  "H1 [text/plain|secret\n]"                                           },
        {"no boundary",                          "Content-Type: multipart/mixed\n\n--b\n\none\n",  "H1 [text/plain|--b\n\none\n]"                                       },
        {"no empty line",
         "Content-Type: multipart/mixed; boundary=b\n\n--b\nhello there\n--b--\n",                 "H1 P0 [text/plain|hello there]"                                     },
        {"header alone",
         "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n--b--\n",     "H1 P1 [text/html|]"                                                 },
        {"header to the end",
         "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n",            "H1 P1 [text/html|]"                                                 },
        {"nested",
         "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/alternative; "
         "boundary=b\n\n--b\n\n"
         "one\n--b\n\ntwo\n--b--\n--a\n\nthree\n--a--\n",                                          "H1 P1 P0 [text/plain|one] P0 [text/plain|two] P0 [text/plain|three]"},
        {"nested, the inner one without an end",
         "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/alternative; "
         "boundary=b\n\n--b\n\n"
         "one\n--a\n\ntwo\n--a--\n",                                                               "H1 P1 P0 [text/plain|one] P0 [text/plain|two]"                      },
        {"nested, the inner one without a part",
         "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/alternative; "
         "boundary=b\n\nhid\n"
         "--a\n\ntwo\n--a--\n",                                                                    "H1 P1 [text/plain|hid\n] P0 [text/plain|two]"                       },
        {"nested with one boundary",
         "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; "
         "boundary=b\n\n--b\n\none\n"
         "--b--\n--b\n\ntwo\n--b--\n",                                                             "H1 P1 P0 [text/plain|one] P0 [text/plain|two]"                      },
        {"one boundary begins with the other",
         "Content-Type: multipart/mixed; boundary=ab\n\n--ab\nContent-Type: multipart/mixed; "
         "boundary=a\n\n--a\n\none\n"
         "--ab\n\ntwo\n--ab--\n",                                                                  "H1 P1 P0 [text/plain|one] P0 [text/plain|two]"                      },
        {"one boundary is the end of the other",
         "Content-Type: multipart/mixed; boundary=\"a--b\"\n\n--a--b\nContent-Type: multipart/mixed; "
         "boundary=a\n\n--a\n\none\n--a--b\n\ntwo\n--a--b--\n",                                    "H1 P1 P0 [text/plain|one] P0 [text/plain|two]"                      },
        {"more behind the boundary",
         "Content-Type: multipart/mixed; boundary=b\n\n--bxyz\n\none\n--b--xyz\n\ntwo",            "H1 P0 [text/plain|one]"                                             },
        {"looks like a boundary",
         "Content-Type: multipart/mixed; boundary=bb\n\n--bb\n\n--b\n--c\n--\n--bb--\n",           "H1 P0 [text/plain|--b\n--c\n--]"                                    },
        {"a message",
         "Content-Type: message/rfc822\n\nSubject: y\nTo: z\n\ninner\n",                           "H1 E2 [text/plain|inner\n]"                                         },
        {"a message in a part",
         "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nSubject: "
         "y\n\ninner\n--b\n"
         "Content-Type: message/rfc822\n\nSubject: no end of it\n--b--\n",                         "H1 P1 E1 [text/plain|inner] P1 E1 [text/plain|]"                    },
        {"an encoded message",
         "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nAAAA",                "H2 [message/rfc822|b64|AAAA]"                                       },
        {"a digest",
         "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: y\n\ninner\n--b--\n",      "H1 P0 E1 [text/plain|inner]"                                        },
        {"an attachment",
         "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: "
         "application/pdf\nContent-Disposition: "
         "attachment; filename=x\n\n%PDF\n--b--\n",                                                "H1 P2 [application/pdf|attachment|%PDF]"                            },
        {"white space before the colon",
         "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type : text/html\n\nx\n",      "H1 P1 [text/html|x\n]"                                              },
        {"a folded boundary",
         "Content-Type: multipart/mixed;\n boundary*0=a;\n boundary*1=b\n\n--ab\n\none\n--ab--\n", "H1 P0 [text/plain|one]"                                             },
        {"nothing between boundaries",
         "Content-Type: multipart/mixed; boundary=b\n\n--b\n--b\n\n--b--\n",                       "H1 P0 [text/plain|] P0 [text/plain|]"                               },
    };
    for (const Case& one : cases) {
        SCOPED_TRACE(one.name);
        EXPECT_EQ(walked(one.message), one.want);
        EXPECT_EQ(walked(with_crlf(one.message)), with_crlf(one.want));
    }
}

TEST(MimeWalk, StopsAtItsLimits) {
    std::string many = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    for (int at = 0; at < 600; ++at)
        many += "--b\r\n\r\n" + std::to_string(at) + "\r\n";
    Writer parts;
    walk_mime(many, parts);
    EXPECT_EQ(parts.leaves, MimeLimits{}.parts);
    EXPECT_NE(parts.told.find("!the message has too many parts"), std::string::npos);

    std::string deep;
    for (int at = 0; at < 40; ++at) {
        const std::string number = std::to_string(at) + "x";
        deep += "Content-Type: multipart/mixed; boundary=" + number + "\r\n\r\n--" + number + "\r\n";
    }
    Writer depth;
    walk_mime(deep + "\r\nhidden\r\n", depth);
    EXPECT_EQ(depth.leaves, 0U);
    EXPECT_NE(depth.told.find("!the message is nested too deeply"), std::string::npos);

    std::string messages;
    for (int at = 0; at < 40; ++at)
        messages += "Content-Type: message/rfc822\r\n\r\n";
    Writer within;
    walk_mime(messages + "hidden\r\n", within);
    EXPECT_EQ(within.leaves, 0U);
    EXPECT_NE(within.told.find("!the message is nested too deeply"), std::string::npos);

    std::string fields;
    for (int at = 0; at < 600; ++at)
        fields += "X: y\r\n";
    const std::string in_part =
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + fields + "\r\nx\r\n";
    EXPECT_NE(walked(in_part).find("!the header of a part is too large"), std::string::npos);
    const std::string embedded = "Content-Type: message/rfc822\r\n\r\n" + fields + "\r\nx\r\n";
    EXPECT_NE(walked(embedded).find("within it is too large"), std::string::npos);
    std::string top;
    for (int at = 0; at < 2100; ++at)
        top += "X: y\r\n";
    EXPECT_NE(walked(top + "\r\nx\r\n").find("!the header is too large"), std::string::npos);

    std::string digests;
    for (int at = 0; at < 8; ++at)
        digests += "--b\r\n\r\nSubject: x\r\n\r\nx\r\n";
    EXPECT_NE(
        walked("Content-Type: multipart/digest; boundary=b\r\n\r\n" + digests, {.parts = 5})
            .find("!the message has too many parts"),
        std::string::npos
    );
    EXPECT_NE(
        walked("Content-Type: multipart/digest; boundary=b\r\n\r\n" + digests, {.parts = 4})
            .find("!the message has too many parts"),
        std::string::npos
    );
}

}  // namespace
}  // namespace wicket
