#include "policy/json_line.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace wicket {
namespace {

TEST(JsonLine, EscapesWhatATerminalOrAReaderOfLinesMayTakeForMore) {
    const std::vector<std::pair<std::string_view, std::string_view>> cases = {
        {"plain",                  R"("plain")"                },
        {"j\xC3\xB6 \xE2\x82\xAC", "\"j\xC3\xB6 \xE2\x82\xAC\""},
        {"\x7F",                   R"("\u007F")"               },
        {"\xC2\x85\xC2\x9B",       R"("\u0085\u009B")"         },
        {"\xE2\x80\xA8",           R"("\u2028")"               },
        {"a\\\xE2\x80\xAE",        R"("a\\\u202E")"            },
        {"\xD8\x9C",               R"("\u061C")"               },
        {"\xE2\x81\xA6",           R"("\u2066")"               },
        {"\xF0\x9F\x98\x80",       "\"\xF0\x9F\x98\x80\""      },
    };
    for (const auto& [text, want] : cases) {
        const std::string line = json_line(boost::json::string(text));
        EXPECT_EQ(line, want);
        EXPECT_EQ(boost::json::parse(line).as_string(), text);
    }
}

}  // namespace
}  // namespace wicket
