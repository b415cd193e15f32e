#include "mail/mime_header.hpp"

#include "mail/transfer_encoding.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace wicket {
namespace {

using namespace std::string_view_literals;

std::string shown(const MimeValue& value) {
    std::string text = value.word;
    for (const MimeParameter& one : value.parameters)
        text += "; " + one.name + "=[" + one.value + "]" + (one.charset.empty() ? "" : "/" + one.charset);
    return text;
}

TEST(MimeHeader, ReadsValuesWithParameters) {
    struct Case {
        std::string_view value, want;
    };
    const std::vector<Case> cases = {
        {" text/plain",                                                          "text/plain"                                     },
        {"TEXT/HTML; CharSet=UTF-8",                                             "text/html; charset=[UTF-8]"                     },
        {"text/plain;charset=\"iso-8859-1\" ; format=flowed",
         "text/plain; charset=[iso-8859-1]; format=[flowed]"                                                                      },
        {"text/plain (a comment; x=y); charset=us-ascii (more (nested))",        "text/plain; charset=[us-ascii]"                 },
        {"multipart/mixed;\r\n boundary=\"a b\\\"c\"",                           "multipart/mixed; boundary=[a b\"c]"             },
        {"multipart/mixed; boundary==_Part?=1",                                  "multipart/mixed; boundary=[=_Part?=1]"          },
        {"multipart/mixed; boundary=a/b:c",                                      "multipart/mixed; boundary=[a/b:c]"              },
        {"multipart/mixed; boundary=\"not closed",                               "multipart/mixed; boundary=[not closed]"         },
        {"multipart/mixed; x; boundary=b; =y; boundary=second",                  "multipart/mixed; boundary=[b]"                  },
        {"text/plain charset=utf-8",                                             "text/plain"                                     },
        {"attachment; filename*=utf-8'en'%e2%82%ac%20rates",                     "attachment; filename=[\xE2\x82\xAC rates]/utf-8"
        },
        {"attachment; filename*0=\"in\"; filename*1=\"voice\"; filename*2=.exe",
         "attachment; filename=[invoice.exe]"                                                                                     },
        {"attachment; filename*1*=b%20c; filename*0*=us-ascii''a%20",            "attachment; filename=[a b c]/us-ascii"
        },
        {"attachment; filename=plain; filename*=utf-8''%C3%BC",                  "attachment; filename=[\xC3\xBC]/utf-8"          },
        {"attachment; filename*=utf-8''%C3%BC; filename=plain",                  "attachment; filename=[\xC3\xBC]/utf-8"          },
        {"attachment; filename*=bad%4",                                          "attachment; filename=[bad%4]"                   },
        {"attachment; filename*=%zz'x",                                          "attachment; filename=[%zz'x]"                   },
        {"",                                                                     ""                                               },
        {";;;",                                                                  ""                                               },
        {"(never closed",                                                        ""                                               },
        {"text/plain; a=\"x;y\" junk \"; b=no\"; c=d",                           "text/plain; a=[x;y]; c=[d]"                     },
    };
    for (const Case& one : cases) {
        SCOPED_TRACE(one.value);
        EXPECT_EQ(shown(parse_mime_value(one.value)), one.want);
    }
    std::string many = "text/plain";
    for (int at = 0; at < 100; ++at)
        many += "; p" + std::to_string(at) + "=x";
    EXPECT_EQ(parse_mime_value(many).parameters.size(), mime_parameters_limit);
    EXPECT_EQ(parse_mime_value("a; b=c").get("b"), "c");
    EXPECT_EQ(parse_mime_value("a; b=c").get("d"), "");
    EXPECT_EQ(parse_mime_value("a; b=c").find("d"), nullptr);
}

TEST(MimeHeader, DecodesWordsOfRfc2047) {
    struct Case {
        std::string_view value, want;
    };
    const std::vector<Case> cases = {
        {" plain words ",                        "plain words"         },
        {"=?utf-8?B?Z3LDvMOf?=",                 "grüß"                },
        {"=?UTF-8?q?gr=C3=BC=C3=9F_dich?=",      "grüß dich"           },
        {"=?iso-8859-1*de?Q?gr=FC=DF?=",         "grüß"                },
        {"a =?utf-8?q?b?= c",                    "a b c"               },
        {"=?utf-8?q?a?= =?utf-8?q?b?=",          "ab"                  },
        {"=?utf-8?q?a?=\r\n =?utf-8?q?b?=",      "ab"                  },
        {"=?utf-8?q?a?= x =?utf-8?q?b?=",        "a x b"               },
        {"=?utf-8?q?a?==?utf-8?q?b?=",           "ab"                  },
        {"=?utf-8?B?w?= =?utf-8?B?7w=?=",        "\uFFFD"              },
        {"=?utf-8?Q?=C3?= =?utf-8?Q?=BC?=",      "ü"                   },
        {"=?utf-8?Q?=C3?= =?iso-8859-1?Q?=FC?=", "\uFFFDü"             },
        {"=?utf-8?Q?two words?=",                "two words"           },
        {"=?utf-8?X?unknown?=",                  "=?utf-8?X?unknown?=" },
        {"=?utf-8?Q?never ends",                 "=?utf-8?Q?never ends"},
        {"=?utf-8?Q?never =?utf-8?Q?ends?=",     "never =?utf-8?Q?ends"},
        {"=??Q?x?=",                             "=??Q?x?="            },
        {"=?",                                   "=?"                  },
        {"=?utf-8?",                             "=?utf-8?"            },
        {"=?utf-8?Q",                            "=?utf-8?Q"           },
        {"=?x-unheard-of?Q?=FCber?=",            "über"                },
        {"raw \xFC octets",                      "raw ü octets"        },
        {"raw \xC3\xBC octets",                  "raw ü octets"        },
        {"=?utf-16be?B?AGgAaQ==?=",              "hi"                  },
        {"folded\r\n\tvalue",                    "folded\tvalue"       },
        {"",                                     ""                    },
    };
    for (const Case& one : cases) {
        SCOPED_TRACE(one.value);
        EXPECT_EQ(decode_words(one.value, nullptr), one.want);
    }
}

TEST(TransferEncoding, DecodesTolerantly) {
    struct Case {
        std::string_view name, encoding, encoded, want;
    };
    const std::vector<Case> cases = {
        {"base64",                "base64",                "aGVsbG8=\r\n",             "hello"    },
        {"base64 in lines",       " BASE64 ",              "aGVs\r\nbG8=\r\n",         "hello"    },
        {"base64 with junk",      "base64 (c)",            "aG!V*s bG-8",              "hello"    },
        {"base64 in pieces",      "base64",                "aGVs\r\nbG8=\r\nIHlvdQ==", "hello you"},
        {"base64 without end",    "base64",                "aGVsbG8",                  "hello"    },
        {"base64 of one digit",   "base64",                "a",                        ""         },
        {"quoted-printable",      "quoted-printable",      "gr=C3=BC=c3=9f",           "grüß"     },
        {"soft break",            "Quoted-Printable",      "via=\r\ngra",              "viagra"   },
        {"soft break, LF",        "quoted-printable",      "via=\ngra",                "viagra"   },
        {"soft break, blanks",    "quoted-printable",      "via= \t\r\ngra",           "viagra"   },
        {"soft break at the end", "quoted-printable",      "via=",                     "via"      },
        {"blanks, no break",      "quoted-printable",      "a=  b",                    "a=  b"    },
        {"no digits",             "quoted-printable",      "a=zz =4",                  "a=zz =4"  },
        {"seven bits",            "7bit",                  "a=41",                     "a=41"     },
        {"nothing said",          "",                      "a=41",                     "a=41"     },
        {"nobody's",              "x-uuencode",            "a=41",                     "a=41"     },
        {"with parameters",       "quoted-printable; x=y", "a=41",                     "aA"       },
    };
    for (const Case& one : cases) {
        SCOPED_TRACE(one.name);
        const TransferEncoding encoding = parse_transfer_encoding(one.encoding);
        const DecodedOctets whole = decode_transfer(one.encoded, encoding, 1000);
        EXPECT_EQ(whole.octets, one.want);
        EXPECT_FALSE(whole.is_cut);
        for (std::size_t limit = 0; limit < one.want.size(); ++limit) {
            const DecodedOctets part = decode_transfer(one.encoded, encoding, limit);
            EXPECT_EQ(part.octets, one.want.substr(0, limit));
            EXPECT_TRUE(part.is_cut) << limit;
        }
    }
}

}  // namespace
}  // namespace wicket
