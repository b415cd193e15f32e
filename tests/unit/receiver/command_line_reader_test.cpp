#include "receiver/command_line_reader.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace wicket {
namespace {

constexpr std::size_t limit_octets = 12;

/// The lines of `stream`, with faults as "!long" and "!bad", when it comes in pieces cut at `cuts`.
std::vector<std::string> lines_of(std::vector<std::string_view> pieces) {
    CommandLineReader reader(limit_octets);
    std::vector<std::string> lines;
    for (std::string_view piece : pieces) {
        while (const auto line = reader.take(piece)) {
            lines.push_back(
                line->fault == LineFault::too_long     ? "!long"
                : line->fault == LineFault::bad_octets ? "!bad"
                                                       : std::string(line->text)
            );
        }
        EXPECT_TRUE(piece.empty());
    }
    return lines;
}

TEST(CommandLineReader, CutsAtCrlfAloneHoweverTheOctetsAreSplit) {
    using namespace std::string_literals;
    struct Case {
        std::string name, stream;
        std::vector<std::string> want;
    };
    const std::vector<Case> cases = {
        {"two lines", "NOOP\r\nQUIT\r\n", {"NOOP", "QUIT"}},
        {"an empty line", "\r\n", {""}},
        {"an unfinished line", "NOOP\r\nQUIT", {"NOOP"}},
        {"a bare LF", "NOOP\nQUIT\r\nA\r\n", {"!bad", "A"}},
        {"a bare CR", "NO\rOP\r\nA\r\n", {"!bad", "A"}},
        {"CR CR LF", "NOOP\r\r\nA\r\n", {"!bad", "A"}},
        {"NUL", "NO\0OP\r\nA\r\n"s, {"!bad", "A"}},
        {"as long as may be", "0123456789\r\nA\r\n", {"0123456789", "A"}},
        {"an octet too long", "0123456789x\r\nA\r\n", {"!long", "A"}},
        {"very long", std::string(1000, 'x') + "\r\nA\r\n", {"!long", "A"}},
        {"very long, with bare LFs", std::string(1000, '\n') + "\r\nA\r\n", {"!long", "A"}},
    };
    for (const auto& [name, stream, want] : cases) {
        SCOPED_TRACE(name);
        const std::string_view all = stream;
        for (std::size_t cut = 0; cut <= all.size(); ++cut)
            ASSERT_EQ(lines_of({all.substr(0, cut), all.substr(cut)}), want) << "cut at " << cut;
        std::vector<std::string_view> octets;
        for (std::size_t at = 0; at < all.size(); ++at)
            octets.push_back(all.substr(at, 1));
        EXPECT_EQ(lines_of(octets), want);
    }
}

TEST(CommandLineReader, ShowsBothEndsOfALineThatIsTooLong) {
    const std::string line = "POST /" + std::string(10'000, 'a') + " HTTP/1.1";
    for (const std::size_t piece : {1UL, 7UL, 40UL, 100UL, 20'000UL}) {
        SCOPED_TRACE(piece);
        CommandLineReader reader(2048);
        const std::string stream = line + "\r\n";
        for (std::size_t at = 0; at < stream.size(); at += piece) {
            std::string_view octets = std::string_view(stream).substr(at, piece);
            const auto got = reader.take(octets);
            if (!got) continue;
            EXPECT_EQ(got->fault, LineFault::too_long);
            EXPECT_TRUE(got->text.starts_with("POST /aaa"));
            EXPECT_TRUE(got->text.ends_with("aaa HTTP/1.1"));
            EXPECT_LE(got->text.size(), 64U);
        }
        EXPECT_FALSE(reader.has_part());
    }
}

TEST(CommandLineReader, KnowsABareLfBeforeTheLineEnds) {
    CommandLineReader reader(limit_octets);
    const auto holds = [&](std::string_view octets) {
        reader.take(octets);
        return reader.has_bare_lf();
    };
    EXPECT_FALSE(holds("NOOP\r"));
    EXPECT_FALSE(holds("\n"));
    EXPECT_FALSE(holds("NOOP"));
    EXPECT_TRUE(holds("\n"));
    EXPECT_EQ(reader.part(), "NOOP\n");
    EXPECT_TRUE(holds("x"));
    EXPECT_FALSE(holds("\r\n"));
    EXPECT_FALSE(holds("NO"));
}

TEST(CommandLineReader, KnowsWhetherALineHasBegun) {
    CommandLineReader reader(limit_octets);
    EXPECT_FALSE(reader.has_part());
    std::string_view input = "\x16x";
    EXPECT_FALSE(reader.take(input));
    EXPECT_TRUE(reader.has_part());
    input = "\r\n";
    EXPECT_TRUE(reader.take(input));
    EXPECT_FALSE(reader.has_part());
}

}  // namespace
}  // namespace wicket
