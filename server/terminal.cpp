#include "server/terminal.hpp"

#include "base/log.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <sys/ioctl.h>
#include <unistd.h>

namespace wicket {
namespace {

// Narrower than this nothing fits; wider no eye follows.
constexpr std::size_t least_columns = 40;
constexpr std::size_t most_columns = 250;

std::string_view environment(const char* name) {
    // Only read before any other thread exists.
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
    return value != nullptr ? std::string_view(value) : std::string_view();
}

std::size_t columns_of_output() {
    const std::string_view told = environment("COLUMNS");
    std::size_t columns = 0;
    std::from_chars(told.data(), told.data() + told.size(), columns);
    winsize size{};
    if (columns == 0 && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) columns = size.ws_col;
    return columns == 0 ? usual_columns : std::clamp(columns, least_columns, most_columns);
}

/// POSIX: the first of these that is set and not empty counts.
bool locale_is_utf8() {
    for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
        const std::string locale = lower_case(environment(name));
        if (!locale.empty()) return locale.contains("utf-8") || locale.contains("utf8");
    }
    return false;
}

}  // namespace

Terminal standard_output() {
    return {columns_of_output(), locale_is_utf8()};
}

std::string bar(double amount, double most, std::size_t columns, const Terminal& terminal) {
    if (amount <= 0 || most <= 0) return {};
    const double exact = std::min(amount / most, 1.0) * static_cast<double>(columns);
    if (!terminal.is_utf8)
        return std::string(static_cast<std::size_t>(std::max(std::round(exact), 1.0)), '#');
    // U+2588 FULL BLOCK down to U+258F LEFT ONE EIGHTH BLOCK.
    const auto eighths = static_cast<std::size_t>(std::max(std::round(exact * 8), 1.0));
    std::string made;
    for (std::size_t at = 0; at < eighths / 8; ++at)
        made += "\xE2\x96\x88";
    constexpr std::array<std::string_view, 8> parts = {
        "",
        "\xE2\x96\x8F",
        "\xE2\x96\x8E",
        "\xE2\x96\x8D",
        "\xE2\x96\x8C",
        "\xE2\x96\x8B",
        "\xE2\x96\x8A",
        "\xE2\x96\x89"
    };
    return made + std::string(parts.at(eighths % 8));
}

std::string cell(std::string_view text, std::size_t columns) {
    std::string shown = escape_for_log(text, 4 * columns);
    std::size_t width = 0;
    std::size_t at = 0;
    std::size_t cut = 0;  // where one column is left
    while (at < shown.size()) {
        if (width + 1 == columns) cut = at;
        if (width == columns) break;
        const std::size_t length = utf8_length(std::string_view(shown).substr(at));
        at += std::max<std::size_t>(length, 1);
        ++width;
    }
    if (at >= shown.size()) return shown;
    shown.resize(cut);
    return shown + '~';
}

}  // namespace wicket
