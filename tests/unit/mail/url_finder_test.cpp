#include "mail/url_finder.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace wicket {
namespace {

std::string found_in(std::string_view text) {
    std::string all;
    find_urls(text, [&all](std::string_view url) { all += '<' + std::string(url) + '>'; });
    return all;
}

TEST(UrlFinder, FindsAddressesInText) {
    struct Case {
        std::string_view text, want;
    };
    const std::vector<Case> cases = {
        {"see http://a.example/x now",               "<http://a.example/x>"                      },
        {"(https://a.example/x).",                   "<https://a.example/x>"                     },
        {"https://a.example/x_(y), and",             "<https://a.example/x_(y)>"                 },
        {"<http://a.example> \"ftp://b.example\"",   "<http://a.example><ftp://b.example>"       },
        {"www.a.example, or WWW.b.example!",         "<www.a.example><WWW.b.example>"            },
        {"Herehttp://a.example",                     "<http://a.example>"                        },
        {"http:\\\\a.example",                       "<http:\\\\a.example>"                      },
        {"http://www.a.example/?u=http://b.example", "<http://www.a.example/?u=http://b.example>"},
        {"a@www.b.example xwww.c.example",           ""                                          },
        {"http:// www. https://",                    ""                                          },
        {"mailto:a@b ldap://x gopher://y",           ""                                          },
        {"http://ü.example/é",                       "<http://ü.example/é>"                      },
        {"http://a.example...",                      "<http://a.example>"                        },
        {"",                                         ""                                          },
    };
    for (const Case& one : cases) {
        SCOPED_TRACE(one.text);
        EXPECT_EQ(found_in(one.text), one.want);
    }
}

TEST(UrlFinder, HasOneSpellingForEach) {
    struct Case {
        std::string_view url, want;
    };
    const std::vector<Case> cases = {
        {"HTTP://A.Example/Path",                "http://a.example/Path"              },
        {"http://a.example",                     "http://a.example"                   },
        {"http:/a.example/x",                    "http://a.example/x"                 },
        {"http:\\\\a.example\\x\\y?z=\\",        "http://a.example/x/y?z=\\"          },
        {"//a.example/x",                        "http://a.example/x"                 },
        {"www.a.example",                        "http://www.a.example"               },
        {"http://%61.ex%61mple/%7Euser/%2Fx%zz", "http://a.example/~user/%2Fx%zz"     },
        {"ht\ntp://a.exa\tmple/\r\nx ",          "http://a.example/x"                 },
        {"http://a\u200B.exa\u00ADmple",         "http://a.example"                   },
        {"http://bücher.example/ü",              "http://xn--bcher-kva.example/ü"     },
        {"http://a。example",                    "http://a.example"                   },
        {"http://User:Pass@A.Example:8080/",     "http://User:Pass@a.example:8080/"   },
        {"http://paypal.example@evil.example/",  "http://paypal.example@evil.example/"},
        {"http://3232235777/x",                  "http://192.168.1.1/x"               },
        {"http://0xC0.0250.1.1/",                "http://192.168.1.1/"                },
        {"http://127.1",                         "http://127.0.0.1"                   },
        {"http://127.0.0.256",                   "http://127.0.0.256"                 },
        {"http://256.1.1.1",                     "http://256.1.1.1"                   },
        {"http://1.2.3.4.5",                     "http://1.2.3.4.5"                   },
        {"http://0x/",                           "http://0.0.0.0/"                    },
        {"http://99999999999999/",               "http://99999999999999/"             },
        {"http://[2001:DB8::1]:80/",             "http://[2001:db8::1]:80/"           },
        {"https://a.example?x#Y",                "https://a.example?x#Y"              },
        {"javascript:alert(1)",                  "javascript:alert(1)"                },
        {"data:text/html;base64,PGI+",           "data:text/html;base64"              },
        {"cid:part1",                            ""                                   },
        {"mailto:a@b.example",                   ""                                   },
        {"/relative",                            ""                                   },
        {"no scheme: x",                         ""                                   },
        {"1x:y",                                 ""                                   },
        {"#top",                                 ""                                   },
        {"",                                     ""                                   },
        {":",                                    ""                                   },
    };
    for (const Case& one : cases) {
        SCOPED_TRACE(one.url);
        EXPECT_EQ(normal_url(one.url), one.want);
        EXPECT_EQ(normal_url(normal_url(one.url)), one.want) << "it is no fixed point";
    }
    EXPECT_EQ(normal_url("http://a.example/" + std::string(5000, 'x')).size(), url_limit_octets);
    EXPECT_LE(normal_url("http://" + std::string(5000, 'X')).size(), url_limit_octets);
}

}  // namespace
}  // namespace wicket
