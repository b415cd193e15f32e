#include "base/source_lines.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace wicket {
namespace {

TEST(SourceLines, GivesTheLineOfAPlaceAndNothingBeyond) {
    const std::string one = testing::TempDir() + "source_lines_one";
    const std::string other = testing::TempDir() + "source_lines_other";
    std::ofstream(one) << "first\r\n\nthird";
    std::ofstream(other) << "else\n";
    SourceLines lines;
    EXPECT_EQ(lines.line_at({one, 1, 1}), "first");
    EXPECT_EQ(lines.line_at({one, 2, 1}), "");
    EXPECT_EQ(lines.line_at({other, 1, 1}), "else");
    EXPECT_EQ(lines.line_at({one, 3, 4}), "third");
    EXPECT_EQ(lines.line_at({one, 4, 1}), "");
    EXPECT_EQ(lines.line_at({one, 0, 0}), "");
    EXPECT_EQ(lines.line_at({one + ".gone", 1, 1}), "");
    std::filesystem::remove(one);
    std::filesystem::remove(other);
}

}  // namespace
}  // namespace wicket
