#include "access/pop3_commands.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace wicket {
namespace {

TEST(Pop3Commands, SeparatesVerbAndWords) {
    struct Case {
        std::string_view line, want_name;
        bool want_well_formed;
        std::string_view want_first, want_second;
    };
    const std::vector<Case> cases = {
        {"STAT",              "STAT", true,  "",             ""  },
        {"stat  ",            "STAT", true,  "",             ""  },
        {"STAT 1",            "STAT", false, "1",            ""  },
        {"LIST",              "LIST", true,  "",             ""  },
        {"list 3",            "LIST", true,  "3",            ""  },
        {"LIST 3 4",          "LIST", false, "3",            "4" },
        {"RETR",              "RETR", false, "",             ""  },
        {"RETR 1 ",           "RETR", true,  "1",            ""  },
        {"RETR  1",           "RETR", false, "",             "1" },
        {"TOP 1 10",          "TOP",  true,  "1",            "10"},
        {"TOP 1",             "TOP",  false, "1",            ""  },
        {"PASS  two  words ", "PASS", true,  " two  words ", ""  },
        {"PASS",              "PASS", false, "",             ""  },
        {"PASS ",             "PASS", false, "",             ""  },
        {"AUTH PLAIN AAA=",   "AUTH", true,  "PLAIN AAA=",   ""  },
        {"QUIT",              "QUIT", true,  "",             ""  },
    };
    for (const auto& [line, want_name, want_well_formed, want_first, want_second] : cases) {
        SCOPED_TRACE(line);
        const Pop3Command* command = find_pop3_command(line);
        ASSERT_NE(command, nullptr);
        EXPECT_EQ(command->name, want_name);
        const Pop3Words words = words_of(*command, line);
        EXPECT_EQ(words.is_well_formed, want_well_formed);
        EXPECT_EQ(words.first, want_first);
        EXPECT_EQ(words.second, want_second);
    }
}

TEST(Pop3Commands, KnowsNoVerbButItsOwn) {
    for (const std::string_view line :
         {std::string_view(""),
          std::string_view(" "),
          std::string_view("APOP a b"),
          std::string_view("QUI"),
          std::string_view("QUITS"),
          std::string_view(" QUIT"),
          std::string_view("QUIT\t1"),
          std::string_view("QUIT\0", 5),
          std::string_view("GET / HTTP/1.1"),
          std::string_view("\x16\x03\x01")}) {
        SCOPED_TRACE(line);
        EXPECT_EQ(find_pop3_command(line), nullptr);
    }
}

TEST(Pop3Commands, AllowsEachInItsStatesOnly) {
    struct Case {
        std::string_view verb, want;  // a: AUTHORIZATION, t: TRANSACTION
    };
    const std::vector<Case> cases = {
        {"CAPA", "at"},
        {"USER", "a" },
        {"PASS", "a" },
        {"AUTH", "a" },
        {"STLS", "a" },
        {"UTF8", "a" },
        {"STAT", "t" },
        {"LIST", "t" },
        {"UIDL", "t" },
        {"RETR", "t" },
        {"TOP",  "t" },
        {"DELE", "t" },
        {"NOOP", "t" },
        {"RSET", "t" },
        {"QUIT", "at"},
    };
    for (const auto& [verb, want] : cases) {
        SCOPED_TRACE(verb);
        const Pop3Command* command = find_pop3_command(verb);
        ASSERT_NE(command, nullptr);
        std::string allowed;
        if (command->is_allowed_in(Pop3State::authorization)) allowed += 'a';
        if (command->is_allowed_in(Pop3State::transaction)) allowed += 't';
        EXPECT_EQ(allowed, want);
    }
}

}  // namespace
}  // namespace wicket
