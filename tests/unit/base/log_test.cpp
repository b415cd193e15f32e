#include "base/log.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

/// What one call writes, without the time and process that it begins with.
std::string captured(LogFormat format, std::string_view message, std::initializer_list<LogField> fields) {
    configure_log(format, LogLevel::info);
    testing::internal::CaptureStderr();
    log_info(message, fields);
    configure_log(LogFormat::text, LogLevel::info);
    std::string line = testing::internal::GetCapturedStderr();
    const std::size_t begin = line.find(format == LogFormat::text ? "]: " : "\"level\"");
    return begin == std::string::npos ? line : line.substr(begin);
}

TEST(Log, WritesOneLineAnEvent) {
    EXPECT_EQ(
        captured(
            LogFormat::text,
            "reject",
            {
                {"client", "192.0.2.1"},
                {"rule",   "spf"      }
    }
        ),
        "]: info: reject; client=<192.0.2.1> rule=<spf>\n"
    );
    EXPECT_EQ(
        captured(
            LogFormat::text,
            "reject",
            {
                {"from",  "",      LogShape::bracketed},
                {"proto", "ESMTP", LogShape::plain    },
                {"id",    "X",     LogShape::plain    }
    }
        ),
        "]: info: reject; from=<> proto=ESMTP id=X\n"
    );
    EXPECT_EQ(captured(LogFormat::text, "ready", {}), "]: info: ready\n");
    EXPECT_EQ(
        captured(
            LogFormat::json,
            "say \"hi\"",
            {
                {"path", "a\\b"}
    }
        ),
        R"("level":"info","message":"say \"hi\"","path":"a\\b"})"
        "\n"
    );
}

TEST(Log, CannotBeForgedThroughAValue) {
    EXPECT_EQ(
        captured(
            LogFormat::text,
            "helo",
            {
                {"name", "x\r\n2026 error: y> verdict=<accept"}
    }
        ),
        "]: info: helo; name=<x\\x0D\\x0A2026 error: y\\x3E verdict=<accept>\n"
    );
    EXPECT_EQ(
        captured(
            LogFormat::json,
            "helo",
            {
                {"name", "x\n\"}"}
    }
        ),
        R"("level":"info","message":"helo","name":"x\\x0A\"}"})"
        "\n"
    );
}

TEST(Log, KeepsBackWhatIsBelowItsLevel) {
    configure_log(LogFormat::text, LogLevel::error);
    testing::internal::CaptureStderr();
    log_warning("quiet");
    log_error("loud");
    configure_log(LogFormat::text, LogLevel::info);
    const std::string lines = testing::internal::GetCapturedStderr();
    EXPECT_FALSE(lines.contains("quiet"));
    EXPECT_TRUE(lines.contains("error: loud\n"));
}

TEST(Log, EscapesWhatATerminalWouldActOn) {
    struct Row {
        std::string_view input, want;
    };
    using namespace std::string_view_literals;
    constexpr Row table[] = {
        {"plain text ~"sv,             "plain text ~"                  },
        {"grüße 漢字 😀"sv,            "grüße 漢字 😀"                 },
        {"\x1B[31m"sv,                 "\\x1B[31m"                     },
        {"\0\x7F"sv,                   "\\x00\\x7F"                    },
        {"\xC2\x85"sv,                 "\\xC2\\x85"                    }, // C1 next line
        {"\xC2\xA0"sv,                 "\xC2\xA0"                      }, // not a control
        {"\xE2\x80\xAE"
         "evil"sv,            "\\xE2\\x80\\xAEevil"           }, // right-to-left override
        {"\xE2\x81\xA6\xE2\x80\xA8"sv, "\\xE2\\x81\\xA6\\xE2\\x80\\xA8"}, // isolate, line separator
        {"\xD8\x9C"sv,                 "\\xD8\\x9C"                    }, // Arabic letter mark
        {"\xFF\xC0\xAF"sv,             "\\xFF\\xC0\\xAF"               }, // never UTF-8
        {"\xE2\x82"sv,                 "\\xE2\\x82"                    }, // cut short
    };
    for (const auto& [input, want] : table) {
        SCOPED_TRACE(want);
        EXPECT_EQ(escape_for_log(input), want);
    }
}

TEST(Log, CutsAValueAtItsLimitBetweenCharacters) {
    EXPECT_EQ(escape_for_log("abcdefgh", 8), "abcdefgh");
    EXPECT_EQ(escape_for_log("abcdefghi", 8), "abcde...");
    EXPECT_EQ(escape_for_log("abcd\nfgh", 8), "abcd...");
    EXPECT_EQ(escape_for_log("\n\n", 8), "\\x0A\\x0A");
    EXPECT_EQ(escape_for_log("\n\n\n", 8), "\\x0A...");
    EXPECT_EQ(escape_for_log("abcd😀fgh", 8), "abcd...");
    EXPECT_EQ(escape_for_log("abc", 2), "");
    EXPECT_EQ(escape_for_log(std::string(100'000, 'x')).size(), log_field_limit_octets);
}

TEST(Log, AValueBetweenAnglesCannotCloseThem) {
    EXPECT_EQ(escape_between_angles("a> to=<b"), "a\\x3E to=<b");
    EXPECT_EQ(escape_for_log("a>b"), "a>b");
}

}  // namespace
}  // namespace wicket
