#include "policy/sender_letter.hpp"

#include "base/log.hpp"
#include "base/text.hpp"

#include <array>
#include <chrono>
#include <fmt/format.h>

namespace wicket {
namespace {

// RFC 3676 section 4.2: lines of plain text that survive quoting.
constexpr std::size_t letter_columns = 76;
constexpr std::array<std::string_view, 12> months = {
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December"
};

std::string moment_text(WallTime time) {
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date{day};
    const auto minutes = std::chrono::floor<std::chrono::minutes>(time - day).count();
    return fmt::format(
        "{} {} {} at {:02}:{:02} UTC",
        static_cast<unsigned>(date.day()),
        months.at(static_cast<unsigned>(date.month()) - 1),
        static_cast<int>(date.year()),
        minutes / 60,
        minutes % 60
    );
}

std::string_view fate(Action action) {
    switch (action) {
        case Action::none: return "was not decided about: the connection ended before";
        case Action::accept: return "was accepted and delivered";
        case Action::junk: return "was accepted, but it was taken for unwanted and put into the Junk folder";
        case Action::quarantine:
        case Action::discard: return "was accepted, but it was taken for unwanted and not delivered";
        case Action::greylist:
        case Action::defer: return "was not accepted for now";
        case Action::reject:
        case Action::disconnect: return "was refused";
    }
    return "was decided about";
}

/// The reply without the id at its end, as one line.
std::string reason_of(const SmtpReply& reply) {
    std::string text = reply.text;
    if (const std::size_t id = text.rfind(" id="); id != std::string::npos) text.erase(id);
    for (char& c : text)
        if (is_fws(c)) c = ' ';
    return text;
}

std::string sentence(std::string text) {
    if (!text.empty() && !std::string_view(".!?").contains(text.back())) text += '.';
    return text;
}

std::string wrapped(std::string_view text) {
    std::string made;
    std::size_t column = 0;
    while (!text.empty()) {
        const std::string_view word = text.substr(0, text.find(' '));
        text.remove_prefix(std::min(text.size(), word.size() + 1));
        if (word.empty()) continue;
        if (column != 0 && column + 1 + word.size() > letter_columns) {
            made += '\n';
            column = 0;
        }
        if (column != 0) {
            made += ' ';
            ++column;
        }
        made += word;
        column += word.size();
    }
    return made + '\n';
}

}  // namespace

std::string sender_letter(const DecisionRecord& record) {
    const Action action = record.verdict.action;
    std::string text = record.has_from ? "Your message" : "Your mail server's connection to us";
    if (record.has_from && !record.from.empty()) text += " from <" + escape_between_angles(record.from) + ">";
    if (record.recipients.size() == 1 && !record.recipients.front().address.empty())
        text += " to <" + escape_between_angles(record.recipients.front().address) + ">";
    text += fmt::format(", sent on {}, {}. ", moment_text(record.time), fate(action));
    const std::string reason = sentence(escape_for_log(reason_of(record.reply), 1000));
    if (!record.reply.is_positive() && !reason.empty() && record.reply.code != 0)
        text += fmt::format("The reason we gave: {} ", reason);
    if (action == Action::greylist || action == Action::defer)
        text +=
            "Your mail server will try again by itself; nothing has to be done unless this goes on for "
            "hours. ";
    text += fmt::format("If you write to us about it, please name the id {}.", record.id.to_string());
    return wrapped(text);
}

}  // namespace wicket
