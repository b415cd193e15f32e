#include "mail/stage.hpp"

#include <array>
#include <utility>

namespace wicket {
namespace {

constexpr std::array<std::string_view, stage_count> words = {
    "connect", "helo", "mail", "rcpt", "data", "end"
};

}  // namespace

std::string_view to_string(Stage stage) {
    return words.at(std::to_underlying(stage));
}

std::optional<Stage> parse_stage(std::string_view word) {
    for (std::size_t at = 0; at < words.size(); ++at) {
        if (words[at] == word) return static_cast<Stage>(at);
    }
    return std::nullopt;
}

}  // namespace wicket
