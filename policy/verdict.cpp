#include "policy/verdict.hpp"

#include <array>
#include <utility>

namespace wicket {
namespace {

constexpr std::array<std::string_view, 9> action_words = {
    "none", "accept", "junk", "quarantine", "greylist", "defer", "discard", "reject", "disconnect"
};

}  // namespace

std::string_view to_string(Action action) {
    return action_words.at(static_cast<std::size_t>(action));
}

std::optional<Action> parse_action(std::string_view word) {
    for (std::size_t at = 0; at < action_words.size(); ++at) {
        if (action_words[at] == word) return static_cast<Action>(at);
    }
    return std::nullopt;
}

std::string_view to_string(RuleMode mode) {
    switch (mode) {
        case RuleMode::enforce: return "enforce";
        case RuleMode::shadow: return "shadow";
        case RuleMode::off: return "off";
    }
    std::unreachable();
}

}  // namespace wicket
