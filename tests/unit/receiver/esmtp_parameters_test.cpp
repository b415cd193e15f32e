#include "receiver/esmtp_parameters.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace wicket {
namespace {

TEST(EsmtpParameters, ReadsKeywordsAndValues) {
    const auto parameters = parse_esmtp_parameters("  SIZE=12 x-y  A=b<c> U=\xC3\xA9");
    ASSERT_TRUE(parameters);
    ASSERT_EQ(parameters->size(), 4U);
    EXPECT_EQ(parameters->at(0).keyword, "SIZE");
    EXPECT_EQ(parameters->at(0).value, "12");
    EXPECT_EQ(parameters->at(1).keyword, "x-y");
    EXPECT_FALSE(parameters->at(1).value);
    EXPECT_EQ(parameters->at(2).value, "b<c>");
    EXPECT_EQ(parameters->at(3).value, "\xC3\xA9");
    EXPECT_TRUE(parse_esmtp_parameters("")->empty());
    EXPECT_TRUE(parse_esmtp_parameters("  ")->empty());
}

TEST(EsmtpParameters, RefusesWhatTheGrammarDoes) {
    std::string many;
    for (int i = 0; i < 33; ++i)
        many += " K" + std::to_string(i);
    const std::vector<std::string> cases = {
        "SIZE=1",
        " =",
        " =1",
        " A=",
        " -A=1",
        " A=b=c",
        " A=\x01",
        " A=\x7F",
        " A=\xFF",
        " A_B=1",
        " A=1 a=2",
        "\tA=1",
        many,
    };
    for (const std::string& text : cases) {
        SCOPED_TRACE(::testing::PrintToString(text));
        const auto parameters = parse_esmtp_parameters(text);
        ASSERT_FALSE(parameters);
        EXPECT_EQ(parameters.error(), ParameterFault::malformed);
    }
}

TEST(EsmtpParameters, ReadsChunkSizesStrictly) {
    struct Case {
        std::string_view text;
        std::optional<std::uint64_t> want;
        bool is_last = false;
    };
    const std::vector<Case> cases = {
        {"0", 0},
        {"17 LAST", 17, true},
        {"17  last", 17, true},
        {"18446744073709551615", UINT64_MAX},
        {"00000000000000000000000000001", 1},
        {"18446744073709551616", std::nullopt},
        {"", std::nullopt},
        {" 5", std::nullopt},
        {"LAST", std::nullopt},
        {"+1", std::nullopt},
        {"-0", std::nullopt},
        {"1e3", std::nullopt},
        {"10 LAST LAST", std::nullopt},
        {"10\tLAST", std::nullopt},
    };
    for (const auto& [text, want, is_last] : cases) {
        SCOPED_TRACE(text);
        const auto chunk = parse_chunk_size(text);
        ASSERT_EQ(chunk.has_value(), want.has_value());
        if (!chunk) continue;
        EXPECT_EQ(chunk->octets, *want);
        EXPECT_EQ(chunk->is_last, is_last);
    }
}

}  // namespace
}  // namespace wicket
