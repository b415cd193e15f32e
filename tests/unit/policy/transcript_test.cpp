#include "policy/transcript.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

TEST(Transcript, HoldsTheGreetingAndTheLastTransaction) {
    Transcript transcript;
    transcript.said(0, {220, "", "mx.example.test ESMTP"});
    transcript.heard(5, "EHLO client.test");
    transcript.said(6, {250, "", "mx.example.test\nPIPELINING"});
    transcript.heard(7, "MAIL FROM:<a@b.test>");
    transcript.said(8, {250, "2.1.0", "Sender accepted"});
    transcript.heard(9, "RSET");
    transcript.said(9, {250, "2.0.0", "Reset"});
    transcript.heard(10, "mail FROM:<c@d.test>");
    transcript.said(4'000'000'000, {550, "5.7.1", "No\nand no"});
    EXPECT_EQ(
        transcript.text(),
        "S0 220\nC5 EHLO client.test\nS6 250\nC10 mail FROM:<c@d.test>\nS4000000000 550 5.7.1 No\n"
    );
    EXPECT_FALSE(transcript.is_reply_awaited());
    transcript.heard(11, ".");
    EXPECT_TRUE(transcript.is_reply_awaited());
    transcript.begin_anew();
    EXPECT_EQ(transcript.text(), "");
}

TEST(Transcript, IsBoundedAndSaysWhatIsMissing) {
    Transcript transcript;
    for (int i = 0; i < 1000; ++i)
        transcript.heard(1, "EHLO " + std::string(1000, 'x'));
    transcript.heard(2, "MAIL FROM:<>");
    for (int i = 0; i < 1000; ++i)
        transcript.heard(3, "RCPT TO:<alice@example.test>");
    EXPECT_LE(transcript.text().size(), transcript_greeting_octets + transcript_mail_octets);
    const auto lines = parse_transcript(transcript.text());
    EXPECT_EQ(lines.size() + transcript.left_out(), 2001U);
    EXPECT_LE(lines[0].text.size(), transcript_line_octets + 3);
}

TEST(Transcript, ALineCannotForgeAnother) {
    Transcript transcript;
    transcript.heard(1, "EHLO x\nS2 250 2.0.0\x1b[2J");
    const auto lines = parse_transcript(transcript.text());
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0].text, "EHLO x\\x0AS2 250 2.0.0\\x1B[2J");
}

TEST(Transcript, PassesOverWhatMakesNoSense) {
    const auto lines = parse_transcript("C1 a\n\nX2 b\nCx c\nS99999999999 d\nS3\nC4 e");
    ASSERT_EQ(lines.size(), 3U);
    EXPECT_EQ(lines[1].text, "");
    EXPECT_EQ(lines[1].milliseconds, 3U);
    EXPECT_EQ(lines[2].text, "e");
}

}  // namespace
}  // namespace wicket
