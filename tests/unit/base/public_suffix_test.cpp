#include "base/public_suffix.hpp"

#include <gtest/gtest.h>

#include <string>

namespace wicket {
namespace {

TEST(PublicSuffix, FindsTheDomainThatSomebodyRegistered) {
    struct Case {
        std::string_view domain, want;
    };
    const Case cases[] = {
        {"example.org",                 "example.org"       },
        {"a.b.Example.ORG",             "Example.ORG"       },
        {"a.example.co.uk",             "example.co.uk"     },
        {"co.uk",                       ""                  },
        {"org",                         ""                  },
        {"www.example.unheard-of",      "example.unheard-of"},
        {"a.xn--bcher-kva.example.net", "example.net"       },
        {"192.0.2.1",                   ""                  },
        {"[192.0.2.1]",                 ""                  },
        {"2001:db8::1",                 ""                  },
        {"",                            ""                  },
        {".",                           ""                  },
        {"example.org.",                ""                  },
        {"..",                          ""                  },
    };
    for (const auto& [domain, want] : cases)
        EXPECT_EQ(registrable_domain(domain), want) << domain;
    EXPECT_EQ(registrable_domain(std::string("a\0b.org", 7)), "");
    EXPECT_EQ(registrable_domain(std::string(300, 'a') + ".org"), "");
}

}  // namespace
}  // namespace wicket
