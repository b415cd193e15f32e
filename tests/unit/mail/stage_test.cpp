#include "mail/stage.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

TEST(Stage, HasOneWordEach) {
    for (std::size_t at = 0; at < stage_count; ++at) {
        const auto stage = static_cast<Stage>(at);
        EXPECT_EQ(parse_stage(to_string(stage)), stage);
    }
    EXPECT_EQ(to_string(Stage::end), "end");
    EXPECT_EQ(parse_stage("END"), std::nullopt);
    EXPECT_EQ(parse_stage(""), std::nullopt);
}

}  // namespace
}  // namespace wicket
