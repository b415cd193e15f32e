// The POP3 commands, one row each. The session asks this table what a line is and whether it may come now, so
// that no handler has to. Constant data and pure functions: any thread, no allocation.
#pragma once

#include <cstdint>
#include <string_view>

namespace wicket {

enum class Pop3Verb : std::uint8_t {
    capa,
    user,
    pass,
    auth,
    stls,
    utf8,
    stat,
    list,
    uidl,
    retr,
    top,
    dele,
    noop,
    rset,
    quit,
};

/// RFC 1939 section 3: the states that take commands. One bit each, so that a row can name several.
enum class Pop3State : std::uint8_t {
    authorization = 1,
    transaction = 2,
};

/// What follows the verb.
enum class Pop3Argument : std::uint8_t {
    none,
    optional,  // one word
    required,  // one word
    two,       // two words
    text,      // anything, spaces included: for PASS and USER
};

struct Pop3Command {
    std::string_view name;  // upper case; a literal
    Pop3Verb verb;
    Pop3Argument argument;
    std::uint8_t states;  // bits of Pop3State

    bool is_allowed_in(Pop3State state) const;
};

/// The row of the verb that begins `line`, in any case of letters; nullptr if there is none.
/// A line comes without its CRLF. Only a space or the end of the line ends a verb.
const Pop3Command* find_pop3_command(std::string_view line);

/// The words after the verb; at most two, or for Pop3Argument::text the rest as it stands.
struct Pop3Words {
    bool is_well_formed = false;  // as the row wants them
    std::string_view first;       // views into the line
    std::string_view second;
};

Pop3Words words_of(const Pop3Command& command, std::string_view line);

}  // namespace wicket
