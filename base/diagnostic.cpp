#include "base/diagnostic.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>
#include <tuple>
#include <utility>

namespace wicket {
namespace {

// Nobody mistypes a longer word; the distance is quadratic in it.
constexpr std::size_t word_limit_octets = 64;

/// Optimal string alignment: insertions, deletions, substitutions, and swaps of neighbours count one each.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1);
    std::vector<std::size_t> above(b.size() + 1);
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t at = 0; at <= b.size(); ++at)
        above[at] = at;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t substitution = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({above[j] + 1, row[j - 1] + 1, substitution});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = std::min(row[j], before[j - 2] + 1);
        }
        std::swap(before, above);
        std::swap(above, row);
    }
    return above.back();
}

bool is_control(char c) {
    return static_cast<unsigned char>(c) < ' ' || c == '\x7F';
}

/// A file in another encoding, or its name, must not spoil the terminal, nor what reads our output.
void make_presentable(std::string& text) {
    std::ranges::replace_if(text, [](char c) { return is_control(c) && c != '\t'; }, '?');
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = is_ascii(text[at]) ? 1 : utf8_length(std::string_view(text).substr(at));
        if (length == 0) text[at] = '?';
        at += std::max<std::size_t>(length, 1);
    }
}

/// The line and, below it, a caret under the column.
std::string underlined(std::string_view line, std::uint32_t column) {
    std::string shown(line);
    make_presentable(shown);
    std::string below;
    for (const char c : shown.substr(0, column - 1)) {
        // A tab keeps its width, and a character of several octets takes one column.
        if (c == '\t')
            below += '\t';
        else if ((static_cast<unsigned char>(c) & 0xC0U) != 0x80U)
            below += ' ';
    }
    return fmt::format("\n    {}\n    {}^", shown, below);
}

}  // namespace

std::string SourcePlace::to_string() const {
    if (line == 0) return file;
    return fmt::format("{}:{}:{}", file, line, column);
}

void Diagnostics::add(Diagnostic diagnostic) {
    if (diagnostic.severity == Severity::error) ++errors_;
    for (std::string* text : {&diagnostic.place.file, &diagnostic.message, &diagnostic.suggestion})
        make_presentable(*text);
    items_.push_back(std::move(diagnostic));
}

void Diagnostics::error(
    SourcePlace place, std::string message, std::string suggestion, std::string source_line
) {
    add({Severity::error, std::move(place), std::move(message), std::move(suggestion), std::move(source_line)}
    );
}

void Diagnostics::warning(
    SourcePlace place, std::string message, std::string suggestion, std::string source_line
) {
    add(
        {Severity::warning,
         std::move(place),
         std::move(message),
         std::move(suggestion),
         std::move(source_line)}
    );
}

std::vector<Diagnostic> Diagnostics::sorted() const {
    // Of one place in the order in which they were found.
    std::vector<std::size_t> order(items_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, {}, [this](std::size_t at) {
        const SourcePlace& place = items_[at].place;
        return std::tuple(std::string_view(place.file), place.line, place.column, at);
    });
    std::vector<Diagnostic> items;
    items.reserve(order.size());
    for (const std::size_t at : order)
        items.push_back(items_[at]);
    return items;
}

std::string render_line(const Diagnostic& diagnostic) {
    std::string text = diagnostic.place.to_string();
    if (!text.empty()) text += ": ";
    text += diagnostic.severity == Severity::error ? "error: " : "warning: ";
    text += diagnostic.message;
    const std::string& meant = diagnostic.suggestion;
    const char quote = meant.contains('"') ? '\'' : '"';
    if (!meant.empty()) text += fmt::format("; did you mean {}{}{}?", quote, meant, quote);
    return text;
}

std::string render(const Diagnostic& diagnostic) {
    std::string text = render_line(diagnostic);
    const bool has_caret = !diagnostic.source_line.empty() && diagnostic.place.column > 0 &&
                           diagnostic.place.column <= diagnostic.source_line.size() + 1;
    if (has_caret) text += underlined(diagnostic.source_line, diagnostic.place.column);
    return text;
}

std::string nearest_word(std::string_view word, std::span<const std::string> candidates) {
    if (word.empty() || word.size() > word_limit_octets) return {};
    const std::size_t allowed = std::max<std::size_t>(1, word.size() / 3);
    const std::string lower_word = lower_case(word);
    std::string_view nearest;
    std::size_t least = allowed + 1;
    for (const std::string& candidate : candidates) {
        const std::size_t longer = std::max(candidate.size(), word.size());
        if (longer - std::min(candidate.size(), word.size()) > allowed) continue;
        const std::size_t apart = distance(lower_word, lower_case(candidate));
        if (apart < least) {
            least = apart;
            nearest = candidate;
        }
    }
    return std::string(nearest);
}

}  // namespace wicket
