// Text as it is shown, so that a pattern finds it however it was laid out: a run of white space is one
// space, the end of a paragraph one line end, and characters that take no room are left out. Values; linear.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace wicket {

class ShownText {
public:
    /// Of UTF-8. White space in it is a space.
    void append(std::string_view text);
    void space();
    /// The end of a paragraph.
    void end_line();

    /// Without white space at either end.
    const std::string& text() const { return text_; }
    std::string take();

private:
    enum class Gap : std::uint8_t { none, space, line };
    void write(std::string_view piece);

    std::string text_;
    Gap gap_ = Gap::none;  // since the last character
};

/// Lines of plain text: an empty one ends a paragraph, other line ends are white space.
void append_plain_text(std::string_view text, ShownText& to);

/// The text without characters that take no room; white space stays.
std::string without_invisible(std::string_view text);

}  // namespace wicket
