#include "access/pop3_session.hpp"

#include "auth/base64.hpp"
#include "tests/unit/access/pop3_harness.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace wicket {
namespace {

using namespace std::string_literals;

const std::string first_message = "A: b\r\n\r\n.dot\r\ntwo\r\n";      // 19 octets
const std::string second_message = "Subject: \xC3\xA4\r\n\r\nx\r\n";  // 18 octets; downgraded 32
const std::string login = "USER a@b\r\nPASS secret\r\n";
const std::string greeting = "+OK pop.example.test Mailwicket POP3 ready\r\n";
const std::string welcome = "+OK send the password\r\n+OK the maildrop holds 2 messages\r\n";
const std::string refused = "-ERR [AUTH] the login name or the password is wrong\r\n";

void fill(Pop3Harness& harness) {
    harness.store.add(first_message);
    harness.store.add(second_message);
}

/// What the server says after greeting and login.
std::string said_after_login(const std::string& commands) {
    Pop3Harness harness;
    fill(harness);
    harness.run(login + commands);
    EXPECT_TRUE(harness.said.starts_with(greeting + welcome)) << harness.said;
    return harness.said.substr(std::min(harness.said.size(), (greeting + welcome).size()));
}

TEST(Pop3Session, AnswersEachCommandOfTheTransactionState) {
    struct Case {
        std::string_view name;
        std::string commands, want;
    };
    const std::vector<Case> cases = {
        {"STAT tells the sizes that are served", "STAT\r\n", "+OK 2 51\r\n"},
        {"LIST", "LIST\r\n", "+OK the list follows\r\n1 19\r\n2 32\r\n.\r\n"},
        {"LIST of one", "LIST 2\r\n", "+OK 2 32\r\n"},
        {"LIST of none", "LIST 3\r\n", "-ERR no such message\r\n"},
        {"UIDL", "UIDL\r\n", "+OK the list follows\r\n1 42.1\r\n2 42.2\r\n.\r\n"},
        {"UIDL of one", "UIDL 2\r\n", "+OK 2 42.2\r\n"},
        {"UIDL of far too many", "UIDL 1000000\r\n", "-ERR no such message\r\n"},
        {"RETR stuffs dots", "RETR 1\r\n", "+OK the message follows\r\nA: b\r\n\r\n..dot\r\ntwo\r\n.\r\n"},
        {"RETR downgrades",
         "RETR 2\r\n", "+OK the message follows\r\nSubject: =?utf-8?B?w6Q=?=\r\n\r\nx\r\n.\r\n"},
        {"RETR 0", "RETR 0\r\n", "-ERR no such message\r\n"},
        {"RETR of a negative number", "RETR -1\r\n", "-ERR no such message\r\n"},
        {"RETR of a huge number", "RETR 99999999999999999999999\r\n", "-ERR no such message\r\n"},
        {"TOP 0", "TOP 1 0\r\n", "+OK the top of the message follows\r\nA: b\r\n\r\n.\r\n"},
        {"TOP 1", "TOP 1 1\r\n", "+OK the top of the message follows\r\nA: b\r\n\r\n..dot\r\n.\r\n"},
        {"TOP 1e9",
         "TOP 1 1000000000\r\n", "+OK the top of the message follows\r\nA: b\r\n\r\n..dot\r\ntwo\r\n.\r\n"},
        {"TOP without a number", "TOP 1 x\r\n", "-ERR TOP needs a number of lines\r\n"},
        {"TOP with one argument", "TOP 1\r\n", "-ERR wrong number of arguments\r\n"},
        {"TOP of none", "TOP 9 1\r\n", "-ERR no such message\r\n"},
        {"DELE hides from everything",
         "DELE 1\r\nSTAT\r\nLIST\r\nUIDL\r\nRETR 1\r\nTOP 1 1\r\nLIST 1\r\nDELE 1\r\n", "+OK marked as deleted\r\n+OK 1 32\r\n+OK the list follows\r\n2 32\r\n.\r\n+OK the list "
         "follows\r\n2 42.2\r\n.\r\n"
         "-ERR that message is marked as deleted\r\n-ERR that message is marked as deleted\r\n"
         "-ERR that message is marked as deleted\r\n-ERR that message is marked as deleted\r\n"},
        {"RSET brings it back",
         "DELE 1\r\nRSET\r\nSTAT\r\n", "+OK marked as deleted\r\n+OK no message is marked as deleted\r\n+OK 2 51\r\n"},
        {"NOOP", "NOOP\r\n", "+OK nothing done\r\n"},
        {"lower case", "noop\r\n", "+OK nothing done\r\n"},
        {"nothing of the other state",
         "USER x\r\nPASS x\r\nUTF8\r\nSTLS\r\nAUTH PLAIN\r\n", "-ERR already logged in\r\n-ERR already logged in\r\n-ERR already logged in\r\n-ERR already logged "
         "in\r\n"
         "-ERR already logged in\r\n"},
        {"an unknown command",
         "XYZZY\r\n\r\nAPOP a b\r\n", "-ERR unknown command\r\n-ERR unknown command\r\n-ERR unknown command\r\n"},
        {"a bare LF", "NOOP\nNOOP\r\n", "-ERR lines end in CRLF\r\n+OK nothing done\r\n"},
        {"a line too long",
         std::string(300, 'x') + "\r\nNOOP\r\n",
         "-ERR line too long\r\n+OK nothing done\r\n"},
        {"QUIT", "QUIT\r\nNOOP\r\n", "+OK goodbye\r\n"},
    };
    for (const auto& [name, commands, want] : cases) {
        SCOPED_TRACE(name);
        EXPECT_EQ(said_after_login(commands), want);
    }
}

TEST(Pop3Session, LogsInByUserAndPassOrBySaslPlain) {
    const std::string good = encode_base64("\0a@b\0secret"s);
    const std::string bad = encode_base64("\0a@b\0wrong"s);
    struct Case {
        std::string_view name;
        std::string commands, want;
    };
    const std::vector<Case> cases = {
        {"USER and PASS", login, welcome},
        {"a wrong password",
         "USER a@b\r\nPASS wrong\r\nNOOP\r\n", "+OK send the password\r\n" + refused + "-ERR log in first\r\n"},
        {"PASS without USER", "PASS secret\r\n", "-ERR USER comes first\r\n"},
        {"PASS twice for one USER",
         "USER a@b\r\nPASS wrong\r\nPASS secret\r\n", "+OK send the password\r\n" + refused + "-ERR USER comes first\r\n"},
        {"USER without a name",
         "USER\r\nUSER  \r\n", "-ERR wrong number of arguments\r\n-ERR USER needs a name\r\n"},
        {"an initial response", "AUTH PLAIN " + good + "\r\n", "+OK the maildrop holds 2 messages\r\n"},
        {"a response on its own line",
         "auth plain\r\n" + good + "\r\n",
         "+ \r\n+OK the maildrop holds 2 messages\r\n"},
        {"a wrong response", "AUTH PLAIN " + bad + "\r\n", refused},
        {"a cancelled exchange",
         "AUTH PLAIN\r\n*\r\nNOOP\r\n", "+ \r\n-ERR cancelled\r\n-ERR log in first\r\n"},
        {"an empty response", "AUTH PLAIN =\r\n", "-ERR that is not a response of PLAIN\r\n"},
        {"not base64", "AUTH PLAIN\r\n!!\r\n", "+ \r\n-ERR that is not a response of PLAIN\r\n"},
        {"for somebody else",
         "AUTH PLAIN " + encode_base64("root\0a@b\0secret"s) + "\r\n",
         "-ERR [AUTH] nobody acts for others here\r\n"},
        {"another mechanism",
         "AUTH CRAM-MD5\r\nAUTH\r\n", "-ERR the only mechanism is PLAIN\r\n-ERR wrong number of arguments\r\n"},
        {"a response too long",
         "AUTH PLAIN\r\n" + std::string(sasl_plain_limit_octets + 4, 'A') + "\r\nQUIT\r\n",
         "+ \r\n-ERR line too long\r\n+OK goodbye\r\n"},
        {"a response longer than a command may be",
         "AUTH PLAIN\r\n" + encode_base64("\0"s + std::string(250, 'a') + "\0secret"s) + "\r\n",
         "+ \r\n+OK the maildrop holds 2 messages\r\n"},
        {"QUIT before the login", "QUIT\r\n", "+OK goodbye\r\n"},
        {"nothing of the other state",
         "STAT\r\nRETR 1\r\nDELE 1\r\n", "-ERR log in first\r\n-ERR log in first\r\n-ERR log in first\r\n"},
    };
    for (const auto& [name, commands, want] : cases) {
        SCOPED_TRACE(name);
        Pop3Harness harness;
        fill(harness);
        harness.run(commands);
        EXPECT_EQ(harness.said, greeting + want);
    }
}

TEST(Pop3Session, RefusesControlCharactersInCommands) {
    for (const std::string& line :
         {"USER a@b\0"s, "USER a@b\0x"s, "USER \x01"s + "a@b", "USER a@b\x7f"s, "USER\ta@b"s, "\0USER a@b"s
         }) {
        SCOPED_TRACE(line);
        Pop3Harness harness;
        fill(harness);
        harness.run(line + "\r\nPASS secret\r\nSTAT\r\n");
        EXPECT_TRUE(harness.said.starts_with(greeting + "-ERR control characters in a command\r\n-ERR "))
            << harness.said;
        EXPECT_EQ(harness.said.find("maildrop"), std::string::npos);
    }
}

TEST(Pop3Session, SaysWhyALoginFailsOnOurSide) {
    {
        Pop3Harness harness;
        harness.verdict = AuthVerdict::temporary;
        harness.run("USER a@b\r\nPASS x\r\n");
        EXPECT_TRUE(harness.said.contains("-ERR [SYS/TEMP] logins cannot be checked now, try again later\r\n")
        );
    }
    struct Case {
        ErrorCode code;
        std::string_view want;
    };
    for (const auto& [code, want] : {
             Case{ErrorCode::busy,        "-ERR [IN-USE] another session has this maildrop open\r\n"},
             Case{ErrorCode::unavailable, "-ERR [SYS/TEMP] this maildrop cannot be opened now\r\n"  },
             Case{ErrorCode::corrupt,     "-ERR [SYS/PERM] this maildrop is damaged\r\n"            }
    }) {
        SCOPED_TRACE(want);
        Pop3Harness harness;
        harness.store.lock_fails = code;
        harness.run(login + "NOOP\r\n");
        EXPECT_EQ(
            harness.said, greeting + "+OK send the password\r\n" + std::string(want) + "-ERR log in first\r\n"
        );
    }
}

TEST(Pop3Session, TakesPasswordsOnLoopbackOrUnderTlsOnly) {
    const std::string no = "-ERR [SYS/PERM] passwords are taken under TLS only, say STLS first\r\n";
    Pop3Harness plain;
    fill(plain);
    plain.channel = Pop3Channel::plain;
    plain.run({"USER a@b\r\nPASS secret\r\nAUTH PLAIN\r\nSTLS\r\n", login});
    EXPECT_EQ(plain.said, greeting + no + no + no + "+OK begin TLS\r\n[TLS]\r\n" + welcome);
    EXPECT_EQ(plain.logins, std::vector<std::string>{"a@b/secret"});
}

TEST(Pop3Session, TakesEveryPasswordThatAnAccountMayHave) {
    // By AUTH the longest there is, by PASS the longest that a command can hold; one more is refused.
    const std::string longest(password_limit_octets, 'p');
    const std::string message = std::string("\0", 1) + "a@b" + std::string("\0", 1) + longest;
    Pop3Harness by_auth;
    by_auth.run("AUTH PLAIN\r\n" + encode_base64(message) + "\r\n");
    EXPECT_EQ(by_auth.logins, std::vector<std::string>{"a@b/" + longest});

    const std::string fits(pop3_password_octets, 'p');
    Pop3Harness by_pass;
    by_pass.run("USER a@b\r\nPASS " + fits + "p\r\nPASS " + fits + "\r\n");
    EXPECT_EQ(by_pass.logins, std::vector<std::string>{"a@b/" + fits});
    EXPECT_NE(by_pass.said.find("-ERR line too long\r\n"), std::string::npos);
}

TEST(Pop3Session, TellsWhatItCanDo) {
    const std::string common =
        "TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\nUTF8 USER\r\n";
    const std::string last = "IMPLEMENTATION Mailwicket\r\n.\r\n";
    const std::string head = greeting + "+OK these are the capabilities\r\n" + common;
    struct Case {
        std::string_view name;
        Pop3Channel channel;
        bool offers_stls;
        std::string want;
    };
    const std::vector<Case> cases = {
        {"plain",                          Pop3Channel::plain,    true,  "STLS\r\n"                      },
        {"loopback",                       Pop3Channel::loopback, true,  "USER\r\nSASL PLAIN\r\nSTLS\r\n"},
        {"loopback without a certificate", Pop3Channel::loopback, false, "USER\r\nSASL PLAIN\r\n"        },
        {"TLS",                            Pop3Channel::tls,      true,  "USER\r\nSASL PLAIN\r\n"        },
    };
    for (const auto& [name, channel, offers_stls, want] : cases) {
        SCOPED_TRACE(name);
        Pop3Harness harness;
        harness.channel = channel;
        harness.options.offers_stls = offers_stls;
        harness.run("CAPA\r\n");
        EXPECT_EQ(harness.said, head + want + last);
    }
    EXPECT_FALSE(said_after_login("CAPA\r\n").contains("STLS"));
}

TEST(Pop3Session, DropsAConnectionThatSendsMoreBehindStls) {
    Pop3Harness harness;
    harness.channel = Pop3Channel::plain;
    harness.run("STLS\r\nUSER a@b\r\n");
    EXPECT_EQ(harness.said, greeting);
    EXPECT_TRUE(harness.is_closed);
    EXPECT_FALSE(harness.is_tls);

    Pop3Harness half;
    half.channel = Pop3Channel::plain;
    half.run("STLS\r\nU");
    EXPECT_TRUE(half.is_closed);
    EXPECT_FALSE(half.is_tls);
}

TEST(Pop3Session, ForgetsWhatWasSaidBeforeTls) {
    Pop3Harness harness;
    harness.run({"USER a@b\r\n", "STLS\r\n", "PASS secret\r\n", "STLS\r\n"});
    EXPECT_EQ(
        harness.said,
        greeting +
            "+OK send the password\r\n+OK begin TLS\r\n[TLS]\r\n-ERR USER comes first\r\n-ERR TLS is on "
            "already\r\n"
    );
    EXPECT_TRUE(harness.logins.empty());
}

TEST(Pop3Session, ServesHeadersInUtf8ToWhoAsks) {
    Pop3Harness harness;
    fill(harness);
    harness.run("UTF8\r\nSTLS\r\n" + login + "STAT\r\nLIST 2\r\nRETR 2\r\nTOP 2 0\r\n");
    EXPECT_EQ(
        harness.said,
        greeting + "+OK header fields come in UTF-8\r\n-ERR STLS comes before UTF8\r\n" + welcome +
            "+OK 2 37\r\n+OK 2 18\r\n+OK the message follows\r\n" + second_message +
            ".\r\n+OK the top of the message follows\r\nSubject: \xC3\xA4\r\n\r\n.\r\n"
    );
    EXPECT_EQ(harness.store.opened, 2) << "no message is measured";
}

TEST(Pop3Session, DeletesAtQuitAndAtNothingElse) {
    struct Case {
        std::string_view name, commands;
        std::vector<Uid> want;
    };
    const std::vector<Case> cases = {
        {"QUIT",                  "DELE 1\r\nQUIT\r\n",                   {2}   },
        {"QUIT without DELE",     "QUIT\r\n",                             {1, 2}},
        {"all of them",           "DELE 2\r\nDELE 1\r\nQUIT\r\n",         {}    },
        {"RSET before QUIT",      "DELE 1\r\nRSET\r\nDELE 2\r\nQUIT\r\n", {1}   },
        {"the client is gone",    "DELE 1\r\n",                           {1, 2}},
        {"QUIT without its CRLF", "DELE 1\r\nQUIT",                       {1, 2}},
        {"QUIT with an argument", "DELE 1\r\nQUIT now\r\n",               {1, 2}},
    };
    for (const auto& [name, commands, want] : cases) {
        SCOPED_TRACE(name);
        Pop3Harness harness;
        fill(harness);
        harness.run(login + std::string(commands));
        EXPECT_EQ(harness.store.uids(), want);
        EXPECT_FALSE(harness.store.is_locked());
    }
}

TEST(Pop3Session, SaysSoIfNothingCouldBeDeleted) {
    Pop3Harness harness;
    fill(harness);
    harness.store.expunge_fails = ErrorCode::no_space;
    harness.run(login + "DELE 1\r\nQUIT\r\n");
    EXPECT_TRUE(
        harness.said.ends_with("-ERR [SYS/TEMP] the messages could not be deleted, all are still there\r\n")
    );
    EXPECT_TRUE(harness.is_closed);
    EXPECT_EQ(harness.store.uids(), (std::vector<Uid>{1, 2}));
}

TEST(Pop3Session, SaysSoIfTheMaildropIsGone) {
    Pop3Harness harness;
    fill(harness);
    harness.store.expunge_fails = ErrorCode::not_found;
    harness.run(login + "DELE 1\r\nQUIT\r\n");
    EXPECT_TRUE(harness.said.ends_with("-ERR [SYS/PERM] the maildrop is gone, nothing was deleted\r\n"));
    EXPECT_TRUE(harness.is_closed);
}

TEST(Pop3Session, RefusesAMessageThatCannotBeRead) {
    struct Case {
        ErrorCode code;
        std::string_view want;
    };
    for (const auto& [code, want] : {
             Case{ErrorCode::corrupt,   "-ERR [SYS/PERM] that message is damaged\r\n"        },
             Case{ErrorCode::not_found, "-ERR [SYS/PERM] that message is gone\r\n"           },
             Case{ErrorCode::io,        "-ERR [SYS/TEMP] that message cannot be read now\r\n"},
             Case{ErrorCode::busy,      "-ERR [SYS/TEMP] that message cannot be read now\r\n"}
    }) {
        SCOPED_TRACE(want);
        Pop3Harness harness;
        fill(harness);
        harness.store.open_fails = code;
        harness.run(login + "RETR 1\r\nNOOP\r\n");
        EXPECT_TRUE(harness.said.ends_with(std::string(want) + "+OK nothing done\r\n")) << harness.said;
    }
    Pop3Harness harness;
    fill(harness);
    harness.store.open_fails = ErrorCode::io;
    harness.run(login + "STAT\r\nNOOP\r\n");
    EXPECT_TRUE(harness.said.ends_with("-ERR [SYS/TEMP] the sizes cannot be told now\r\n+OK nothing done\r\n")
    );
}

TEST(Pop3Session, ClosesAfterTwentyErrors) {
    Pop3Harness harness;
    std::string commands;
    for (int i = 0; i < 25; ++i)
        commands += "XYZZY\r\n";
    harness.run(commands);
    EXPECT_TRUE(harness.is_closed);
    std::string want = greeting;
    for (int i = 0; i < 20; ++i)
        want += "-ERR unknown command\r\n";
    EXPECT_EQ(harness.said, want);
}

TEST(Pop3Session, ClosesOnALineWithoutEnd) {
    Pop3Harness harness;
    harness.run(std::vector<std::string>(100, std::string(1000, 'x')));
    EXPECT_TRUE(harness.is_closed);
    EXPECT_EQ(harness.said, greeting + "-ERR line too long\r\n");
}

TEST(Pop3Session, WritesLongRepliesInParts) {
    Pop3Harness harness;
    for (int i = 0; i < 5000; ++i)
        harness.store.add("A: b\r\n\r\n");
    std::string commands = login + "UTF8\r\n";
    for (int i = 0; i < 20; ++i)
        commands += "UIDL\r\n";
    harness.run(commands);
    EXPECT_GT(harness.said.size(), 20U * 5000U * 8U);
    EXPECT_GT(harness.steps, 60) << "each step says some 16 KiB";
    EXPECT_TRUE(harness.said.ends_with("5000 42.5000\r\n.\r\n"));
}

TEST(Pop3Session, SaysTheSameHoweverTheOctetsArriveAndDeletesNothingWhenCut) {
    const std::string script = "CAPA\r\nUSER x\r\nPASS wrong\r\nAUTH PLAIN\r\n" +
                               encode_base64("\0a@b\0secret"s) +
                               "\r\nSTAT\r\nLIST\r\nUIDL 1\r\nRETR 1\r\nTOP 2 1\r\nDELE 1\r\nFOO\r\n" +
                               std::string(300, 'x') + "\r\nNOOP\r\nQUIT\r\n";
    Pop3Harness whole;
    fill(whole);
    whole.run(script);
    EXPECT_TRUE(whole.is_closed);
    EXPECT_EQ(whole.store.uids(), std::vector<Uid>{2});

    for (std::size_t cut = 0; cut <= script.size(); ++cut) {
        SCOPED_TRACE(cut);
        Pop3Harness split;
        fill(split);
        split.run({script.substr(0, cut), script.substr(cut)});
        EXPECT_EQ(split.said, whole.said);

        Pop3Harness cut_off;
        fill(cut_off);
        cut_off.run(script.substr(0, cut));
        EXPECT_TRUE(whole.said.starts_with(cut_off.said));
        EXPECT_EQ(cut_off.store.uids().size(), cut == script.size() ? 1U : 2U);
        EXPECT_FALSE(cut_off.store.is_locked());

        Pop3Harness garbled;
        fill(garbled);
        garbled.run({script.substr(0, cut), "\xFF\0\r\n\n\r"s, script.substr(cut)});
        EXPECT_FALSE(garbled.store.is_locked());
    }
}

}  // namespace
}  // namespace wicket
