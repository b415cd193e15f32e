#include "receiver/session.hpp"

#include "tests/unit/receiver/dialog.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace wicket {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr std::string_view to_rcpt =
    "EHLO mx.sender.test\r\nMAIL FROM:<ann@sender.test>\r\nRCPT TO:<bob@example.test>\r\n";

/// A line of a dialogue: what is sent, and how the last of its replies begins.
struct Line {
    std::string say;
    std::string want;
};
using Script = std::vector<Line>;

std::string last_reply(const std::string& replies) {
    if (replies.size() < 2) return replies;
    const std::size_t before = replies.rfind("\r\n", replies.size() - 3);
    return before == std::string::npos ? replies : replies.substr(before + 2);
}

struct NamedScript {
    std::string name;
    Script script;
};

const std::vector<NamedScript>& scripts() {
    using namespace std::string_literals;
    static const std::vector<NamedScript> all = {
        {"a plain message",
         {{"HELO mx.sender.test\r\n", "250 mx.example.test\r\n"},
          {"MAIL FROM:<ann@sender.test>\r\n", "250 2.1.0 "},
          {"RCPT TO:<bob@example.test>\r\n", "250 2.1.5 "},
          {"DATA\r\n", "354 "},
          {"Subject: x\r\n\r\ny\r\n.\r\n", "250 2.0.0 Kept id=X"},
          {"QUIT\r\n", "221 2.0.0 "}}                               },
        {"commands out of order",
         {{"MAIL FROM:<a@sender.test>\r\n", "503 5.5.1 "},
          {"RCPT TO:<a@example.test>\r\n", "503 5.5.1 "},
          {"DATA\r\n", "503 5.5.1 "},
          {"STARTTLS\r\n", "503 5.5.1 "},
          {"EHLO x\r\n", "250 HELP"},
          {"RCPT TO:<a@example.test>\r\n", "503 5.5.1 "},
          {"MAIL FROM:<a@sender.test>\r\n", "250 2.1.0 "},
          {"MAIL FROM:<a@sender.test>\r\n", "503 5.5.1 "},
          {"DATA\r\n", "503 5.5.1 "},
          {"STARTTLS\r\n", "503 5.5.1 "},
          {"RSET\r\n", "250 2.0.0 "},
          {"RCPT TO:<a@example.test>\r\n", "503 5.5.1 "}}           },
        {"what is said beside mail",
         {{"NOOP\r\n", "250 2.0.0 "},
          {"NOOP whatever it is\r\n", "250 2.0.0 "},
          {"HELP\r\n", "214 2.0.0 "},
          {"VRFY bob\r\n", "252 2.0.0 "},
          {"VRFY\r\n", "501 5.5.4 "},
          {"EXPN staff\r\n", "502 5.5.1 "},
          {"ETRN example.test\r\n", "502 5.5.1 "},
          {"AUTH PLAIN AGEAYg==\r\n", "502 5.5.1 "},
          {"BOGUS\r\n", "500 5.5.1 "},
          {"\r\n", "500 5.5.1 "},
          {"RSET now\r\n", "501 5.5.4 "},
          {"QUIT now\r\n", "501 5.5.4 "},
          {"EHLO\r\n", "501 5.5.4 "},
          {"EHLO a b\r\n", "501 5.5.4 "},
          {"EHLO \xC3\xA9\r\n", "501 5.5.4 "},
          {"quit\r\n", "221 2.0.0 "}}                               },
        {"senders and their parameters",
         {{"EHLO x\r\n", "250 HELP"},
          {"MAIL FROM:<>\r\n", "250 2.1.0 "},
          {"RSET\r\n", "250 "},
          {"MAIL FROM: <a@sender.test> SIZE=1000 BODY=8BITMIME\r\n", "250 2.1.0 "},
          {"RSET\r\n", "250 "},
          {"mail from:<a@sender.test> size=0 body=7bit\r\n", "250 2.1.0 "},
          {"RSET\r\n", "250 "},
          {"MAIL FROM:a@sender.test\r\n", "501 5.1.7 "},
          {"MAIL FROM:<a b@sender.test>\r\n", "501 5.1.7 "},
          {"MAIL TO:<a@sender.test>\r\n", "501 5.5.4 "},
          {"MAIL FROM:<a@sender.test>SIZE=1\r\n", "501 5.5.4 "},
          {"MAIL FROM:<a@sender.test> SIZE=1 SIZE=1\r\n", "501 5.5.4 "},
          {"MAIL FROM:<a@sender.test> SIZE=-1\r\n", "501 5.5.4 "},
          {"MAIL FROM:<a@sender.test> SIZE\r\n", "501 5.5.4 "},
          {"MAIL FROM:<a@sender.test> SIZE=99999999999999999999\r\n", "552 5.3.4 "},
          {"MAIL FROM:<a@sender.test> SIZE=999999999999999999999\r\n", "501 5.5.4 "},
          {"MAIL FROM:<a@sender.test> SIZE=52428801\r\n", "552 5.3.4 "},
          {"MAIL FROM:<a@sender.test> BODY=BINARYMIME\r\n", "555 5.5.4 "},
          {"MAIL FROM:<a@sender.test> BODY=9BIT\r\n", "501 5.5.4 "},
          {"MAIL FROM:<a@sender.test> RET=HDRS ENVID=x\r\n", "555 5.5.4 "},
          {"MAIL FROM:<a@sender.test> REQUIRETLS\r\n", "555 5.5.4 "},
          {"RSET\r\n", "250 "}}                                     },
        {"addresses that are not ASCII",
         {{"EHLO x\r\n", "250 HELP"},
          {"MAIL FROM:<\xC3\xA4@sender.test> AUTH=<>\r\n", "555 5.5.4 "},
          {"MAIL FROM:<\xC3\xA4@sender.test>\r\n", "553 5.6.7 "},
          {"MAIL FROM:<\xC3@sender.test> SMTPUTF8\r\n", "501 5.1.7 "},
          {"MAIL FROM:<\xC3\xA4@sender.test> SMTPUTF8=1\r\n", "501 5.5.4 "},
          {"MAIL FROM:<a@sender.test>\r\n", "250 "},
          {"RCPT TO:<\xC3\xA4@example.test>\r\n", "553 5.6.7 "},
          {"RSET\r\n", "250 "},
          {"MAIL FROM:<\xC3\xA4@sender.test> SMTPUTF8\r\n", "250 "},
          {"RCPT TO:<\xC3\xA4@example.test>\r\n", "250 2.1.5 "}}    },
        {"recipients",
         {{"EHLO x\r\n", "250 HELP"},
          {"MAIL FROM:<spammer@sender.test>\r\n", "550 5.7.1 Refused by the visit id=X"},
          {"MAIL FROM:<a@sender.test>\r\n", "250 "},
          {"RCPT TO:<nobody@example.test>\r\n", "550 5.1.1 Refused by the visit id=X"},
          {"DATA\r\n", "554 5.5.1 "},
          {"RCPT TO:<later@example.test>\r\n", "451 4.3.0 "},
          {"RCPT TO:<Postmaster>\r\n", "250 2.1.5 "},
          {"RCPT TO:<>\r\n", "501 5.1.3 "},
          {"RCPT TO:bob@example.test\r\n", "501 5.1.3 "},
          {"RCPT TO:<bob@example.test> NOTIFY=NEVER\r\n", "555 5.5.4 "},
          {"RCPT TO:<bob@example.test> ORCPT=\r\n", "501 5.5.4 "},
          {"RCPT FROM:<bob@example.test>\r\n", "501 5.5.4 "},
          {"DATA\r\n", "354 "},
          {".\r\n", "250 2.0.0 Kept id=X"}}                         },
        {"a message in chunks",
         {{"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\n", "250 2.1.5 "},
          {"BDAT 11\r\nSubject: x\r", "250 2.0.0 11 octets"},
          {"DATA\r\n", "503 5.5.1 "},
          {"RCPT TO:<bob@example.test>\r\n", "503 5.5.1 "},
          {"BDAT 7\r\n\n\r\n.\r\nQ", "250 2.0.0 18 octets"},
          {"BDAT 0 LAST\r\n", "250 2.0.0 Kept id=X"},
          {"BDAT 0 LAST\r\n", "503 5.5.1 "}}                        },
        {"chunks that are refused",
         {{"BDAT 6\r\nQUIT\r\n", "503 5.5.1 "},
          {"EHLO x\r\nMAIL FROM:<>\r\n", "250 2.1.0 "},
          {"BDAT 6 LAST\r\nQUIT\r\n", "503 5.5.1 "},
          {"RCPT TO:<bob@example.test>\r\n", "250 2.1.5 "},
          {"BDAT 3\r\na\nb", "550 5.5.2 "},
          {"BDAT 6 LAST\r\nQUIT\r\n", "503 5.5.1 "},
          {"BDAT 18446744073709551615 LAST\r\n", "503 5.5.1 "}}     },
        {"lines that are not lines",
         {{"EHLO x\r\n", "250 HELP"},
          {"NOOP\nNOOP\r\n", "550 5.5.2 "},
          {"NO\rOP\r\n", "550 5.5.2 "},
          {"NOOP \0\r\n"s, "550 5.5.2 "},
          {"NOOP\n\r\n", "550 5.5.2 "},
          {"NOOP " + std::string(5000, 'x') + "\r\n", "500 5.5.2 "},
          {"NOOP " + std::string(2041, 'x') + "\r\n", "250 2.0.0 "},
          {"NOOP " + std::string(2042, 'x') + "\r\n", "500 5.5.2 "}}},
        {"TLS",
         {{"EHLO x\r\n", "250 HELP"},
          {"STARTTLS now\r\n", "501 5.5.4 "},
          {"STARTTLS\r\n", "220 2.0.0 "},
          {"MAIL FROM:<>\r\n", "503 5.5.1 "},
          {"EHLO x\r\n", "250 HELP"},
          {"STARTTLS\r\n", "503 5.5.1 "},
          {"MAIL FROM:<>\r\n", "250 2.1.0 "}}                       },
        {"the content that is refused",
         {{std::string(to_rcpt), "250 2.1.5 "},
          {"DATA\r\n", "354 "},
          {"a\nb\r\n.\r\n", "550 5.5.2 "},
          {"MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n", "354 "},
          {"a\0b\r\n.\r\n"s, "550 5.5.2 "},
          {"MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n", "354 "},
          {".\r\nMAIL FROM:<>\r\n", "250 2.1.0 "}}                  },
    };
    return all;
}

TEST(SmtpSession, AnswersAsTheScriptsSay) {
    for (const auto& [name, script] : scripts()) {
        SCOPED_TRACE(name);
        for (const bool is_slow : {false, true}) {
            SCOPED_TRACE(is_slow ? "octet by octet" : "whole lines");
            Dialog dialog;
            EXPECT_EQ(dialog.greeting, "220 mx.example.test ESMTP Mailwicket\r\n");
            for (const auto& [say, want] : script) {
                const std::string got = is_slow ? dialog.say_slowly(say) : dialog.say(say);
                ASSERT_FALSE(dialog.is_closed && &say != &script.back().say);
                ASSERT_THAT(last_reply(got), StartsWith(want)) << "to " << ::testing::PrintToString(say);
            }
        }
    }
}

/// Whatever was said, and wherever it stopped: no transaction is left open, and none is abandoned twice.
void expect_ended_in_order(const ScriptedVisit& visit) {
    bool is_open = false;
    for (const std::string& event : visit.events) {
        if (event.starts_with("mail ")) {
            EXPECT_FALSE(is_open);
            is_open = true;
        }
        if (event == "abandon" || event.starts_with("message ")) {
            EXPECT_TRUE(is_open);
            is_open = false;
        }
    }
    EXPECT_FALSE(is_open);
}

TEST(SmtpSession, EndsInOrderWhereverAScriptIsCut) {
    using namespace std::string_literals;
    const std::string garbage("\0\xFF\r\n\n.\r\n\x16\x03", 10);
    for (const auto& [name, script] : scripts()) {
        for (std::size_t steps = 0; steps <= script.size(); ++steps) {
            for (const std::string_view cut :
                 {"eof", "timeout", "drain", "error", "garbage", "half a line"}) {
                SCOPED_TRACE(name + " cut after " + std::to_string(steps) + ": " + std::string(cut));
                Dialog dialog;
                for (std::size_t i = 0; i < steps; ++i)
                    dialog.say(script[i].say);
                std::string last;
                if (cut == "half a line" && steps < script.size())
                    last = dialog.say(script[steps].say.substr(0, script[steps].say.size() / 2));
                if (cut == "garbage") {
                    for (int i = 0; i < 100; ++i)
                        last += dialog.say(garbage);
                }
                const bool was_closed = dialog.is_closed;
                if (cut == "timeout") dialog.session.interrupt(Interruption::timed_out);
                if (cut == "drain") dialog.session.interrupt(Interruption::draining);
                if (cut == "error") dialog.session.interrupt(Interruption::internal_error);
                if (!was_closed && (cut == "timeout" || cut == "drain" || cut == "error")) {
                    EXPECT_THAT(dialog.session.take_output(), StartsWith("421 4."));
                    std::string_view none;
                    EXPECT_TRUE(std::holds_alternative<CloseConnection>(dialog.session.next(none)));
                }
                EXPECT_THAT(codes_of(last), Not(HasSubstr("MALFORMED")));
                if (!was_closed) dialog.session.end();
                expect_ended_in_order(dialog.visit);
            }
        }
    }
}

TEST(SmtpSession, TellsWhatItOffers) {
    ReceiverOptions options = Dialog::default_options();
    options.xclient_networks = {IpNetwork::parse("198.51.100.0/24").value()};
    Dialog listed(options, "198.51.100.7");
    EXPECT_EQ(
        listed.say("EHLO x\r\n"),
        "250-mx.example.test\r\n250-PIPELINING\r\n250-SIZE "
        "52428800\r\n250-STARTTLS\r\n250-ENHANCEDSTATUSCODES\r\n"
        "250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n250-LIMITS RCPTMAX=1000\r\n"
        "250-XCLIENT NAME ADDR PORT HELO\r\n250 HELP\r\n"
    );
    options.offers_starttls = false;
    Dialog stranger(options, "203.0.113.7");
    const std::string offer = stranger.say("EHLO x\r\n");
    EXPECT_THAT(offer, Not(HasSubstr("STARTTLS")));
    EXPECT_THAT(offer, Not(HasSubstr("XCLIENT")));
    EXPECT_EQ(codes_of(stranger.say("STARTTLS\r\n")), "502");
}

TEST(SmtpSession, AnswersAPipelinedGroupInOrder) {
    Dialog dialog;
    dialog.say("EHLO x\r\n");
    EXPECT_EQ(
        codes_of(dialog.say(
            "MAIL FROM:<>\r\nRCPT TO:<nobody@example.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n"
        )),
        "250 550 250 354"
    );
    EXPECT_EQ(codes_of(dialog.say("a: b\r\n\r\n..c\r\n.\r\nRSET\r\nQUIT\r\n")), "250 250 221");
    EXPECT_THAT(dialog.visit.messages, ElementsAre("a: b\r\n\r\n.c\r\n"));
    EXPECT_FALSE(dialog.visit.saw("noticed unauthorised_pipelining"));
}

TEST(SmtpSession, HandsTheTranscriptCommandsAndRepliesButNoText) {
    Dialog dialog;
    dialog.say("EHLO mx.sender.test\r\nAUTH PLAIN c2VjcmV0\r\nc2VjcmV0\r\n");
    dialog.say(std::string(3000, 's') + "\r\n");
    dialog.say(
        "MAIL FROM:<ann@sender.test>\r\nRCPT TO:<nobody@example.test>\r\nRCPT TO:<bob@example.test>\r\n"
    );
    dialog.say("DATA\r\n");
    dialog.say("Subject: secret\r\n\r\nMAIL FROM:<secret@x.test>\r\n.\r\n");
    dialog.say("QUIT\r\n");
    EXPECT_EQ(
        dialog.visit.transcript,
        "S: 220\nC: EHLO mx.sender.test\nS: 250\nC: AUTH ...\nS: 502\nC: (no command)\nS: 500\n"
        "C: (no command)\nS: 500\nC: MAIL FROM:<ann@sender.test>\nS: 250\nC: RCPT TO:<nobody@example.test>\n"
        "S: 550\nC: RCPT TO:<bob@example.test>\nS: 250\nC: DATA\nS: 354\nC: .\nS: 250\nC: QUIT\nS: 221\n"
    );
}

TEST(SmtpSession, NoticesPipeliningThatWasNotOffered) {
    struct Case {
        std::string_view greeting, early;
    };
    // RFC 2920 section 3.1: some commands end a group, and wait for their reply also where pipelining is
    // offered.
    const Case cases[] = {
        {"",           "EHLO x\r\nMAIL FROM:<>\r\n"                    },
        {"",           "HELO x\r\nMAIL FROM:<>\r\n"                    },
        {"",           "RSET\r\nRSET\r\n"                              },
        {"HELO x\r\n", "MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\n"},
        {"EHLO x\r\n", "NOOP\r\nNOOP\r\n"                              },
        {"EHLO x\r\n", "VRFY x\r\nRSET\r\n"                            },
        {"EHLO x\r\n", "EXPN x\r\nRSET\r\n"                            },
        {"EHLO x\r\n", "HELP\r\nRSET\r\n"                              },
        {"EHLO x\r\n", "QUIT\r\nRSET\r\n"                              },
    };
    for (const Case& one : cases) {
        SCOPED_TRACE(one.early);
        Dialog dialog;
        dialog.say(one.greeting);
        dialog.say(one.early);
        EXPECT_EQ(std::ranges::count(dialog.visit.events, "noticed unauthorised_pipelining"), 1);
    }
    Dialog dialog;
    dialog.say("EHLO x\r\n");
    dialog.say("RSET\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nRSET\r\nNOOP\r\n");
    EXPECT_FALSE(dialog.visit.saw("noticed unauthorised_pipelining"));
}

TEST(SmtpSession, DropsWhoeverSendsTheMessageBefore354) {
    for (const std::string_view before : {to_rcpt, std::string_view("EHLO x\r\n"), std::string_view()}) {
        Dialog dialog;
        dialog.say(before);
        EXPECT_THAT(dialog.say("DATA\r\nRSET\r\nMAIL FROM:<>\r\n"), StartsWith("521 5.5.1 "));
        EXPECT_TRUE(dialog.is_closed);
        EXPECT_FALSE(dialog.visit.saw("mail <>"));
        expect_ended_in_order(dialog.visit);
    }
}

TEST(SmtpSession, NeverReadsWhatFollowsStarttls) {
    Dialog dialog;
    dialog.say("EHLO x\r\n");
    EXPECT_EQ(codes_of(dialog.say("STARTTLS\r\nMAIL FROM:<evil@sender.test>\r\n")), "521");
    EXPECT_TRUE(dialog.is_closed);
    EXPECT_FALSE(dialog.visit.saw("mail evil@sender.test"));
}

TEST(SmtpSession, HangsUpOnHttpAndTls) {
    for (const std::string_view line :
         {"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
          "POST / HTTP/1.1\r\n\r\nMAIL FROM:<>\r\n",
          "CONNECT mx:25 HTTP/1.1\r\n",
          "PROPFIND / HTTP/1.1\r\n",
          " GET /\r\n",
          "X / HTTP/2.0\r\n",
          "\x16\x03\x01\x02"}) {
        SCOPED_TRACE(line);
        Dialog dialog;
        EXPECT_THAT(dialog.say(line), StartsWith("521 5.5.1 "));
        EXPECT_TRUE(dialog.is_closed);
    }
}

TEST(SmtpSession, HangsUpOnHttpInALineThatIsAtFault) {
    using namespace std::string_literals;
    const std::string mail = std::string(to_rcpt) + "BDAT 6 LAST\r\na: b\r\n";
    const std::string path(3000, 'a');
    for (const std::string& request : {
             "POST /" + path + " HTTP/1.1\r\nHost: x\r\n\r\n",
             "GET /" + path + "\r\n",
             "PROPFIND /" + path + " HTTP/1.1\r\nHost: x\r\n\r\n",
             "GET / HTTP/1.1\nHost: x\r\n\r\n"s,
             "PROPFIND / HTTP/1.1\nHost: x\n\n"s,
             "\nGET / HTTP/1.1\r\n"s,
             "GET / HTTP/1.1\0\r\n"s,
         }) {
        for (const bool is_slow : {false, true}) {
            SCOPED_TRACE(request.substr(0, 40) + (is_slow ? " octet by octet" : ""));
            Dialog dialog;
            const std::string got = is_slow ? dialog.say_slowly(request + mail) : dialog.say(request + mail);
            EXPECT_THAT(last_reply(got), StartsWith("521 5.5.1 "));
            EXPECT_TRUE(dialog.is_closed);
            EXPECT_TRUE(dialog.visit.messages.empty());
        }
    }
}

TEST(SmtpSession, AnswersAtOnceWhoeverEndsLinesWithLfAlone) {
    Dialog dialog;
    EXPECT_THAT(dialog.say("EHLO x\n"), StartsWith("550 5.5.2 "));
    // All of it is one line, with one reply, and nothing in it is a command.
    EXPECT_EQ(dialog.say("MAIL FROM:<>\n"), "");
    EXPECT_EQ(dialog.say("MAIL FROM:<>\r\n"), "");
    EXPECT_EQ(codes_of(dialog.say("EHLO x\r\nMAIL FROM:<>\r\n")), "250 250");
    EXPECT_EQ(std::ranges::count(dialog.visit.events, "mail <>"), 1);
}

TEST(SmtpSession, EndsAfterTooManyErrors) {
    for (const std::string line : {"BOGUS\r\n", "MAIL FROM:<>\r\n", "EHLO\r\n", "\n\r\n"}) {
        SCOPED_TRACE(line);
        Dialog dialog;
        for (int i = 0; i < 19; ++i)
            dialog.say(line);
        EXPECT_FALSE(dialog.is_closed);
        const std::string last = dialog.say(line);
        EXPECT_THAT(last_reply(last), StartsWith("421 4.7.0 "));
        EXPECT_THAT(last, StartsWith("5"));
        EXPECT_TRUE(dialog.is_closed);
    }
}

TEST(SmtpSession, EndsAfterTooManyCommandsWithoutMail) {
    for (const std::string line :
         {"NOOP\r\n", "RSET\r\n", "VRFY x\r\n", "HELP\r\n", "EHLO x\r\n", "BDAT 0\r\n"}) {
        SCOPED_TRACE(line);
        Dialog dialog;
        if (line.starts_with("BDAT")) dialog.say(to_rcpt);
        int count = 0;
        std::string last;
        while (!dialog.is_closed && count < 2000) {
            last = dialog.say(line);
            ++count;
        }
        EXPECT_LE(count, 1000);
        EXPECT_GE(count, 999);
        EXPECT_THAT(last_reply(last), StartsWith("421 4.7.0 "));
        expect_ended_in_order(dialog.visit);
    }
}

TEST(SmtpSession, StaysWithAClientThatHasMuchMail) {
    Dialog dialog;
    for (int i = 0; i < 1500; ++i) {
        dialog.say("EHLO x\r\n");
        dialog.say("MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n");
        ASSERT_EQ(codes_of(dialog.say("a: b\r\n.\r\nRSET\r\n")), "250 250") << i;
    }
}

TEST(SmtpSession, SendsRepliesBeforeTheyPileUp) {
    Dialog dialog;
    std::string commands;
    for (int i = 0; i < 900; ++i)
        commands += "NOOP\r\n";
    std::string_view input = commands;
    std::size_t most = 0;
    std::size_t replies = 0;
    while (true) {
        const SmtpStep step = dialog.session.next(input);
        const std::string output = dialog.session.take_output();
        most = std::max(most, output.size());
        replies += static_cast<std::size_t>(std::ranges::count(output, '\n'));
        if (!std::holds_alternative<SendReplies>(step)) break;
    }
    EXPECT_EQ(replies, 900U);
    EXPECT_LT(most, 20000U);
}

TEST(SmtpSession, LimitsRecipientsAndRecordsItOnce) {
    ReceiverOptions options = Dialog::default_options();
    options.limits.recipients = 100;
    Dialog dialog(options);
    dialog.say("EHLO x\r\nMAIL FROM:<>\r\n");
    for (int i = 0; i < 100; ++i)
        ASSERT_EQ(codes_of(dialog.say("RCPT TO:<u" + std::to_string(i) + "@example.test>\r\n")), "250");
    const std::size_t events = dialog.visit.events.size();
    for (int i = 0; i < 5000; ++i)
        ASSERT_THAT(dialog.say("RCPT TO:<bob@example.test>\r\n"), StartsWith("452 4.5.3 "));
    EXPECT_EQ(dialog.visit.events.size(), events + 1);
    EXPECT_EQ(dialog.visit.events.back(), "refused rcpt limit 452");
    EXPECT_EQ(codes_of(dialog.say("DATA\r\n")), "354");
}

TEST(SmtpSession, KeepsTheLimitsOfTheMessage) {
    ReceiverOptions options = Dialog::default_options();
    options.limits.size_octets = 100;
    options.limits.hops = 1;
    options.limits.header_lines = 5;
    options.limits.text_line_octets = 80;
    struct Case {
        std::string name, message, want;
    };
    const std::vector<Case> cases = {
        {"size", std::string(60, 'x') + "\r\n" + std::string(60, 'x'), "552 5.3.4 "},
        {"hops", "Received: a\r\nReceived: b", "554 5.4.6 "},
        {"header", "a\r\na\r\na\r\na\r\na\r\na", "552 5.3.4 "},
        {"line", std::string(79, 'x'), "554 5.6.0 "},
    };
    for (const auto& [name, message, want] : cases) {
        SCOPED_TRACE(name);
        Dialog dialog(options);
        dialog.say(to_rcpt);
        dialog.say("DATA\r\n");
        EXPECT_THAT(dialog.say(message + "\r\n.\r\n"), StartsWith(want));
        EXPECT_TRUE(dialog.visit.saw("refused end limit " + want.substr(0, 3)));
        EXPECT_EQ(dialog.budget.memory_octets(), 0U);
        // The same in chunks, where the size is known at once.
        dialog.say("MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\n");
        const std::string chunk = message + "\r\n";
        EXPECT_THAT(
            dialog.say("BDAT " + std::to_string(chunk.size()) + " LAST\r\n" + chunk),
            StartsWith(want.substr(0, 3))
        );
        expect_ended_in_order(dialog.visit);
    }
}

TEST(SmtpSession, RefusesTheChunkThatPassesTheSizeLimitAndReadsOn) {
    ReceiverOptions options = Dialog::default_options();
    options.limits.size_octets = 10;
    Dialog dialog(options);
    dialog.say(to_rcpt);
    EXPECT_EQ(codes_of(dialog.say("BDAT 8\r\na: b\r\n\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")), "250 552 250");
    dialog.say("MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\n");
    // Up to twice the limit is passed over, so that the reply is read; of more the driver reads a part.
    EXPECT_EQ(codes_of(dialog.say("BDAT 21 LAST\r\n" + std::string(21, 'x') + "NOOP\r\n")), "552 250");
    EXPECT_FALSE(dialog.session.is_text_unread());
    dialog.say("MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\n");
    EXPECT_EQ(codes_of(dialog.say("BDAT 22 LAST\r\n")), "552");
    EXPECT_TRUE(dialog.is_closed);
    EXPECT_TRUE(dialog.session.is_text_unread());
}

TEST(SmtpSession, ReadsAMessageThatIsTooLargeUpToTwiceTheLimit) {
    ReceiverOptions options = Dialog::default_options();
    options.limits.size_octets = 10;
    for (const std::string_view line : {"0123456789x\r\n", "a\nb\r\n"}) {
        SCOPED_TRACE(line);
        Dialog dialog(options);
        dialog.say(to_rcpt);
        dialog.say("DATA\r\n");
        EXPECT_EQ(dialog.say(line), "");
        std::string got;
        int lines = 0;
        for (; !dialog.is_closed && lines < 100; ++lines)
            got += dialog.say("x\r\n");
        EXPECT_LT(lines, 10);
        EXPECT_EQ(codes_of(got), line.starts_with('0') ? "552" : "550");
        EXPECT_TRUE(dialog.session.is_text_unread());
        expect_ended_in_order(dialog.visit);
    }
}

TEST(SmtpSession, TakesNothingBehindABadChunkSizeForCommands) {
    using namespace std::string_literals;
    const std::pair<std::string, std::string> cases[] = {
        {"BDAT 0x6\r\n", "501"},
        {"BDAT\r\n", "501"},
        {"BDAT -1\r\n", "501"},
        {"BDAT +1\r\n", "501"},
        {"BDAT abc\r\n", "501"},
        {"BDAT 1 LASTLY\r\n", "501"},
        {"BDAT 18446744073709551616\r\n", "552"},
        {"BDAT 18446744073709551616 LAST\r\n", "552"},
        {"BDAT\t6\r\n", "500"},
        {" BDAT 6\r\n", "500"},
        {"BDAT 6" + std::string(3000, ' ') + "\r\n", "500"},
        {"BDAT 6\0\r\n"s, "550"},
        {"BDAT 6\n", "550"},
    };
    for (const auto& [line, want] : cases) {
        SCOPED_TRACE(line);
        Dialog dialog;
        dialog.say(to_rcpt);
        EXPECT_EQ(codes_of(dialog.say("BDAT 4\r\na: b")), "250");
        EXPECT_EQ(codes_of(dialog.say(line)), want);
        // What comes later is no command either, and no rest of the message.
        EXPECT_EQ(dialog.say("RSET\r\n"), "");
        EXPECT_TRUE(dialog.is_closed);
        EXPECT_TRUE(dialog.session.is_text_unread());
        EXPECT_TRUE(dialog.visit.messages.empty());
        expect_ended_in_order(dialog.visit);
    }
}

TEST(SmtpSession, SharesTheBudgetOfAllSessions) {
    Dialog dialog;
    dialog.budget = ByteBudget(100, 0);
    EXPECT_EQ(
        codes_of(dialog.say(
            "EHLO x\r\nMAIL FROM:<> SIZE=101\r\nMAIL FROM:<> SIZE=100\r\nRCPT TO:<bob@example.test>\r\n"
        )),
        "250 452 250 250"
    );
    EXPECT_EQ(codes_of(dialog.say("DATA\r\n")), "354");
    EXPECT_EQ(codes_of(dialog.say("a: b\r\n\r\n" + std::string(60, 'x') + "\r\n")), "");
    EXPECT_EQ(dialog.budget.memory_octets(), 70U);
    EXPECT_EQ(dialog.say(std::string(60, 'x') + "\r\n"), "");
    EXPECT_EQ(dialog.budget.memory_octets(), 0U) << "held while the rest of a message comes that has no room";
    EXPECT_THAT(dialog.say(".\r\n"), StartsWith("452 4.3.1 "));
    EXPECT_EQ(dialog.budget.memory_octets(), 0U);
}

TEST(SmtpSession, FindsRoomForTheLastChunkOfAMessageThatFillsTheBudget) {
    Dialog dialog;
    dialog.budget = ByteBudget(100, 0);
    dialog.say(to_rcpt);
    EXPECT_THAT(dialog.say("BDAT 90\r\na: b\r\n\r\n" + std::string(80, 'x') + "\r\n"), StartsWith("250 "));
    EXPECT_THAT(dialog.say("BDAT 10 LAST\r\n" + std::string(8, 'x') + "\r\n"), StartsWith("250 "));
}

TEST(SmtpSession, GivesTheBudgetBackWithTheLastOwnerOfTheMessage) {
    Dialog dialog;
    dialog.say(to_rcpt);
    dialog.say("DATA\r\n");
    std::string_view input = "a: b\r\n.\r\n";
    auto step = dialog.session.next(input);
    SharedMessage message = std::get<AskMessage>(step).message;
    dialog.session.answer_message({
        {250, "2.0.0", "Kept id=X"}
    });
    step = ReadOctets{};
    EXPECT_EQ(dialog.budget.memory_octets(), 6U);
    message.reset();
    EXPECT_EQ(dialog.budget.memory_octets(), 0U);
}

TEST(SmtpSession, NormalisesBareNewlinesWhereItMay) {
    ReceiverOptions options = Dialog::default_options();
    options.bare_newline = BareNewline::normalize;
    Dialog dialog(options);
    dialog.say(to_rcpt);
    dialog.say("DATA\r\n");
    EXPECT_EQ(codes_of(dialog.say("a: b\n\nx\n.\nMAIL FROM:<evil@sender.test>\r\n.\r\n")), "250");
    EXPECT_THAT(dialog.visit.messages, ElementsAre("a: b\r\n\r\nx\r\n.\r\nMAIL FROM:<evil@sender.test>\r\n"));
}

TEST(SmtpSession, AnswersForTheVisit) {
    Dialog dialog;
    dialog.visit.helo_answer = ScriptedVisit::refuse(550, "5.7.1");
    EXPECT_EQ(codes_of(dialog.say("EHLO x\r\n")), "550");
    EXPECT_EQ(codes_of(dialog.say("MAIL FROM:<>\r\n")), "503");
    dialog.visit.helo_answer = {};
    dialog.say(to_rcpt);
    dialog.visit.data_answer = ScriptedVisit::refuse(450, "4.7.1");
    EXPECT_EQ(codes_of(dialog.say("DATA\r\n")), "450");
    EXPECT_EQ(
        codes_of(dialog.say("MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nBDAT 6 LAST\r\nQUIT\r\n")),
        "250 250 450"
    );
    EXPECT_EQ(codes_of(dialog.say("MAIL FROM:<>\r\nRCPT TO:<trap@example.test>\r\nNOOP\r\n")), "250 550");
    EXPECT_TRUE(dialog.is_closed);
    expect_ended_in_order(dialog.visit);
}

TEST(SmtpSession, WaitsForQuitAfterARefusalInsteadOfTheBanner) {
    Dialog dialog;
    ScriptedVisit visit;
    visit.on_connected = [] { return ScriptedVisit::refuse(554, "5.7.1"); };
    SmtpSession session(
        dialog.options, dialog.budget, visit, Dialog::peer_at("192.0.2.1"), SmtpSession::Tls::off
    );
    std::string_view input;
    session.next(input);
    session.answer(visit.answer_connected());
    // The six octets of the chunk are no command.
    input = "EHLO x\r\nMAIL FROM:<>\r\nBDAT 6\r\nQUIT\r\nNOOP\r\nQUIT\r\n";
    EXPECT_TRUE(std::holds_alternative<CloseConnection>(session.next(input)));
    EXPECT_EQ(codes_of(session.take_output()), "554 503 503 503 503 221");
}

TEST(SmtpSession, ForgetsEverythingUnderTls) {
    Dialog dialog;
    dialog.say("EHLO x\r\n");
    dialog.say("STARTTLS\r\n");
    EXPECT_TRUE(dialog.visit.saw("tls TLSv1.3"));
    EXPECT_EQ(codes_of(dialog.say("RCPT TO:<bob@example.test>\r\nMAIL FROM:<>\r\n")), "503 503");
    EXPECT_THAT(dialog.say("EHLO x\r\n"), Not(HasSubstr("STARTTLS")));
}

TEST(SmtpSession, BelievesXclientFromListedNetworksOnly) {
    ReceiverOptions options = Dialog::default_options();
    options.xclient_networks = {IpNetwork::parse("198.51.100.0/24").value()};
    Dialog stranger(options, "203.0.113.7");
    stranger.say("EHLO x\r\n");
    EXPECT_THAT(stranger.say("XCLIENT ADDR=192.0.2.9\r\n"), StartsWith("550 5.7.0 "));
    EXPECT_FALSE(stranger.visit.saw("peer 192.0.2.9"));
    EXPECT_TRUE(stranger.visit.saw("refused helo protocol 550"));

    Dialog dialog(options, "198.51.100.7");
    EXPECT_EQ(codes_of(dialog.say("XCLIENT ADDR=192.0.2.9\r\n")), "503");
    dialog.say("EHLO x\r\nMAIL FROM:<>\r\n");
    EXPECT_EQ(codes_of(dialog.say("XCLIENT ADDR=192.0.2.9\r\n")), "503");
    dialog.say("RSET\r\n");
    for (const std::string bad :
         {"",
          "ADDR",
          "ADDR=",
          "ADDR=1.2.3",
          "ADDR=2001:db8::1",
          "ADDR=IPV6:zz",
          "PORT=65536",
          "PORT=x",
          "NAME=a+0",
          "NAME=a+0Ab",
          "NAME=a/b",
          "HELO=+00",
          "LOGIN=x"}) {
        SCOPED_TRACE(bad);
        EXPECT_THAT(dialog.say("XCLIENT " + bad + "\r\n"), StartsWith("501 5.5.4 "));
    }
    EXPECT_EQ(
        dialog.say("XCLIENT ADDR=IPV6:2001:db8::5 NAME=a+2Esender.test PORT=99 HELO=h\r\n"),
        "220 mx.example.test ESMTP Mailwicket\r\n"
    );
    EXPECT_EQ(dialog.visit.last_peer.ip.to_string(), "2001:db8::5");
    EXPECT_EQ(dialog.visit.last_peer.claimed_name, "a.sender.test");
    EXPECT_EQ(dialog.visit.last_peer.claimed_helo, "h");
    EXPECT_EQ(dialog.visit.last_peer.port, 99);
    EXPECT_EQ(codes_of(dialog.say("MAIL FROM:<>\r\n")), "503");
    // The right to XCLIENT is the connection's, and an address that is not known lends no right.
    dialog.say("EHLO x\r\n");
    EXPECT_EQ(
        codes_of(dialog.say("XCLIENT ADDR=[UNAVAILABLE] NAME=[TEMPUNAVAIL] HELO=[UNAVAILABLE]\r\n")), "220"
    );
    EXPECT_EQ(dialog.visit.last_peer.ip_known, AddressKnown::no);
    EXPECT_EQ(dialog.visit.last_peer.ip, IpAddress());
    EXPECT_EQ(dialog.visit.last_peer.claimed_name, "[TEMPUNAVAIL]");
    EXPECT_EQ(dialog.visit.last_peer.claimed_helo, "");
}

TEST(SmtpSession, XclientTellsWhatIsNotKnownForNow) {
    ReceiverOptions options = Dialog::default_options();
    options.xclient_networks = {*IpNetwork::parse("192.0.2.0/24")};
    Dialog dialog(options);
    dialog.say("EHLO relay\r\n");
    EXPECT_EQ(
        codes_of(dialog.say("XCLIENT ADDR=[TEMPUNAVAIL] NAME=[TEMPUNAVAIL] PORT=[TEMPUNAVAIL]\r\n")), "220"
    );
    EXPECT_EQ(dialog.visit.last_peer.ip_known, AddressKnown::not_for_now);
    EXPECT_EQ(dialog.visit.last_peer.port, 0);
    dialog.say("EHLO relay\r\n");
    EXPECT_EQ(codes_of(dialog.say("XCLIENT ADDR=192.0.2.9\r\n")), "220");
    EXPECT_EQ(dialog.visit.last_peer.ip_known, AddressKnown::yes);
}

TEST(SmtpSession, TheHeloOfXclientStandsForThatOfTheRelay) {
    ReceiverOptions options = Dialog::default_options();
    options.xclient_networks = {*IpNetwork::parse("192.0.2.0/24")};
    Dialog dialog(options);
    dialog.say("EHLO relay\r\nXCLIENT HELO=client.sender.test\r\n");
    EXPECT_EQ(codes_of(dialog.say("EHLO relay\r\n")), "250");
    EXPECT_EQ(dialog.visit.events.back(), "ehlo client.sender.test");
    dialog.say("XCLIENT ADDR=192.0.2.9\r\nHELO relay\r\n");
    EXPECT_EQ(dialog.visit.events.back(), "helo relay");
}

TEST(SmtpSession, AClientOfXclientMayBeTurnedAwayByTheLimits) {
    ReceiverOptions options = Dialog::default_options();
    options.xclient_networks = {*IpNetwork::parse("192.0.2.0/24")};
    Dialog dialog(options);
    dialog.turned_away = "too many connections from your address";
    dialog.say("EHLO relay\r\n");
    EXPECT_EQ(
        dialog.say("XCLIENT ADDR=203.0.113.9\r\nEHLO x\r\n"),
        "421 4.7.0 too many connections from your address\r\n"
    );
    EXPECT_TRUE(dialog.is_closed);
    EXPECT_FALSE(dialog.visit.saw("peer 203.0.113.9"));
}

TEST(SmtpSession, RepliesThatFollowFromARefusalCarryAnId) {
    ReceiverOptions options = Dialog::default_options();
    options.limits.recipients = 1;
    Dialog dialog(options);
    dialog.say("EHLO x\r\nMAIL FROM:<>\r\n");
    EXPECT_THAT(dialog.say("RCPT TO:<nobody@example.test>\r\n"), StartsWith("550 "));
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(dialog.say("RCPT TO:<bob@example.test>\r\n"), "452 4.5.3 Too many recipients id=X\r\n");
    EXPECT_EQ(std::ranges::count(dialog.visit.events, "refused rcpt limit 452"), 1);
    EXPECT_EQ(dialog.say("DATA\r\n"), "554 5.5.1 No valid recipients id=X\r\n");
    EXPECT_TRUE(dialog.visit.saw("following 554"));
}

TEST(SmtpSession, AfterRefusalsForNowDataIsRefusedForNow) {
    Dialog dialog;
    dialog.say("EHLO x\r\nMAIL FROM:<>\r\n");
    EXPECT_EQ(codes_of(dialog.say("RCPT TO:<later@example.test>\r\nDATA\r\n")), "451 451");
    EXPECT_EQ(codes_of(dialog.say("RCPT TO:<nobody@example.test>\r\nDATA\r\n")), "550 554");
    EXPECT_EQ(codes_of(dialog.say("RSET\r\nMAIL FROM:<>\r\n")), "250 250");
    EXPECT_EQ(
        dialog.say("RCPT TO:<later@example.test>\r\nDATA\r\n"),
        "451 4.3.0 Refused by the visit id=X\r\n451 4.5.1 No valid recipients for now id=X\r\n"
    );
}

TEST(SmtpSession, ClosesAfterAMessageWhoseSenderIsToBeDisconnected) {
    for (const bool disconnects : {false, true}) {
        Dialog dialog;
        dialog.visit.disconnects_after_message = disconnects;
        dialog.visit.on_message = [] { return SmtpReply{550, "5.7.1", "Refused id=X"}; };
        dialog.say(to_rcpt);
        dialog.say("DATA\r\n");
        EXPECT_EQ(codes_of(dialog.say("a: b\r\n.\r\nNOOP\r\n")), disconnects ? "550" : "550 250");
        EXPECT_EQ(dialog.is_closed, disconnects);
        expect_ended_in_order(dialog.visit);
    }
}

TEST(SmtpSession, AMessageThatIsTooSlowIsRefusedOnTheRecord) {
    for (const std::string_view begin : {"DATA\r\n", "BDAT 99\r\n"}) {
        SCOPED_TRACE(begin);
        Dialog dialog;
        dialog.say("EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\n");
        dialog.say(begin);
        dialog.say("text");
        dialog.session.interrupt(Interruption::too_slow);
        EXPECT_EQ(dialog.session.take_output(), "421 4.4.2 Too slow id=X\r\n");
        EXPECT_EQ(dialog.visit.events.back(), "refused data limit 421");
    }
    Dialog between;
    between.say("EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nBDAT 1\r\na");
    between.session.interrupt(Interruption::too_slow);
    EXPECT_EQ(between.visit.events.back(), "refused data limit 421");
    Dialog dialog;
    dialog.say("EHLO x\r\nMAIL FROM:<>\r\n");
    dialog.session.interrupt(Interruption::timed_out);
    EXPECT_EQ(dialog.session.take_output(), "421 4.4.2 Timed out id=X\r\n");
    EXPECT_EQ(dialog.visit.events.back(), "following 421");
}

TEST(SmtpSession, EchoesNothingOfWhatItRefuses) {
    for (const std::string line :
         {"EHLO \x1B[31m\r\n",
          "ATTACK\r\n",
          "MAIL FROM:<ATTACK\r\n",
          "BDAT ATTACK\r\n",
          "VRFY ATTACK\r\n",
          "NOOP ATTACK\r\n",
          "HELP ATTACK\r\n"}) {
        Dialog dialog;
        const std::string got = dialog.say(line);
        EXPECT_THAT(got, Not(HasSubstr("ATTACK")));
        EXPECT_THAT(got, Not(HasSubstr("\x1B")));
    }
}

TEST(SmtpSession, PassesWhatMailSaidToTheVisit) {
    Dialog dialog;
    dialog.say("EHLO x\r\nMAIL FROM:<a@Sender.Test> SIZE=123 BODY=8BITMIME SMTPUTF8\r\n");
    const MailArguments& mail = dialog.visit.last_mail;
    EXPECT_EQ(mail.from->to_string(), "a@sender.test");
    EXPECT_EQ(mail.declared_size, 123U);
    EXPECT_TRUE(mail.is_8bit);
    EXPECT_TRUE(mail.is_smtputf8);
    dialog.say("RSET\r\nMAIL FROM:<>\r\n");
    EXPECT_FALSE(dialog.visit.last_mail.from);
    EXPECT_FALSE(dialog.visit.last_mail.is_8bit);
}

TEST(SmtpSession, KnowsWhenItMayBeLeft) {
    Dialog dialog;
    EXPECT_TRUE(dialog.session.is_idle());
    dialog.say("EH");
    EXPECT_FALSE(dialog.session.is_idle());
    EXPECT_EQ(dialog.session.awaiting(), Awaiting::command_rest);
    dialog.say("LO x\r\n");
    EXPECT_TRUE(dialog.session.is_idle());
    EXPECT_EQ(dialog.session.awaiting(), Awaiting::command);
    dialog.say("MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\n");
    EXPECT_FALSE(dialog.session.is_idle());
    dialog.say("DATA\r\n");
    EXPECT_EQ(dialog.session.awaiting(), Awaiting::data);
    dialog.say("x");
    EXPECT_EQ(dialog.session.awaiting(), Awaiting::data_rest);
    dialog.say("\r\n.\r\n");
    EXPECT_TRUE(dialog.session.is_idle());
}

TEST(SmtpSession, IsSmallWhileItWaits) {
    // An idle session may cost 8 KiB in all, most of it outside of ours.
    EXPECT_LE(sizeof(SmtpSession), 1024U);
}

}  // namespace
}  // namespace wicket
