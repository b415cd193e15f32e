#include "mail/charset.hpp"

#include "mail/shown_text.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace wicket {
namespace {

using namespace std::string_view_literals;

/// Knows one charset.
class RotatedCharset : public CharsetDecoder {
public:
    std::optional<std::string> decode(std::string_view charset, std::string_view octets) const override {
        if (charset != "rot13") return std::nullopt;
        std::string text(octets);
        for (char& c : text)
            if (c >= 'a' && c <= 'z') c = static_cast<char>('a' + (c - 'a' + 13) % 26);
        return text;
    }
};

TEST(Charset, DecodesWhatMailHolds) {
    struct Case {
        std::string_view name, octets, charset, want;
    };
    const std::vector<Case> cases = {
        {"ascii",               "plain",                               "us-ascii",         "plain"                        },
        {"no charset",          "plain",                               "",                 "plain"                        },
        {"utf-8",               "gr\xC3\xBC\xC3\x9F",                  "UTF-8",            "grüß"                         },
        {"utf-8 unsaid",        "gr\xC3\xBC\xC3\x9F",                  "",                 "grüß"                         },
        {"latin-1 unsaid",      "gr\xFC\xDF",                          "",                 "grüß"                         },
        {"latin-1 as ascii",    "gr\xFC\xDF",                          "us-ascii",         "grüß"                         },
        {"latin-1",             "\x80 5",                              "ISO-8859-1",       "€ 5"                          },
        {"quoted name",         "\x93x\x94",                           "\"windows-1252\"", "“x”"                          },
        {"language",            "\xFC",                                "iso-8859-1*de",    "ü"                            },
        {"nobody's charset",    "\xFCx",                               "x-unheard-of",     "üx"                           },
        {"nobody's, and UTF-8", "\xC3\xBC",                            "x-unheard-of",     "ü"                            },
        {"another's charset",   "uryyb",                               "ROT13",            "hello"                        },
        {"broken utf-8",        "a\xC3(\xF0\x9F\x98\x80 \xED\xA0\x80", "utf-8",            "a\uFFFD(😀 \uFFFD\uFFFD\uFFFD"},
        {"overlong",            "\xC0\xAF",                            "utf-8",            "\uFFFD\uFFFD"                 },
        {"utf-16 mark le",      "\xFF\xFEh\0i\0"sv,                    "",                 "hi"                           },
        {"utf-16 mark be",      "\xFE\xFF\0h\0i"sv,                    "iso-8859-1",       "hi"                           },
        {"utf-16 unmarked",     "\0h\0i"sv,                            "utf-16",           "hi"                           },
        {"utf-16le",            "h\0i\0"sv,                            "UTF-16LE",         "hi"                           },
        {"surrogates",          "\xD8\x3D\xDE\x00"sv,                  "utf-16be",         "😀"                           },
        {"half a surrogate",    "\xD8\x3D\0a"sv,                       "utf-16be",         "\uFFFDa"                      },
        {"odd end",             "\0h\0"sv,                             "utf-16be",         "h"                            },
        {"utf-32",              "\0\0\0h\0\1\xF6\x00"sv,               "utf-32",           "h😀"                          },
        {"utf-32 mark",         "\xFF\xFE\0\0h\0\0\0"sv,               "",                 "h"                            },
        {"utf-32 mark be",      "\0\0\xFE\xFF\0\0\0h"sv,               "",                 "h"                            },
        {"utf-8 mark",          "\xEF\xBB\xBFx",                       "",                 "x"                            },
        {"empty",               "",                                    "utf-8",            ""                             },
    };
    const RotatedCharset others;
    for (const Case& one : cases) {
        SCOPED_TRACE(one.name);
        EXPECT_EQ(decode_text(one.octets, one.charset, &others), one.want);
    }
    EXPECT_EQ(decode_text("uryyb", "rot13", nullptr), "uryyb");
}

TEST(Charset, ReadsCharacterByCharacter) {
    EXPECT_EQ(first_character("").length, 0U);
    EXPECT_EQ(first_character("a").value, U'a');
    EXPECT_EQ(first_character("üx").value, U'ü');
    EXPECT_EQ(first_character("€").value, U'€');
    EXPECT_EQ(first_character("😀").value, U'😀');
    EXPECT_EQ(first_character("😀").length, 4U);
    EXPECT_EQ(first_character("\x80").value, 0xFFFDU);
    EXPECT_EQ(first_character("\x80").length, 1U);
    std::string written;
    for (const char32_t character : {U'a', U'ü', U'€', U'😀', char32_t{0xD800}, char32_t{0x110000}})
        append_utf8(character, written);
    EXPECT_EQ(written, "aü€😀\uFFFD\uFFFD");
}

TEST(ShownText, IsLaidOutInOneWay) {
    struct Case {
        std::string_view plain, want;
    };
    const std::vector<Case> cases = {
        {"a  b\t c",                        "a b c"           },
        {"buy\r\nnow\r\n",                  "buy now"         },
        {"one\r\n\r\n \r\ntwo",             "one\ntwo"        },
        {"\r\n\r\n  x  \r\n\r\n",           "x"               },
        {"v\u200Bi\u00ADa\u2060g\uFEFFra",  "viagra"          },
        {"no\u00A0break\u3000here\u2003em", "no break here em"},
        {"a\u200B b",                       "a b"             },
        {"",                                ""                },
        {"a\rb",                            "a b"             },
        {"\uFE0F\U000E0041x",               "x"               },
    };
    for (const Case& one : cases) {
        SCOPED_TRACE(one.plain);
        ShownText shown;
        append_plain_text(one.plain, shown);
        EXPECT_EQ(shown.text(), one.want);
        EXPECT_EQ(shown.take(), one.want);
        EXPECT_EQ(shown.text(), "");
    }
    EXPECT_EQ(without_invisible("  a\u200Bb\u00A0 "), "  ab\u00A0 ");
}

}  // namespace
}  // namespace wicket
