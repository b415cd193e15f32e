#include "base/unicode_names.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

TEST(UnicodeNames, AUlabelAndItsAlabelAreTheSameDomain) {
    struct Case {
        const char *name, *domain, *want;
    };
    for (const auto& [name, domain, want] : {
             Case{"ASCII",                "Example.TEST",           "example.test"         },
             Case{"A-label",              "XN--bcher-kva.test",     "xn--bcher-kva.test"   },
             Case{
                  "U-label",              "b\xC3\xBC"
                 "cher.test",           "xn--bcher-kva.test"
             },
             Case{
                  "capitals",             "B\xC3\x9C"
                 "CHER.Test",          "xn--bcher-kva.test"
             },
             Case{
                  "NFD",                  "bu\xCC\x88"
                 "cher.test",               "xn--bcher-kva.test"
             },
             Case{
                  "sharp s stays itself", "stra\xC3\x9F"
                 "e.test", "xn--strae-oqa.test"
             },
             Case{
                  "bidi control",         "a\xE2\x80\xAE"
                 "b.test",         "a\xE2\x80\xAE"
                 "b.test"
             },
             Case{
                  "a sign of addresses",  "b\xEF\xBC\xA0"
                 "c.test",  "b\xEF\xBC\xA0"
                 "c.test"
             },
             Case{"no UTF-8",             "A\xC3(.test",            "a\xC3(.test"          },
             Case{"empty",                "",                       ""                     },
    }) {
        SCOPED_TRACE(name);
        EXPECT_EQ(ascii_domain(domain), want);
    }
    const std::string_view with_nul("b\xC3\xBC\0.test", 9);
    EXPECT_EQ(ascii_domain(with_nul), with_nul);
}

TEST(UnicodeNames, SpellingsOfOneNameFoldToTheSameOctets) {
    struct Case {
        const char *name, *spelling, *want;
    };
    for (const auto& [name, spelling, want] : {
             Case{"ASCII",          "Alice.B",          "alice.b"         },
             Case{"capital",        "\xC3\x89ve",       "\xC3\xA9ve"      },
             Case{"NFD",            "e\xCC\x81ve",      "\xC3\xA9ve"      },
             Case{"capital in NFD", "E\xCC\x81ve",      "\xC3\xA9ve"      },
             Case{"final sigma",    "\xCE\xBF\xCF\x82", "\xCE\xBF\xCF\x83"},
             Case{"full width",     "\xEF\xBD\x81lice", "\xEF\xBD\x81lice"},
             Case{"Cyrillic a",     "\xD0\xB0lice",     "\xD0\xB0lice"    },
             Case{"no UTF-8",       "A\xC3(",           "a\xC3("          },
             Case{"empty",          "",                 ""                },
    }) {
        SCOPED_TRACE(name);
        EXPECT_EQ(folded_name(spelling), want);
    }
}

}  // namespace
}  // namespace wicket
