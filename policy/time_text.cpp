#include "policy/time_text.hpp"

#include "base/config_reader.hpp"
#include "base/text.hpp"

namespace wicket {
namespace {

/// Reads exactly `count` digits from the front of `text`.
std::optional<int> take_digits(std::string_view& text, std::size_t count) {
    if (text.size() < count) return std::nullopt;
    int value = 0;
    for (const char c : text.substr(0, count)) {
        if (!is_digit(c)) return std::nullopt;
        value = value * 10 + (c - '0');
    }
    text.remove_prefix(count);
    return value;
}

bool take(std::string_view& text, char wanted) {
    if (text.empty() || lower_case(text.front()) != lower_case(wanted)) return false;
    text.remove_prefix(1);
    return true;
}

/// What follows the date: T12:00:00[.123][Z|+01:00], as time since midnight in UTC.
std::optional<std::chrono::microseconds> parse_time_of_day(std::string_view text) {
    if (!take(text, 'T') && !take(text, ' ')) return std::nullopt;
    const auto hour = take_digits(text, 2);
    if (!hour || !take(text, ':')) return std::nullopt;
    const auto minute = take_digits(text, 2);
    if (!minute) return std::nullopt;
    int second = 0;
    std::int64_t micros = 0;
    if (take(text, ':')) {
        const auto read = take_digits(text, 2);
        if (!read) return std::nullopt;
        second = *read;
        if (take(text, '.')) {
            std::int64_t unit = 100'000;
            if (text.empty() || !is_digit(text.front())) return std::nullopt;
            for (; !text.empty() && is_digit(text.front()); text.remove_prefix(1)) {
                micros += (text.front() - '0') * unit;
                unit /= 10;
            }
        }
    }
    if (*hour > 23 || *minute > 59 || second > 60) return std::nullopt;
    std::chrono::minutes offset{0};
    if (!text.empty() && !take(text, 'Z')) {
        const bool is_east = text.front() == '+';
        if (!is_east && text.front() != '-') return std::nullopt;
        text.remove_prefix(1);
        const auto hours = take_digits(text, 2);
        if (!hours || !take(text, ':')) return std::nullopt;
        const auto minutes = take_digits(text, 2);
        if (!minutes || *hours > 23 || *minutes > 59) return std::nullopt;
        offset = std::chrono::minutes{*hours * 60 + *minutes} * (is_east ? 1 : -1);
    }
    if (!text.empty()) return std::nullopt;
    return std::chrono::hours{*hour} + std::chrono::minutes{*minute} + std::chrono::seconds{second} +
           std::chrono::microseconds{micros} - offset;
}

}  // namespace

std::optional<WallTime> parse_time(std::string_view text) {
    const auto year = take_digits(text, 4);
    if (!year || !take(text, '-')) return std::nullopt;
    const auto month = take_digits(text, 2);
    if (!month || !take(text, '-')) return std::nullopt;
    const auto day = take_digits(text, 2);
    if (!day) return std::nullopt;
    const std::chrono::year_month_day date{
        std::chrono::year{*year},
        std::chrono::month{static_cast<unsigned>(*month)},
        std::chrono::day{static_cast<unsigned>(*day)}
    };
    if (!date.ok()) return std::nullopt;
    const WallTime midnight = std::chrono::sys_days{date};
    if (text.empty()) return midnight;
    const auto time_of_day = parse_time_of_day(text);
    if (!time_of_day) return std::nullopt;
    return midnight + *time_of_day;
}

std::optional<WallTime> parse_moment(std::string_view text, WallTime now) {
    if (const auto duration = parse_duration(text)) return now - *duration;
    return parse_time(text);
}

}  // namespace wicket
