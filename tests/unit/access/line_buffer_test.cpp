#include "access/line_buffer.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace wicket {
namespace {

using Kind = LineBuffer::Kind;

std::vector<std::string> lines_of(
    const std::vector<std::string>& reads, std::size_t limit, std::size_t discard = 1000
) {
    LineBuffer buffer(discard);
    std::vector<std::string> lines;
    for (const std::string& octets : reads) {
        buffer.append(octets);
        for (;;) {
            const LineBuffer::Line line = buffer.next(limit);
            if (line.kind == Kind::none) break;
            if (line.kind == Kind::line) lines.emplace_back(line.text);
            if (line.kind == Kind::too_long) lines.emplace_back("<too long>");
            if (line.kind == Kind::bare_lf) lines.emplace_back("<bare lf>");
            if (line.kind == Kind::flood) return lines.emplace_back("<flood>"), lines;
        }
    }
    return lines;
}

TEST(LineBuffer, CutsLinesHoweverTheyArrive) {
    struct Case {
        std::string_view name;
        std::string octets;
        std::vector<std::string> want;
    };
    const std::vector<Case> cases = {
        {"one line", "NOOP\r\n", {"NOOP"}},
        {"an empty line", "\r\n", {""}},
        {"several", "A\r\nBB\r\n\r\nC", {"A", "BB", ""}},
        {"a bare LF", "A\nB\r\n", {"<bare lf>", "B"}},
        {"a bare CR stays in the line", "A\rB\r\n", {"A\rB"}},
        {"NUL stays in the line", std::string("A\0B\r\n", 5), {std::string("A\0B", 3)}},
        {"exactly the limit", "12345678\r\n", {"12345678"}},
        {"one more than the limit", "123456789\r\nB\r\n", {"<too long>", "B"}},
        {"far more than the limit", std::string(500, 'x') + "\r\nB\r\n", {"<too long>", "B"}},
    };
    for (const auto& [name, octets, want] : cases) {
        SCOPED_TRACE(name);
        EXPECT_EQ(lines_of({octets}, 10), want);
        std::vector<std::string> single;
        for (const char c : octets)
            single.emplace_back(1, c);
        EXPECT_EQ(lines_of(single, 10), want) << "octet by octet";
        for (std::size_t cut = 0; cut <= octets.size(); ++cut)
            EXPECT_EQ(lines_of({octets.substr(0, cut), octets.substr(cut)}, 10), want) << "cut at " << cut;
    }
}

TEST(LineBuffer, GivesUpOnALineWithoutEnd) {
    const std::vector<std::string> reads(20, std::string(100, 'x'));
    EXPECT_EQ(lines_of(reads, 10, 1000), std::vector<std::string>{"<flood>"});
}

TEST(LineBuffer, KnowsWhetherAnythingFollowsALine) {
    LineBuffer buffer(1000);
    EXPECT_TRUE(buffer.is_empty());
    buffer.append("STLS\r\nUSER x");
    ASSERT_EQ(buffer.next(255).kind, Kind::line);
    EXPECT_FALSE(buffer.is_empty());
    buffer.clear();
    EXPECT_TRUE(buffer.is_empty());
    buffer.append("STLS\r\n");
    ASSERT_EQ(buffer.next(255).text, "STLS");
    EXPECT_TRUE(buffer.is_empty());
}

}  // namespace
}  // namespace wicket
