#include "policy/rule_source.hpp"

#include "base/text.hpp"

#include <vector>

namespace wicket {
namespace {

std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        lines.push_back(text.substr(0, end));
        if (end == std::string_view::npos) break;
        text.remove_prefix(end + 1);
    }
    return lines;
}

/// [name], [[name]]: not the second line of a list of lists, which rule files do not have.
bool is_header(std::string_view line) {
    line = trimmed(line);
    if (!line.starts_with('[')) return false;
    line.remove_prefix(line.starts_with("[[") ? 2 : 1);
    return line.contains(']') &&
           (is_letter_or_digit(line.front()) || line.front() == '_' || line.front() == '"');
}

bool is_blank_or_comment(std::string_view line) {
    line = trimmed(line);
    return line.empty() || line.front() == '#';
}

std::string table_from(const std::vector<std::string_view>& lines, std::size_t begin) {
    std::size_t end = begin + 1;
    while (end < lines.size() && !is_header(lines[end]))
        ++end;
    // What stands above the next header is about that one.
    while (end > begin + 1 && is_blank_or_comment(lines[end - 1]))
        --end;
    std::string text;
    for (std::size_t at = begin; at < end; ++at) {
        text += lines[at];
        text += '\n';
    }
    return text;
}

}  // namespace

std::string table_text(std::string_view file, std::size_t line) {
    const auto lines = lines_of(file);
    if (line == 0 || line > lines.size()) return {};
    for (std::size_t at = line; at-- > 0;)
        if (is_header(lines[at])) return table_from(lines, at);
    return {};
}

std::string table_text(std::string_view file, std::string_view header, std::size_t* line) {
    const auto lines = lines_of(file);
    for (std::size_t at = 0; at < lines.size(); ++at) {
        if (!is_header(lines[at]) || !trimmed(lines[at]).starts_with(header)) continue;
        if (line != nullptr) *line = at + 1;
        return table_from(lines, at);
    }
    return {};
}

}  // namespace wicket
