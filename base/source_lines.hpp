// Lines of files, for the caret under a mistake.
#pragma once

#include "base/diagnostic.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

/// A text by its lines, which are counted from 1. A value.
class TextLines {
public:
    explicit TextLines(std::string text = {});

    const std::string& text() const { return text_; }
    /// Without its end, CRLF or LF; empty if there is no such line.
    std::string_view line(std::uint32_t number) const;
    /// The same to be shown under a mistake: empty if it is longer than shown_line_limit_octets.
    std::string shown_line(std::uint32_t number) const;
    std::uint32_t count() const { return static_cast<std::uint32_t>(begins_.size()); }
    /// Where it begins, in octets.
    std::optional<std::size_t> begin_of(std::uint32_t number) const;

private:
    std::string text_;
    std::vector<std::size_t> begins_{0};
};

/// For mistakes that are found after their file was read. Keeps the file that it was last asked about. One
/// thread.
class SourceLines {
public:
    /// Empty if the file cannot be read now, or is shorter now.
    std::string line_at(const SourcePlace& place);

private:
    std::string file_;
    TextLines lines_;
};

}  // namespace wicket
