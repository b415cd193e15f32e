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

/// The name in [name] or [[name]]; empty if the line is no header. Not the second line of a list of lists,
/// which rule files do not have.
std::string_view header_name(std::string_view line) {
    line = trimmed(line);
    if (!line.starts_with('[')) return {};
    line.remove_prefix(line.starts_with("[[") ? 2 : 1);
    const std::size_t end = line.find(']');
    if (end == std::string_view::npos || end == 0) return {};
    const bool is_name = is_letter_or_digit(line.front()) || line.front() == '_' || line.front() == '"';
    return is_name ? line.substr(0, end) : std::string_view();
}

bool is_header(std::string_view line) {
    return !header_name(line).empty();
}

/// Whether `line` opens a table within that one: [override.thresholds] in [[override]].
bool is_header_within(std::string_view line, std::string_view table) {
    const std::string_view name = header_name(line);
    return name.size() > table.size() && name.starts_with(table) && name[table.size()] == '.';
}

bool is_blank_or_comment(std::string_view line) {
    line = trimmed(line);
    return line.empty() || line.front() == '#';
}

std::string table_from(const std::vector<std::string_view>& lines, std::size_t begin) {
    std::size_t end = begin + 1;
    const std::string_view name = header_name(lines[begin]);
    while (end < lines.size() && (!is_header(lines[end]) || is_header_within(lines[end], name)))
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

}  // namespace wicket
