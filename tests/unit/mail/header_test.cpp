#include "mail/header.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace wicket {
namespace {

/// The fields as NAME=VALUE|..., line ends of folds shown as ~.
std::string shown(const HeaderBlock& block) {
    std::string text;
    for (const HeaderField& field : block.fields) {
        text.append(field.name).append("=").append(field.value).append("|");
    }
    std::erase(text, '\r');
    std::ranges::replace(text, '\n', '~');
    return text;
}

TEST(Header, IsCutIntoFields) {
    struct Row {
        std::string_view name, input, want;
        std::optional<HeaderFault> fault;
        std::size_t size;
        bool has_end;
    };
    using enum HeaderFault;
    const Row table[] = {
        {"two fields and a body", "A: 1\r\nB: 2\r\n\r\nC: 3\r\n", "A= 1|B= 2|", {}, 14, true},
        {"nothing", "", "", {}, 0, false},
        {"an empty line first", "\r\nA: 1\r\n", "", {}, 2, true},
        {"no empty line", "A: 1\r\n", "A= 1|", {}, 6, false},
        {"cut off in a line", "A: 1\r\nB: 2", "A= 1|B= 2|", {}, 10, false},
        {"folds", "A: 1\r\n 2\r\n\t3\r\nB:4\r\n\r\n", "A= 1~ 2~\t3|B=4|", {}, 21, true},
        {"a fold of white space alone", "A: 1\r\n \r\nB: 2\r\n\r\n", "A= 1~ |B= 2|", {}, 17, true},
        {"empty values", "A:\r\nB: \r\n\r\n", "A=|B= |", {}, 11, true},
        {"white space before the colon", "A \t: 1\r\n\r\n", "A= 1|", {}, 10, true},
        {"lines that end with LF", "A: 1\nB: 2\n\nC", "A= 1|B= 2|", {}, 11, true},
        {"all that a name may hold", "!~+x-1: y\r\n\r\n", "!~+x-1= y|", {}, 13, true},
        {"a line without a colon is skipped",
         "A: 1\r\njunk\r\n fold of junk\r\nB: 2\r\n\r\n", "A= 1|B= 2|",
         not_a_field, 35,
         true},
        {"a space within the name", "From me: x\r\nB: 2\r\n\r\n", "B= 2|", not_a_field, 20, true},
        {"a colon alone", ": x\r\n\r\n", "", not_a_field, 7, true},
        {"a name that is not ASCII", "\xC3\xA4: x\r\n\r\n", "", not_a_field, 9, true},
        {"a fold of nothing", " x\r\nB: 2\r\n\r\n", "B= 2|", not_a_field, 12, true},
        {"a CR at the end is no empty line", "A: 1\r\n\r", "A= 1|", not_a_field, 7, false},
        {"NUL in a name", std::string_view("A\0B: 1\r\n\r\n", 10), "", not_a_field, 10, true},
    };
    for (const Row& row : table) {
        SCOPED_TRACE(row.name);
        const HeaderBlock block = parse_header(row.input);
        EXPECT_EQ(shown(block), row.want);
        EXPECT_EQ(block.fault, row.fault);
        EXPECT_EQ(block.size_octets, row.size);
        EXPECT_EQ(block.has_end, row.has_end);
    }
}

TEST(Header, KnowsWhereEachFieldStands) {
    constexpr std::string_view text = "A: 1\r\n 2\r\nB: 3\r\n\r\nbody";
    const HeaderBlock block = parse_header(text);
    ASSERT_EQ(block.fields.size(), 2U);
    EXPECT_EQ(block.fields[0].whole, (OctetRange{0, 10}));
    EXPECT_EQ(block.fields[1].whole, (OctetRange{10, 6}));
    EXPECT_EQ(text.substr(block.size_octets), "body");
    EXPECT_EQ(block.find("b"), &block.fields[1]);
    EXPECT_EQ(block.find("C"), nullptr);
    EXPECT_EQ(block.count("a"), 1U);
}

TEST(Header, StopsAtItsLimits) {
    const std::string lines = "A: 1\r\nB: 2\r\nC: 3\r\n\r\n";
    EXPECT_FALSE(parse_header(lines, {.octets = 18, .lines = 3}).fault);
    const HeaderBlock few_lines = parse_header(lines, {.lines = 2});
    EXPECT_EQ(few_lines.fault, HeaderFault::too_many_lines);
    EXPECT_EQ(few_lines.fields.size(), 2U);
    EXPECT_EQ(few_lines.size_octets, 12U);
    const HeaderBlock few_octets = parse_header(lines, {.octets = 17});
    EXPECT_EQ(few_octets.fault, HeaderFault::too_large);
    EXPECT_EQ(few_octets.fields.size(), 2U);
    // One endless line, folded or not, is bounded as well.
    EXPECT_TRUE(parse_header(std::string(3U << 20U, 'x')).fields.empty());
}

TEST(Header, FindsLongLines) {
    const std::string longest = "A: " + std::string(line_limit_octets - 3, 'x');
    EXPECT_FALSE(parse_header(longest + "\r\n\r\n").has_too_long_line);
    EXPECT_TRUE(parse_header(longest + "x\r\n\r\n").has_too_long_line);

    struct Row {
        std::size_t length;
        std::string_view end;
        bool want;
    };
    constexpr Row table[] = {
        {998,  "\r\n", false},
        {999,  "\r\n", true },
        {998,  "\n",   false},
        {999,  "",     true },
        {998,  "\r",   false},
        {5000, "\r\n", true },
    };
    for (const auto& [length, end, want] : table) {
        const std::string text =
            "short\r\n" + std::string(length, 'x') + std::string(end) + (end.empty() ? "" : "y\r\n");
        for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{1000}, text.size()}) {
            SCOPED_TRACE(testing::Message() << length << " octets by " << step);
            LineLengthScan scan;
            for (std::size_t at = 0; at < text.size(); at += step)
                scan.feed(std::string_view(text).substr(at, step));
            // A CR without LF is an octet of the line like any other.
            EXPECT_EQ(scan.has_too_long_line(), want || end == "\r");
        }
    }
}

TEST(Header, UnfoldsValues) {
    EXPECT_EQ(unfold(" a\r\n b\r\n\tc \r\n "), "a b\tc");
    EXPECT_EQ(unfold(" \t"), "");
    EXPECT_EQ(unfold(""), "");
}

TEST(Header, FindsMissingAndDuplicateFields) {
    const auto check = [](std::string_view text) {
        const HeaderSanity sanity = check_fields(parse_header(text));
        std::string found;
        for (const std::string& name : sanity.missing)
            found += '-' + name;
        for (const std::string& name : sanity.duplicate)
            found += '+' + name;
        return found;
    };
    EXPECT_EQ(check("From: a\r\nDate: b\r\n\r\n"), "");
    EXPECT_EQ(check("Subject: a\r\n\r\n"), "-date-from");
    EXPECT_EQ(check("FROM: a\r\nfrom : b\r\nDate: c\r\nSubject: d\r\nsubject: e\r\n\r\n"), "+from+subject");
    EXPECT_EQ(check("From: a\r\nDate: c\r\nReceived: d\r\nReceived: e\r\nX: 1\r\nX: 2\r\n\r\n"), "");
}

TEST(Header, ReadsDeliveredToForLoops) {
    std::string text = "Delivered-To: a@b.example\r\nDELIVERED-TO:\r\n <c@d.example>\r\n\r\n";
    EXPECT_EQ(delivered_to(parse_header(text)), (std::vector<std::string>{"a@b.example", "c@d.example"}));
    text.clear();
    for (int count = 0; count < 1000; ++count)
        text += "Delivered-To: a@b.example\r\n";
    EXPECT_EQ(delivered_to(parse_header(text)).size(), delivered_to_limit);
}

TEST(Header, CountsHowOftenTheMessageWasHere) {
    struct Row {
        std::string_view value;
        std::size_t want;
    };
    constexpr Row table[] = {
        {"from a (b [192.0.2.1])\r\n\tby MX.Example with ESMTP id 1; Sat, 31 Jan 2026 12:00:00 +0000", 1},
        {"by mx.example",                                                                              1},
        {"from by by mx.example; date",                                                                1},
        {"from a by mx.example.org; x",                                                                0},
        {"from a (by mx.example) by other.example; x",                                                 0},
        {"from a (nested (by mx.example) by) by other.example; x",                                     0},
        {"from \"by mx.example\" by other.example; x",                                                 0},
        {"from a (by \\) by mx.example) by other.example; x",                                          0},
        {"from a by other.example; by mx.example",                                                     0},
        {"from a by (comment) mx.example; x",                                                          1},
        {"from a by",                                                                                  0},
        {"(((((",                                                                                      0},
        {"",                                                                                           0},
    };
    for (const auto& [value, want] : table) {
        SCOPED_TRACE(value);
        const std::string text = "Received: " + std::string(value) + "\r\n\r\n";
        EXPECT_EQ(count_received_by(parse_header(text), "mx.example"), want);
    }
}

}  // namespace
}  // namespace wicket
