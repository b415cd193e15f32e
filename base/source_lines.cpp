#include "base/source_lines.hpp"

#include "base/file.hpp"

#include <utility>

namespace wicket {

TextLines::TextLines(std::string text) : text_(std::move(text)) {
    for (std::size_t end = text_.find('\n'); end != std::string::npos; end = text_.find('\n', end + 1))
        begins_.push_back(end + 1);
}

std::optional<std::size_t> TextLines::begin_of(std::uint32_t number) const {
    if (number == 0 || number > begins_.size()) return std::nullopt;
    return begins_[number - 1];
}

std::string_view TextLines::line(std::uint32_t number) const {
    const auto begin = begin_of(number);
    if (!begin) return {};
    const std::size_t end = number < begins_.size() ? begins_[number] - 1 : text_.size();
    std::string_view line = std::string_view(text_).substr(*begin, end - *begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

std::string TextLines::shown_line(std::uint32_t number) const {
    const std::string_view found = line(number);
    return std::string(found.size() > shown_line_limit_octets ? std::string_view() : found);
}

std::string SourceLines::line_at(const SourcePlace& place) {
    if (place.line == 0) return {};
    if (place.file != file_) {
        file_ = place.file;
        lines_ = TextLines(read_file(file_).value_or(""));
    }
    return lines_.shown_line(place.line);
}

}  // namespace wicket
