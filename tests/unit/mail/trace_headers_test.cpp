#include "mail/trace_headers.hpp"

#include "mail/field_writer.hpp"
#include "mail/header.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

ReceivedTrace typical() {
    ReceivedTrace trace;
    trace.helo = "client.example";
    trace.client_ip = *IpAddress::parse("192.0.2.1");
    trace.client_name = "host.client.example";
    trace.hostname = "mx.example.test";
    trace.id = "0D1A2B3C4D5E6F7G8H9I";
    trace.time = std::chrono::sys_days(std::chrono::year(2026) / 1 / 31);
    return trace;
}

TEST(TraceHeaders, SayWhoGaveTheMessageToWhom) {
    ReceivedTrace trace = typical();
    trace.recipient = "joe@example.test";
    EXPECT_EQ(
        received_field(trace),
        "Received: from client.example (host.client.example [192.0.2.1])\r\n"
        "\tby mx.example.test with ESMTP id 0D1A2B3C4D5E6F7G8H9I for <joe@example.test>;\r\n"
        "\tSat, 31 Jan 2026 00:00:00 +0000\r\n"
    );
    trace.recipient.clear();
    trace.client_name.clear();
    trace.client_ip = *IpAddress::parse("2001:db8::1");
    trace.helo = "[IPv6:2001:db8::1]";
    trace.tls_version = "TLSv1.3";
    trace.tls_cipher = "TLS_AES_256_GCM_SHA384";
    EXPECT_EQ(
        received_field(trace),
        "Received: from [IPv6:2001:db8::1] (unknown [IPv6:2001:db8::1]) (using TLSv1.3\r\n"
        "\twith cipher TLS_AES_256_GCM_SHA384) by mx.example.test with ESMTPS\r\n"
        "\tid 0D1A2B3C4D5E6F7G8H9I; Sat, 31 Jan 2026 00:00:00 +0000\r\n"
    );
}

TEST(TraceHeaders, NameTheProtocol) {
    struct Row {
        TraceProtocol protocol;
        bool tls, authenticated, smtputf8;
        std::string_view want;
    };
    using enum TraceProtocol;
    constexpr Row table[] = {
        {smtp,  false, false, false, "SMTP"      },
        {esmtp, false, false, false, "ESMTP"     },
        {esmtp, true,  false, false, "ESMTPS"    },
        {esmtp, false, true,  false, "ESMTPA"    },
        {esmtp, true,  true,  false, "ESMTPSA"   },
        {esmtp, true,  true,  true,  "UTF8SMTPSA"},
        {esmtp, false, false, true,  "UTF8SMTP"  },
        {lmtp,  true,  false, false, "LMTPS"     },
        {lmtp,  false, true,  true,  "UTF8LMTPA" },
    };
    for (const Row& row : table) {
        SCOPED_TRACE(row.want);
        ReceivedTrace trace = typical();
        trace.protocol = row.protocol;
        if (row.tls) trace.tls_version = "TLSv1.3";
        trace.is_authenticated = row.authenticated;
        trace.is_smtputf8 = row.smtputf8;
        EXPECT_EQ(with_protocol(trace), row.want);
    }
}

TEST(TraceHeaders, CannotBeForgedThroughWhatThePeerSaid) {
    ReceivedTrace trace = typical();
    trace.helo = "x) by mx.example.test (y\r\nSubject: forged\r\n\r\n[";
    trace.client_name = "a\nb; (c\\";
    trace.recipient = "a\r\nb@c.example";
    trace.tls_cipher = std::string(5000, '(');
    const std::string field = received_field(trace);
    const HeaderBlock block = parse_header(field);
    ASSERT_EQ(block.fields.size(), 1U);
    EXPECT_FALSE(block.fault);
    EXPECT_FALSE(block.has_end);
    EXPECT_EQ(count_received_by(block, "mx.example.test"), 1U);
    EXPECT_TRUE(field.contains("from x??by?mx.example.test??y??Subject:?forged?????"));
    EXPECT_TRUE(field.contains("for <a??b@c.example>;"));
    trace.hostname = "other.example";
    EXPECT_EQ(count_received_by(parse_header(received_field(trace)), "mx.example.test"), 0U);

    EXPECT_EQ(return_path_field(""), "Return-Path: <>\r\n");
    EXPECT_EQ(return_path_field("joe@example.org"), "Return-Path: <joe@example.org>\r\n");
    EXPECT_EQ(return_path_field("a\r\nb@example.org"), "Return-Path: <a??b@example.org>\r\n");
}

TEST(FieldWriter, MakesOneFieldOfAnyText) {
    EXPECT_EQ(text_field("X-Note", "two words"), "X-Note: two words\r\n");
    EXPECT_EQ(text_field("X-Note", ""), "X-Note:\r\n");
    EXPECT_EQ(text_field("X-Note", "a\r\nSubject: b"), "X-Note: a??Subject: b\r\n");
    EXPECT_EQ(text_field("X Note", "a"), "");
    EXPECT_EQ(text_field("X:", "a"), "");
    EXPECT_EQ(text_field("", "a"), "");
    std::string words;
    for (int count = 0; count < 200; ++count)
        words += "word ";
    const std::string field = text_field("X-Note", words + std::string(5000, 'x'));
    for (std::size_t at = 0; at < field.size();) {
        const std::size_t end = field.find("\r\n", at);
        EXPECT_LE(end - at, line_limit_octets);
        at = end + 2;
    }
    EXPECT_EQ(parse_header(field).fields.size(), 1U);
    EXPECT_EQ(printable("a\xC3\xA4z", 2), "a");
    EXPECT_EQ(quoted("a\"\\", 9), "\"a\\\"\\\\\"");
    EXPECT_EQ(quoted("a\"\\", 4), "\"a\\\"\"");
    EXPECT_EQ(quoted("\xC3\xA4\xC3\xA4", 3), "\"\xC3\xA4\"");
}

}  // namespace
}  // namespace wicket
