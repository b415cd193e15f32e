#include "policy/exception_trial.hpp"

#include <algorithm>
#include <charconv>

namespace wicket {
namespace {

/// How files are read: folder by folder, by name.
std::pair<std::size_t, std::string_view> reading_order(std::string_view name) {
    const std::size_t slash = name.find('/');
    std::size_t folder = 1;
    if (slash == std::string_view::npos) return {folder, name};
    const auto read = std::from_chars(name.data(), name.data() + slash, folder);
    if (read.ptr != name.data() + slash) return {1, name};
    return {folder, name.substr(slash + 1)};
}

bool is_rule_file(const RuleSource& source) {
    return source.name.ends_with(".toml");
}

}  // namespace

std::string source_name(std::size_t folder, std::string_view file_name) {
    return (folder == 0 ? std::string() : std::to_string(folder + 1) + '/') + std::string(file_name);
}

std::vector<RuleSource> with_text(
    const std::vector<RuleSource>& sources, const std::string& name, std::string_view text
) {
    std::vector<RuleSource> made = sources;
    const auto same = std::ranges::find(made, name, &RuleSource::name);
    if (same != made.end()) {
        same->content += text;
        return made;
    }
    const auto next = std::ranges::find_if(made, [&](const RuleSource& one) {
        return !is_rule_file(one) || reading_order(one.name) > reading_order(name);
    });
    made.insert(next, {name, std::string(text)});
    return made;
}

std::vector<RuleSource> with_file(
    const std::vector<RuleSource>& sources, TrialPlace place, std::string_view text
) {
    std::vector<RuleSource> made = sources;
    RuleSource added{"proposed.toml", std::string(text)};
    if (place == TrialPlace::first) {
        made.insert(made.begin(), std::move(added));
        return made;
    }
    const auto list = std::ranges::find_if_not(made, is_rule_file);
    made.insert(list, std::move(added));
    return made;
}

}  // namespace wicket
