#include "mail/pattern_matcher.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <re2/re2.h>
#include <re2/set.h>
#include <set>
#include <utility>

namespace wicket {
namespace {

re2::RE2::Options options_for(PatternPart part) {
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(pattern_memory_octets);
    // What was received may hold anything; what was decoded is UTF-8.
    if (part == PatternPart::raw) options.set_encoding(re2::RE2::Options::EncodingLatin1);
    return options;
}

re2::StringPiece piece_of(std::string_view text) {
    return {text.data(), text.size()};
}

constexpr std::string_view states_do_not_fit = "matching needs too much memory";

}  // namespace

std::expected<void, PatternMistake> check_pattern_regex(const std::string& regex, PatternPart part) {
    if (regex.empty()) return std::unexpected(PatternMistake{0, "an empty regular expression"});
    if (regex.size() > pattern_regex_limit_octets)
        return std::unexpected(PatternMistake{
            pattern_regex_limit_octets,
            "a regular expression has at most " + std::to_string(pattern_regex_limit_octets) + " octets"
        });
    const re2::RE2 compiled(regex, options_for(part));
    if (!compiled.ok()) {
        const auto place =
            compiled.error_arg().empty() ? std::string::npos : regex.find(compiled.error_arg());
        return std::unexpected(PatternMistake{
            place == std::string::npos ? 0 : place, "bad regular expression: " + compiled.error()
        });
    }
    // "^$" matches the empty text, and is about it; "a*" matches everywhere.
    if (re2::RE2::PartialMatch("", compiled) && re2::RE2::PartialMatch("\x01", compiled))
        return std::unexpected(PatternMistake{0, "this regular expression matches every text"});
    return {};
}

/// One RE2::Set, and whose its regular expressions are.
struct CompiledSet {
    re2::RE2::Set set;
    std::vector<std::size_t> pattern_of;  // by number within the set

    explicit CompiledSet(PatternPart part) : set(options_for(part), re2::RE2::UNANCHORED) {}
};

struct PatternMatcher::State {
    PatternSet patterns;
    std::array<std::optional<CompiledSet>, pattern_part_count> parts;
    std::optional<CompiledSet> fields;  // of headers: those about one field's value
    std::set<std::string, std::less<>> field_names;
};

PatternMatcher::PatternMatcher(std::unique_ptr<State> state) : state_(std::move(state)) {}
PatternMatcher::~PatternMatcher() = default;

std::unique_ptr<const PatternMatcher> PatternMatcher::compile(PatternSet patterns) {
    auto state = std::make_unique<State>();
    state->patterns = std::move(patterns);
    for (std::size_t index = 0; index < state->patterns.patterns.size(); ++index) {
        const Pattern& pattern = state->patterns.patterns[index];
        auto& wanted =
            pattern.field.empty() ? state->parts.at(static_cast<std::size_t>(pattern.part)) : state->fields;
        if (!wanted) wanted.emplace(pattern.part);
        if (!pattern.field.empty()) state->field_names.insert(pattern.field);
        for (const std::string& regex : pattern.regexes) {
            if (wanted->set.Add(piece_of(regex), nullptr) < 0) return nullptr;
            wanted->pattern_of.push_back(index);
        }
    }
    const auto compiles = [](std::optional<CompiledSet>& one) { return !one || one->set.Compile(); };
    if (!std::ranges::all_of(state->parts, compiles) || !compiles(state->fields)) return nullptr;
    return std::unique_ptr<const PatternMatcher>(new PatternMatcher(std::move(state)));
}

const PatternSet& PatternMatcher::patterns() const {
    return state_->patterns;
}

bool PatternMatcher::wants(PatternPart part) const {
    return state_->parts.at(static_cast<std::size_t>(part)).has_value() ||
           (part == PatternPart::headers && state_->fields);
}

bool PatternMatcher::wants_field(std::string_view name) const {
    return !state_->field_names.empty() && state_->field_names.contains(lower_case(name));
}

PatternFindings::PatternFindings(const PatternMatcher& matcher)
    : matcher_(matcher), has_matched_(matcher.patterns().patterns.size()) {}

void PatternFindings::look_at(PatternPart part, std::string_view text) {
    const auto& wanted = matcher_.state_->parts.at(static_cast<std::size_t>(part));
    if (!wanted) return;
    re2::RE2::Set::ErrorInfo error{};
    hits_.clear();
    if (!wanted->set.Match(piece_of(text), &hits_, &error)) {
        if (error.kind != re2::RE2::Set::kNoError) miss(part, states_do_not_fit);
        return;
    }
    for (const int hit : hits_)
        has_matched_[wanted->pattern_of.at(static_cast<std::size_t>(hit))] = true;
}

void PatternFindings::look_at_field(std::string_view name, std::string_view value) {
    const auto& wanted = matcher_.state_->fields;
    if (!wanted) return;
    re2::RE2::Set::ErrorInfo error{};
    hits_.clear();
    if (!wanted->set.Match(piece_of(value), &hits_, &error)) {
        if (error.kind != re2::RE2::Set::kNoError) miss(PatternPart::headers, states_do_not_fit);
        return;
    }
    for (const int hit : hits_) {
        const std::size_t index = wanted->pattern_of.at(static_cast<std::size_t>(hit));
        if (equal_ignoring_case(matcher_.patterns().patterns[index].field, name)) has_matched_[index] = true;
    }
}

void PatternFindings::miss(PatternPart part, std::string_view reason) {
    std::string& first = missing_.at(static_cast<std::size_t>(part));
    if (first.empty()) first = reason;
}

std::vector<std::pair<FactId, FactValue>> PatternFindings::facts() const {
    std::vector<std::pair<FactId, FactValue>> found;
    const auto& patterns = matcher_.patterns().patterns;
    for (std::size_t index = 0; index < patterns.size(); ++index) {
        const std::string& missing = missing_.at(static_cast<std::size_t>(patterns[index].part));
        if (has_matched_[index])
            found.emplace_back(patterns[index].fact, true);
        else if (!missing.empty())
            found.emplace_back(patterns[index].fact, Unknown{missing});
    }
    return found;
}

}  // namespace wicket
