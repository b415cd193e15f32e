#include "mail/pattern.hpp"

#include <array>
#include <utility>

namespace wicket {
namespace {

constexpr std::array<std::string_view, pattern_part_count> part_words = {"headers", "body", "raw", "urls"};

void add_text(std::string& to, std::string_view text) {
    to += std::to_string(text.size());
    to += ':';
    to += text;
}

}  // namespace

std::string_view to_string(PatternPart part) {
    return part_words.at(static_cast<std::size_t>(part));
}

std::optional<PatternPart> parse_pattern_part(std::string_view word) {
    for (std::size_t at = 0; at < part_words.size(); ++at)
        if (part_words[at] == word) return static_cast<PatternPart>(at);
    return std::nullopt;
}

PatternSet make_pattern_set(std::vector<Pattern> patterns) {
    std::string hashed;
    for (const Pattern& pattern : patterns) {
        hashed += std::to_string(pattern.fact) + ' ' + std::string(to_string(pattern.part)) + ' ';
        add_text(hashed, pattern.field);
        hashed += std::to_string(pattern.regexes.size()) + ' ';
        for (const std::string& regex : pattern.regexes)
            add_text(hashed, regex);
    }
    return {std::move(patterns), sha256_of(hashed)};
}

}  // namespace wicket
