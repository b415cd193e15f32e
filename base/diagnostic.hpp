// A mistake in a text that an administrator wrote, with its place. Collected, not thrown: one run of `check`
// shows them all. Values: any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

enum class Severity : std::uint8_t { warning, error };

/// Lines and columns count from 1; columns are octets. Line 0: the place is not known.
struct SourcePlace {
    std::string file;
    std::uint32_t line = 0;
    std::uint32_t column = 0;

    bool operator==(const SourcePlace&) const = default;
    /// file:line:column
    std::string to_string() const;
};

/// A longer line is not shown with its mistake: nobody would find the caret, and a thousand mistakes in one
/// line would show it a thousand times.
inline constexpr std::size_t shown_line_limit_octets = 4096;

struct Diagnostic {
    Severity severity = Severity::error;
    SourcePlace place;
    std::string message;
    std::string suggestion;   // "did you mean ...?", without the question's frame; empty if there is none
    std::string source_line;  // the line at fault, for the caret; empty if it is not at hand
};

class Diagnostics {
public:
    void add(Diagnostic diagnostic);
    void error(
        SourcePlace place, std::string message, std::string suggestion = {}, std::string source_line = {}
    );
    void warning(
        SourcePlace place, std::string message, std::string suggestion = {}, std::string source_line = {}
    );

    bool has_errors() const { return errors_ != 0; }
    std::size_t error_count() const { return errors_; }
    bool empty() const { return items_.empty(); }
    /// Sorted by file, line, column.
    std::vector<Diagnostic> sorted() const;

private:
    std::vector<Diagnostic> items_;
    std::size_t errors_ = 0;
};

/// `FILE:LINE:COL: error: MESSAGE; did you mean "X"?`, then the source line and a caret under the column.
std::string render(const Diagnostic& diagnostic);

/// The same in one line, without the source line.
std::string render_line(const Diagnostic& diagnostic);

/// The word of `candidates` nearest to `word` (Damerau-Levenshtein distance at most a third of its length,
/// and at least 1 allowed); empty if none is near.
std::string nearest_word(std::string_view word, std::span<const std::string> candidates);

}  // namespace wicket
