#include "auth/base64.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace wicket {
namespace {

TEST(Base64, CodesTheVectorsOfRfc4648) {
    struct Case {
        std::string_view octets, text;
    };
    const std::vector<Case> cases = {
        {"",             ""        },
        {"f",            "Zg=="    },
        {"fo",           "Zm8="    },
        {"foo",          "Zm9v"    },
        {"foob",         "Zm9vYg=="},
        {"fooba",        "Zm9vYmE="},
        {"foobar",       "Zm9vYmFy"},
        {"\xFF\xFE\xFB", "//77"    },
    };
    for (const auto& [octets, text] : cases) {
        SCOPED_TRACE(text);
        EXPECT_EQ(encode_base64(octets), text);
        EXPECT_EQ(decode_base64(text), octets);
    }
}

TEST(Base64, RefusesEveryOtherSpelling) {
    struct Case {
        std::string_view name, text;
    };
    const std::vector<Case> cases = {
        {"no padding",            "Zg"        },
        {"half the padding",      "Zg="       },
        {"padding alone",         "===="      },
        {"three times padding",   "Z==="      },
        {"padding in the middle", "Zg==Zg=="  },
        {"stray bits",            "Zh=="      },
        {"stray bits of two",     "Zm9="      },
        {"white space",           "Zm 9"      },
        {"a line break",          "Zm9v\r\n"  },
        {"the URL alphabet",      "-_77"      },
        {"NUL",                   {"Zm9\0", 4}},
        {"an octet above 127",    "Zm9\xE9"   },
    };
    for (const auto& [name, text] : cases) {
        SCOPED_TRACE(name);
        EXPECT_EQ(decode_base64(text), std::nullopt);
    }
}

}  // namespace
}  // namespace wicket
