// A rule set's patterns, compiled to one RE2::Set for each part of a message, and what of them was found in
// one message. Linear in the text whatever the regular expressions are. Compiled by the rule loader, to see
// that it can be done, and by the scan worker, to be used; matching changes caches inside, so one thread.
#pragma once

#include "mail/pattern.hpp"

#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

/// Why a regular expression cannot be one of a pattern.
struct PatternMistake {
    std::size_t offset = 0;  // octets into the regular expression
    std::string message;
};

/// Looks at one regular expression alone. Also those are mistakes that match every text.
std::expected<void, PatternMistake> check_pattern_regex(const std::string& regex, PatternPart part);

class PatternMatcher {
public:
    /// nullptr if a set needs more than pattern_memory_octets, or holds what is no regular expression.
    static std::unique_ptr<const PatternMatcher> compile(PatternSet patterns);
    ~PatternMatcher();

    const PatternSet& patterns() const;
    bool wants(PatternPart part) const;
    /// Whether any pattern is about the value of this header field alone.
    bool wants_field(std::string_view name) const;

private:
    friend class PatternFindings;
    struct State;
    explicit PatternMatcher(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// What was found in one message. Borrows its matcher.
class PatternFindings {
public:
    explicit PatternFindings(const PatternMatcher& matcher);

    /// Looks for all patterns of the part, but those about one header field.
    void look_at(PatternPart part, std::string_view text);
    /// Looks for the patterns that are about the value of this field.
    void look_at_field(std::string_view name, std::string_view value);
    /// Something of the part was not looked at; the first reason counts.
    void miss(PatternPart part, std::string_view reason);

    /// The facts: true or unknown; what did not match in a part that was looked at whole is absent, and left
    /// out.
    std::vector<std::pair<FactId, FactValue>> facts() const;

private:
    const PatternMatcher& matcher_;
    std::vector<bool> has_matched_;  // as the patterns
    std::array<std::string, pattern_part_count> missing_;
    std::vector<int> hits_;  // kept for its room
};

}  // namespace wicket
