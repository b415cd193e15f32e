#include "access/pop3_commands.hpp"

#include "base/text.hpp"

#include <utility>

namespace wicket {
namespace {

using enum Pop3State;

consteval std::uint8_t in(auto... states) {
    return static_cast<std::uint8_t>((std::to_underlying(states) | ...));
}

// RFC 1939 sections 4 to 7, RFC 2449 section 5 (CAPA), RFC 2595 section 4 (STLS), RFC 5034 section 4 (AUTH),
// RFC 6856 section 2 (UTF8). APOP is not here: it needs the password in the clear on our side.
// clang-format off
constexpr Pop3Command command_table[] = {
    {"CAPA", Pop3Verb::capa, Pop3Argument::none,     in(authorization, transaction)},
    {"USER", Pop3Verb::user, Pop3Argument::text,     in(authorization)},
    {"PASS", Pop3Verb::pass, Pop3Argument::text,     in(authorization)},
    {"AUTH", Pop3Verb::auth, Pop3Argument::text,     in(authorization)},
    {"STLS", Pop3Verb::stls, Pop3Argument::none,     in(authorization)},
    {"UTF8", Pop3Verb::utf8, Pop3Argument::none,     in(authorization)},
    {"STAT", Pop3Verb::stat, Pop3Argument::none,     in(transaction)},
    {"LIST", Pop3Verb::list, Pop3Argument::optional, in(transaction)},
    {"UIDL", Pop3Verb::uidl, Pop3Argument::optional, in(transaction)},
    {"RETR", Pop3Verb::retr, Pop3Argument::required, in(transaction)},
    {"TOP",  Pop3Verb::top,  Pop3Argument::two,      in(transaction)},
    {"DELE", Pop3Verb::dele, Pop3Argument::required, in(transaction)},
    {"NOOP", Pop3Verb::noop, Pop3Argument::none,     in(transaction)},
    {"RSET", Pop3Verb::rset, Pop3Argument::none,     in(transaction)},
    {"QUIT", Pop3Verb::quit, Pop3Argument::none,     in(authorization, transaction)},
};
// clang-format on

std::string_view without_trailing_space(std::string_view text) {
    return text.substr(0, text.find_last_not_of(" \t") + 1);
}

}  // namespace

bool Pop3Command::is_allowed_in(Pop3State state) const {
    return (states & std::to_underlying(state)) != 0;
}

const Pop3Command* find_pop3_command(std::string_view line) {
    const std::string_view trimmed = without_trailing_space(line);
    const std::string_view name = trimmed.substr(0, trimmed.find(' '));
    for (const Pop3Command& row : command_table) {
        // RFC 1939 section 3: keywords are case-insensitive.
        if (equal_ignoring_case(row.name, name)) return &row;
    }
    return nullptr;
}

Pop3Words words_of(const Pop3Command& command, std::string_view line) {
    std::string_view rest = line.substr(command.name.size());
    if (command.argument == Pop3Argument::text) {
        // RFC 1939 section 7: a password may hold spaces, also at either end; one space separates it.
        if (rest.starts_with(' ')) rest.remove_prefix(1);
        return {!rest.empty(), rest, {}};
    }
    rest = without_trailing_space(rest);
    if (rest.starts_with(' ')) rest.remove_prefix(1);
    const std::size_t space = rest.find(' ');
    Pop3Words words{true, rest.substr(0, space), {}};
    if (space != std::string_view::npos) words.second = rest.substr(space + 1);
    const bool has_first = !words.first.empty();
    const bool has_second = !words.second.empty();
    switch (command.argument) {
        case Pop3Argument::none: words.is_well_formed = !has_first && !has_second; break;
        case Pop3Argument::optional: words.is_well_formed = !has_second; break;
        case Pop3Argument::required: words.is_well_formed = has_first && !has_second; break;
        case Pop3Argument::two: words.is_well_formed = has_first && has_second; break;
        case Pop3Argument::text: break;
    }
    return words;
}

}  // namespace wicket
