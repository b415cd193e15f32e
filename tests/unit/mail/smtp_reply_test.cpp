#include "mail/smtp_reply.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

TEST(SmtpReply, GoesOutWithItsCodesOnEveryLine) {
    struct Row {
        SmtpReply reply;
        std::string_view want;
    };
    const Row table[] = {
        {{250, "2.0.0", "ok"},                "250 2.0.0 ok\r\n"                                      },
        {{220, "", "mx.example ESMTP"},       "220 mx.example ESMTP\r\n"                              },
        {{550, "5.7.1", "no\nbecause\nfix"},  "550-5.7.1 no\r\n550-5.7.1 because\r\n550 5.7.1 fix\r\n"},
        {{250, "", "mx.example\nPIPELINING"}, "250-mx.example\r\n250 PIPELINING\r\n"                  },
        {{250, "2.0.0", ""},                  "250 2.0.0\r\n"                                         },
        {{354, "", ""},                       "354 \r\n"                                              },
    };
    for (const Row& row : table) {
        SCOPED_TRACE(row.want);
        EXPECT_EQ(row.reply.to_wire(), row.want);
    }
    EXPECT_TRUE((SmtpReply{354, "", ""}).is_positive());
    EXPECT_FALSE((SmtpReply{421, "", ""}).is_positive());
}

TEST(SmtpReply, FoldsLongLinesBetweenWordsAndCharacters) {
    std::string words, solid, utf8;
    for (int count = 0; count < 400; ++count) {
        words += "word ";
        solid += "solid";
        utf8 += "äö";
    }
    words.pop_back();
    for (const std::string& text : {words, solid, utf8}) {
        SCOPED_TRACE(text.substr(0, 12));
        const std::string wire = SmtpReply{550, "5.7.1", text}.to_wire();
        std::string joined;
        for (std::size_t at = 0; at < wire.size();) {
            const std::size_t end = wire.find("\r\n", at);
            ASSERT_NE(end, std::string::npos);
            EXPECT_LE(end + 2 - at, 500U);
            EXPECT_EQ(wire.substr(at, 10), end + 2 == wire.size() ? "550 5.7.1 " : "550-5.7.1 ");
            // No character is torn.
            EXPECT_NE(static_cast<unsigned char>(wire[at + 10]) & 0xC0U, 0x80U);
            if (!joined.empty() && text == words) joined += ' ';
            joined += wire.substr(at + 10, end - at - 10);
            at = end + 2;
        }
        EXPECT_EQ(joined, text);
    }
}

TEST(SmtpReply, CannotBeSplitByWhatAPeerPutIn) {
    EXPECT_EQ((SmtpReply{550, "", "x\r250 ok\x01\x7F"}).to_wire(), "550 x?250 ok??\r\n");
}

}  // namespace
}  // namespace wicket
