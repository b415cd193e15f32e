#include "access/message_view.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace wicket {
namespace {

std::string view_of(
    const std::vector<std::string_view>& pieces, HeaderForm form, std::optional<std::uint64_t> lines
) {
    MessageView view(form, lines);
    std::string out;
    for (const std::string_view piece : pieces)
        view.feed(piece, out);
    view.finish(out);
    return out;
}

struct Case {
    std::string_view name, message;
    std::optional<std::uint64_t> lines;
    std::string_view want;
};

const std::vector<Case> cases = {
    {"a message",                           "A: b\r\n\r\nhi\r\n",                   {},            "A: b\r\n\r\nhi\r\n.\r\n"                          },
    {"nothing",                             "",                                     {},            ".\r\n"                                            },
    {"no CRLF at the end",                  "A: b\r\n\r\nhi",                       {},            "A: b\r\n\r\nhi\r\n.\r\n"                          },
    {"half a CRLF at the end",              "A: b\r\n\r\nhi\r",                     {},            "A: b\r\n\r\nhi\r\n.\r\n"                          },
    {"a bare LF at the end",                "A: b\r\n\r\nhi\n",                     {},            "A: b\r\n\r\nhi\n\r\n.\r\n"                        },
    {"a dot alone",                         "A: b\r\n\r\n.\r\n",                    {},            "A: b\r\n\r\n..\r\n.\r\n"                          },
    {"dots",                                "A: b\r\n\r\n.a\r\n..\r\nx.\r\n.\r\n.", {},            "A: b\r\n\r\n..a\r\n...\r\nx.\r\n..\r\n..\r\n.\r\n"},
    {"a dot first of all",                  ".\r\n",                                {},            "..\r\n.\r\n"                                      },
    {"a dot after a bare CR and a bare LF", "A: b\r\n\r\nx\r.y\n.z\r\n",            {},            "A: b\r\n\r\nx\r.y\n.z\r\n.\r\n"
    },
    {"TOP 0",                               "A: b\r\nC: d\r\n\r\none\r\ntwo\r\n",   0,             "A: b\r\nC: d\r\n\r\n.\r\n"                        },
    {"TOP 1",                               "A: b\r\n\r\none\r\ntwo\r\n",           1,             "A: b\r\n\r\none\r\n.\r\n"                         },
    {"TOP 2 of two",                        "A: b\r\n\r\none\r\ntwo\r\n",           2,             "A: b\r\n\r\none\r\ntwo\r\n.\r\n"                  },
    {"TOP of more than there is",           "A: b\r\n\r\none\r\n",                  1000000000000, "A: b\r\n\r\none\r\n.\r\n"                         },
    {"TOP counts empty lines",              "A: b\r\n\r\n\r\n\r\nx\r\n",            2,             "A: b\r\n\r\n\r\n\r\n.\r\n"                        },
    {"TOP of headers alone",                "A: b\r\nC: d\r\n",                     0,             "A: b\r\nC: d\r\n.\r\n"                            },
    {"TOP of headers cut short",            "A: b",                                 3,             "A: b\r\n.\r\n"                                    },
    {"TOP of a message without headers",    "\r\none\r\ntwo\r\n",                   1,             "\r\none\r\n.\r\n"                                 },
    {"TOP stuffs dots",                     "A: b\r\n\r\n.one\r\n.two\r\n",         1,             "A: b\r\n\r\n..one\r\n.\r\n"                       },
    {"TOP of a last line without CRLF",     "A: b\r\n\r\none\r\ntwo",               2,             "A: b\r\n\r\none\r\ntwo\r\n.\r\n"                  },
    {"a line of CR is not empty",           "A: b\r\n\r\r\nC\r\n\r\none\r\n",       0,             "A: b\r\n\r\r\nC\r\n\r\n.\r\n"                     },
    {"a bare LF ends no line",              "A: b\n\nC\r\n\r\none\r\n",             0,             "A: b\n\nC\r\n\r\n.\r\n"                           },
};

TEST(MessageView, StuffsCutsAndEndsAtEverySplit) {
    for (const auto& [name, message, lines, want] : cases) {
        SCOPED_TRACE(name);
        for (const HeaderForm form : {HeaderForm::as_stored, HeaderForm::downgraded}) {
            EXPECT_EQ(view_of({message}, form, lines), want);
            std::vector<std::string_view> single;
            for (std::size_t at = 0; at < message.size(); ++at)
                single.push_back(message.substr(at, 1));
            EXPECT_EQ(view_of(single, form, lines), want) << "octet by octet";
            for (std::size_t one = 0; one <= message.size(); ++one) {
                for (std::size_t two = one; two <= message.size(); ++two) {
                    EXPECT_EQ(
                        view_of(
                            {message.substr(0, one), message.substr(one, two - one), message.substr(two)},
                            form,
                            lines
                        ),
                        want
                    ) << "cut at "
                      << one << " and " << two;
                }
            }
        }
    }
}

TEST(MessageView, DowngradesHeadersForTop) {
    const std::string_view message = "Subject: \xC3\xA4\r\n\r\n\xC3\xA4\r\nb\r\n";
    EXPECT_EQ(
        view_of({message}, HeaderForm::downgraded, 1), "Subject: =?utf-8?B?w6Q=?=\r\n\r\n\xC3\xA4\r\n.\r\n"
    );
    EXPECT_EQ(view_of({message}, HeaderForm::as_stored, 0), "Subject: \xC3\xA4\r\n\r\n.\r\n");
}

}  // namespace
}  // namespace wicket
