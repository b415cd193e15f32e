#include "filters/scan/dkim_filter.hpp"

#include "filters/scan/dkim_key.hpp"
#include "tests/unit/filters/dkim_signer.hpp"
#include "tests/unit/filters/scan_dns_table.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace wicket {
namespace {

using testing::DnsTable;
using testing::sign;
using testing::SignatureOptions;
using testing::SigningKey;
using testing::solve;
using testing::Solved;

const std::string header =
    "From: Joe <joe@sender.example>\r\nTo: Ann <ann@example.test>\r\nSubject:  a   test\r\n\tfolded \r\n"
    "Date: Sat, 31 Jan 2026 12:00:00 +0000\r\nMessage-ID: <1@sender.example>\r\n";
const std::string body = "Hello  there \t \r\n\r\nsecond line\r\n\r\n\r\n";

const SigningKey& key_of_2048_bits() {
    static const SigningKey key(2048);
    return key;
}

DnsTable table_with(const std::string& record, const std::string& name = "s1._domainkey.sender.example") {
    DnsTable table;
    table.add(name, DnsType::txt, record);
    return table;
}

std::string good_record() {
    return "v=DKIM1; k=rsa; p=" + key_of_2048_bits().spki();
}

Solved verify(
    const std::string& message, const DnsTable& table, std::chrono::seconds later = std::chrono::seconds(0)
) {
    static const DkimFilter filter;
    ScanInput input;
    input.client_ip = IpAddress::parse("192.0.2.1").value();
    // libopendkim signs with the machine's time.
    input.time = system_clock().wall() + later;
    input.message = message;
    return solve(filter, input, table);
}

std::string field(const Solved& solved, std::size_t row, const std::string& name) {
    const FactValue value = solved.fact(CoreFact::dkim_results);
    const auto* const results = std::get_if<ResultList>(&value);
    if (results == nullptr || row >= results->rows.size()) return "(no such row)";
    for (const auto& [key, text] : results->rows[row]) {
        if (key == name) return text;
    }
    return {};
}

TextList texts(const Solved& solved, CoreFact fact) {
    return std::get<TextList>(solved.fact(fact));
}

using Domains = std::vector<std::string>;

std::string with_replaced(std::string text, const std::string& what, const std::string& by) {
    const std::size_t at = text.find(what);
    EXPECT_NE(std::string::npos, at) << what;
    if (at != std::string::npos) text.replace(at, what.size(), by);
    return text;
}

TEST(DkimFilter, VerifiesBothSignaturesOfRfc8463AppendixA3) {
    const std::string message =
        "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
        " d=football.example.com; i=@football.example.com;\r\n"
        " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
        " subject : date : message-id : from : subject : date;\r\n"
        " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
        " b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n"
        " Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n"
        "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
        " d=football.example.com; i=@football.example.com;\r\n"
        " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"
        " date : message-id : from : subject : date;\r\n"
        " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
        " b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n"
        " DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n"
        " dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n"
        "From: Joe SixPack <joe@football.example.com>\r\n"
        "To: Suzie Q <suzie@shopping.example.net>\r\n"
        "Subject: Is dinner ready?\r\n"
        "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
        "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"
        "\r\n"
        "Hi.\r\n"
        "\r\n"
        "We lost the game.  Are you hungry yet?\r\n"
        "\r\n"
        "Joe.\r\n";
    DnsTable table = table_with(
        "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
        "brisbane._domainkey.football.example.com"
    );
    table.add(
        "test._domainkey.football.example.com",
        DnsType::txt,
        "v=DKIM1; k=rsa; "
        "p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/"
        "J16JYi0Qvx"
        "/byYzCNb3W91y3FutACDfzwQ/BC/e/"
        "8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
    );
    const Solved solved = verify(message, table);
    EXPECT_EQ("pass", field(solved, 0, "result")) << field(solved, 0, "reason");
    EXPECT_EQ("ed25519-sha256", field(solved, 0, "algorithm"));
    EXPECT_EQ("pass", field(solved, 1, "result")) << field(solved, 1, "reason");
    EXPECT_EQ("1024", field(solved, 1, "key_bits"));
    EXPECT_EQ(Domains{"football.example.com"}, texts(solved, CoreFact::dkim_pass).items);
    EXPECT_EQ(2U, solved.passes);
    EXPECT_EQ("fail", field(verify(with_replaced(message, "hungry", "Hungry"), table), 0, "result"));
    EXPECT_EQ("fail", field(verify(with_replaced(message, "dinner", "Dinner"), table), 1, "result"));
}

TEST(DkimFilter, VerifiesAllFourCanonicalisations) {
    for (const dkim_canon_t header_canon : {DKIM_CANON_SIMPLE, DKIM_CANON_RELAXED}) {
        for (const dkim_canon_t body_canon : {DKIM_CANON_SIMPLE, DKIM_CANON_RELAXED}) {
            SCOPED_TRACE(::testing::Message() << header_canon << "/" << body_canon);
            const SignatureOptions options{.header_canon = header_canon, .body_canon = body_canon};
            const std::string message = sign(key_of_2048_bits(), header, body, options);
            const Solved good = verify(message, table_with(good_record()));
            EXPECT_EQ("pass", field(good, 0, "result")) << field(good, 0, "reason");
            EXPECT_EQ("2048", field(good, 0, "key_bits"));
            EXPECT_EQ(Domains{"sender.example"}, texts(good, CoreFact::dkim_pass).items);
            EXPECT_EQ("", texts(good, CoreFact::dkim_pass).missing);
            // White space is what the two differ in.
            const bool relaxed_body = body_canon == DKIM_CANON_RELAXED;
            const Solved body_space =
                verify(with_replaced(message, "Hello  there", "Hello there"), table_with(good_record()));
            EXPECT_EQ(relaxed_body ? "pass" : "fail", field(body_space, 0, "result"));
            const bool relaxed_header = header_canon == DKIM_CANON_RELAXED;
            const Solved header_space = verify(
                with_replaced(message, "Subject:  a   test", "SUBJECT: a test"), table_with(good_record())
            );
            EXPECT_EQ(relaxed_header ? "pass" : "fail", field(header_space, 0, "result"));
            EXPECT_EQ(
                "fail",
                field(
                    verify(with_replaced(message, "second", "Second"), table_with(good_record())), 0, "result"
                )
            );
            EXPECT_EQ(
                "fail",
                field(
                    verify(with_replaced(message, "a   test", "a   text"), table_with(good_record())),
                    0,
                    "result"
                )
            );
        }
    }
}

TEST(DkimFilter, VerifiesAnEmptyBody) {
    EXPECT_EQ(
        "pass", field(verify(sign(key_of_2048_bits(), header, ""), table_with(good_record())), 0, "result")
    );
}

TEST(DkimFilter, RefusesRsaSha1) {
    const std::string message = sign(key_of_2048_bits(), header, body, {.algorithm = DKIM_SIGN_RSASHA1});
    ASSERT_TRUE(message.contains("rsa-sha1"));
    const Solved solved = verify(message, table_with(good_record()));
    EXPECT_EQ("policy", field(solved, 0, "result"));
    EXPECT_EQ("sender.example", field(solved, 0, "domain"));
    EXPECT_EQ("s1", field(solved, 0, "selector"));
    EXPECT_TRUE(texts(solved, CoreFact::dkim_pass).items.empty());
    EXPECT_TRUE(texts(solved, CoreFact::dkim_weak).items.empty()) << "nobody verified it";
    EXPECT_TRUE(solved.answers.empty());
}

TEST(DkimFilter, CallsADomainWeakOnlyIfItsShortKeyVerifies) {
    const SigningKey small(768);
    const std::string message = sign(small, header, body);
    const DnsTable table = table_with("v=DKIM1; p=" + small.spki());
    const Solved solved = verify(message, table);
    EXPECT_EQ("policy", field(solved, 0, "result"));
    EXPECT_EQ("the key has less than 1024 bits", field(solved, 0, "reason"));
    EXPECT_EQ(Domains{"sender.example"}, texts(solved, CoreFact::dkim_weak).items);
    EXPECT_TRUE(texts(solved, CoreFact::dkim_pass).items.empty());
    const Solved forged = verify(with_replaced(message, "second", "Second"), table);
    EXPECT_EQ("fail", field(forged, 0, "result"));
    EXPECT_TRUE(texts(forged, CoreFact::dkim_weak).items.empty());
}

TEST(DkimFilter, LetsAGoodSignatureOutweighAWeakOne) {
    const std::string part = sign(key_of_2048_bits(), header, body, {.selector = "s2", .length = 5});
    const std::string message =
        part.substr(0, part.find("From: Joe")) + sign(key_of_2048_bits(), header, body);
    DnsTable table = table_with(good_record());
    table.add("s2._domainkey.sender.example", DnsType::txt, good_record());
    const Solved solved = verify(message, table);
    EXPECT_EQ(2U, std::get<ResultList>(solved.fact(CoreFact::dkim_results)).rows.size());
    EXPECT_EQ(Domains{"sender.example"}, texts(solved, CoreFact::dkim_pass).items);
    EXPECT_TRUE(texts(solved, CoreFact::dkim_weak).items.empty());
}

TEST(DkimFilter, JudgesTheKeyRecordStrictly) {
    const std::string message = sign(key_of_2048_bits(), header, body);
    const std::string p = "p=" + key_of_2048_bits().spki();
    const SigningKey small(768);
    struct Case {
        std::string record;
        std::string want;
    };
    const std::vector<Case> cases = {
        {p,                                                                        "pass"     },
        {"v=DKIM1;" + p,                                                           "pass"     },
        {"v=DKIM1; h=sha1:sha256; s=email; t=s; n=hello; x_unknown=1; " + p + ";", "pass"     },
        {"v=DKIM1; p=" + key_of_2048_bits().pkcs1(),                               "pass"     },
        {p + "; v=DKIM1",                                                          "permerror"},
        {"k=rsa; v=DKIM1; " + p,                                                   "permerror"},
        {"v=DKIM2; " + p,                                                          "permerror"},
        {"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",     "permerror"},
        {"v=DKIM1; k=dsa; " + p,                                                   "permerror"},
        {"v=DKIM1; h=sha1; " + p,                                                  "permerror"},
        {"v=DKIM1; s=tlsrpt; " + p,                                                "permerror"},
        {"v=DKIM1; p=",                                                            "permerror"},
        {"v=DKIM1",                                                                "permerror"},
        {"v=DKIM1; p=AAAA",                                                        "permerror"},
        {"v=DKIM1; p=!!!!",                                                        "permerror"},
        {"v=DKIM1; " + p + "; " + p,                                               "permerror"},
        {"some text",                                                              "permerror"},
        {"",                                                                       "permerror"},
        {"v=DKIM1; p=" + small.spki(),                                             "fail"     },
    };
    for (const auto& [record, want] : cases) {
        SCOPED_TRACE(record);
        const Solved solved = verify(message, table_with(record));
        EXPECT_EQ(want, field(solved, 0, "result")) << field(solved, 0, "reason");
        EXPECT_EQ(
            want == "pass" ? Domains{"sender.example"} : Domains{}, texts(solved, CoreFact::dkim_pass).items
        );
    }
    DnsTable two = table_with(good_record());
    two.add("s1._domainkey.sender.example", DnsType::txt, good_record());
    EXPECT_EQ("permerror", field(verify(message, two), 0, "result"));
    EXPECT_EQ("permerror", field(verify(message, DnsTable()), 0, "result"));
}

TEST(DkimFilter, RefusesEd25519UnderAnRsaKey) {
    const std::string message =
        "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=sender.example; s=s1; h=from;\r\n"
        " bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=" +
        testing::to_base64(std::string(64, 'x')) + "\r\n" + header + "\r\n";
    const Solved solved = verify(message, table_with(good_record()));
    EXPECT_EQ("permerror", field(solved, 0, "result"));
}

TEST(DkimKey, LimitsTheSizeOfKeys) {
    for (const unsigned bits : {512U, 1016U, 1024U}) {
        const auto key = parse_dkim_key("p=" + SigningKey(bits).spki());
        ASSERT_TRUE(key.has_value()) << bits;
        EXPECT_EQ(bits, key->bits);
        EXPECT_EQ(bits < 1024, key->is_short());
    }
    EXPECT_FALSE(parse_dkim_key("k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")->is_short());
    // 4104 bits in PKCS#1, made by hand: SEQUENCE { INTEGER modulus, INTEGER 65537 }.
    const auto key_of = [](std::size_t octets, const std::string& exponent) {
        std::string modulus(octets, '\xff');
        std::string numbers = std::string("\x02\x82") + static_cast<char>((octets + 1) >> 8U) +
                              static_cast<char>((octets + 1) & 255U);
        numbers += std::string(1, '\0') + modulus + "\x02" + static_cast<char>(exponent.size()) + exponent;
        std::string der = std::string("\x30\x82") + static_cast<char>(numbers.size() >> 8U) +
                          static_cast<char>(numbers.size() & 255U);
        return "p=" + testing::to_base64(der + numbers);
    };
    const std::string usual("\x01\x00\x01", 3);
    EXPECT_EQ(DkimKeyFault::too_short, parse_dkim_key(key_of(63, usual)).error().fault);
    EXPECT_EQ(504U, parse_dkim_key(key_of(63, usual)).error().bits);
    EXPECT_EQ(4096U, parse_dkim_key(key_of(512, usual)).value().bits);
    EXPECT_EQ(DkimKeyFault::too_long, parse_dkim_key(key_of(513, usual)).error().fault);
    EXPECT_EQ(
        DkimKeyFault::bad_key, parse_dkim_key(key_of(256, std::string("\x01\x00\x00", 3))).error().fault
    );
    EXPECT_EQ(DkimKeyFault::bad_key, parse_dkim_key(key_of(256, std::string("\x01"))).error().fault);
    EXPECT_EQ(DkimKeyFault::bad_key, parse_dkim_key(key_of(256, std::string(5, '\x03'))).error().fault);
}

TEST(DkimFilter, DoesNotCountASignatureThatCoversPartOfTheBody) {
    const std::string message = sign(key_of_2048_bits(), header, body, {.length = 5});
    ASSERT_TRUE(message.contains("l=5"));
    const Solved part = verify(message, table_with(good_record()));
    EXPECT_EQ("pass", field(part, 0, "result")) << field(part, 0, "reason");
    EXPECT_TRUE(texts(part, CoreFact::dkim_pass).items.empty());
    EXPECT_EQ(Domains{"sender.example"}, texts(part, CoreFact::dkim_weak).items);
    const std::string plain = "all of it\r\n";
    const std::string whole =
        sign(key_of_2048_bits(), header, plain, {.length = static_cast<ssize_t>(plain.size())});
    ASSERT_TRUE(whole.contains("l=11"));
    EXPECT_EQ(
        Domains{"sender.example"}, texts(verify(whole, table_with(good_record())), CoreFact::dkim_pass).items
    );
    const Solved appended = verify(whole + "appended\r\n", table_with(good_record()));
    EXPECT_TRUE(texts(appended, CoreFact::dkim_pass).items.empty());
    EXPECT_EQ(Domains{"sender.example"}, texts(appended, CoreFact::dkim_weak).items);
    EXPECT_NE(
        "pass", field(verify(whole.substr(0, whole.size() - 4), table_with(good_record())), 0, "result")
    );
}

TEST(DkimFilter, RefusesASecondFrom) {
    const std::string message = sign(key_of_2048_bits(), header, body);
    const std::string extra = "From: Boss <boss@example.test>\r\n";
    for (const std::string& forged :
         {extra + message, with_replaced(message, "To: Ann", extra + "To: Ann")}) {
        const Solved solved = verify(forged, table_with(good_record()));
        EXPECT_EQ("policy", field(solved, 0, "result"));
        EXPECT_TRUE(texts(solved, CoreFact::dkim_pass).items.empty());
    }
    const Solved none =
        verify(with_replaced(message, "From: Joe <joe@sender.example>\r\n", ""), table_with(good_record()));
    EXPECT_TRUE(texts(none, CoreFact::dkim_pass).items.empty());
}

TEST(DkimFilter, HoldsSignaturesToTheirTimes) {
    const std::string message = sign(key_of_2048_bits(), header, body, {.lifetime_seconds = 3600});
    ASSERT_TRUE(message.contains("x="));
    EXPECT_EQ("pass", field(verify(message, table_with(good_record())), 0, "result"));
    const Solved late = verify(message, table_with(good_record()), std::chrono::hours(2));
    EXPECT_EQ("permerror", field(late, 0, "result"));
    EXPECT_EQ("the signature has expired", field(late, 0, "reason"));
    // More digits than libopendkim can count with: refused with a word, not dropped.
    const std::string signed_without = sign(key_of_2048_bits(), header, body);
    const std::string endless = with_replaced(signed_without, "v=1;", "v=1; x=99999999999999999999;");
    const Solved solved = verify(endless, table_with(good_record()));
    EXPECT_EQ("neutral", field(solved, 0, "result"));
    EXPECT_NE("", field(solved, 0, "reason"));
}

TEST(DkimFilter, LooksAtEightSignatures) {
    std::string signatures;
    for (int count = 0; count < 20; ++count) {
        const std::string one =
            sign(key_of_2048_bits(), header, body, {.selector = "s" + std::to_string(count)});
        signatures += one.substr(0, one.find("From: Joe"));
    }
    DnsTable table;
    for (int count = 0; count < 20; ++count) {
        table.add("s" + std::to_string(count) + "._domainkey.sender.example", DnsType::txt, good_record());
    }
    const Solved solved = verify(signatures + header + "\r\n" + body, table);
    EXPECT_EQ(FactValue(std::int64_t{20}), solved.fact(CoreFact::dkim_signatures));
    EXPECT_EQ(8U, std::get<ResultList>(solved.fact(CoreFact::dkim_results)).rows.size());
    const std::string missing = "8 of 20 signatures were looked at";
    EXPECT_EQ(missing, std::get<ResultList>(solved.fact(CoreFact::dkim_results)).missing);
    EXPECT_EQ(missing, texts(solved, CoreFact::dkim_pass).missing);
    EXPECT_EQ(missing, texts(solved, CoreFact::dkim_weak).missing);
    EXPECT_EQ(8U, solved.answers.size());
    EXPECT_EQ("pass", field(solved, 7, "result"));
}

TEST(DkimFilter, VerifiesEverySignature) {
    const std::string first = sign(key_of_2048_bits(), header, body);
    const std::string signed_again = sign(key_of_2048_bits(), header, body, {.domain = "other.example"});
    const std::string both = signed_again.substr(0, signed_again.find("From: Joe")) + first;
    DnsTable table = table_with(good_record());
    table.add("s1._domainkey.other.example", DnsType::txt, good_record());
    EXPECT_EQ(
        (Domains{"other.example", "sender.example"}), texts(verify(both, table), CoreFact::dkim_pass).items
    );
    // One that is broken does not hide the other.
    const Solved one = verify(with_replaced(both, "d=other.example", "d=alter.example"), table);
    EXPECT_EQ(Domains{"sender.example"}, texts(one, CoreFact::dkim_pass).items);
}

TEST(DkimFilter, KeepsAPassListOpenWhenTheDnsFails) {
    DnsTable table;
    table.add_timeout("s1._domainkey.sender.example");
    const Solved solved = verify(sign(key_of_2048_bits(), header, body), table);
    EXPECT_EQ("temperror", field(solved, 0, "result"));
    EXPECT_NE("", texts(solved, CoreFact::dkim_pass).missing);
}

TEST(DkimFilter, TreatsAKeyInTestModeAsNoSignature) {
    const SigningKey small(768);
    struct Case {
        std::string message, key, reason;
    };
    const std::string message = sign(key_of_2048_bits(), header, body);
    const std::vector<Case> cases = {
        {message, key_of_2048_bits().spki(), "the signature verifies"},
        {with_replaced(message, "second", "Second"), key_of_2048_bits().spki(), "the body has changed"},
        {sign(small, header, body), small.spki(), "the key has less than 1024 bits"},
    };
    for (const auto& [octets, key, reason] : cases) {
        SCOPED_TRACE(reason);
        const Solved solved = verify(octets, table_with("v=DKIM1; t=y; p=" + key));
        EXPECT_EQ("policy", field(solved, 0, "result"));
        EXPECT_EQ("the key is in test mode; " + reason, field(solved, 0, "reason"));
        EXPECT_TRUE(texts(solved, CoreFact::dkim_weak).items.empty());
        EXPECT_TRUE(texts(solved, CoreFact::dkim_pass).items.empty());
    }
}

TEST(DkimFilter, ShowsWhatIsMalformedAndGivesItToNobody) {
    const std::string message = sign(key_of_2048_bits(), header, body);
    struct Case {
        std::string what;
        std::string by;
    };
    const std::vector<Case> cases = {
        {"v=1;",               "v=1; i=joe=4@sender.example;" }, // libopendkim 2.11 reads past the end of this
        {"v=1;",               "v=1; i==@sender.example;"     },
        {"v=1;",               "v=1; i=joe@elsewhere.example;"},
        {"v=1;",               "v=1; v=1;"                    },
        {"v=1;",               "v=2;"                         },
        {"v=1;",               "v=1; q=http/get;"             },
        {"v=1;",               "v=1; t=-1;"                   },
        {"v=1;",               "v=1; l=x;"                    },
        {"v=1;",               "v=1; nonsense;"               },
        {"s=s1;",              ""                             },
        {"d=sender.example;",  "d=;"                          },
        {"a=rsa-sha256;",      "a=rsa-md5;"                   },
        {"c=relaxed/relaxed;", "c=loose;"                     },
    };
    for (const auto& [what, by] : cases) {
        SCOPED_TRACE(by);
        const Solved solved = verify(with_replaced(message, what, by), table_with(good_record()));
        EXPECT_EQ("neutral", field(solved, 0, "result"));
        EXPECT_NE("", field(solved, 0, "reason"));
        EXPECT_TRUE(solved.answers.empty());
        EXPECT_TRUE(texts(solved, CoreFact::dkim_pass).items.empty());
    }
}

TEST(DkimFilter, SaysNothingOfAnUnsignedMessage) {
    const Solved solved = verify(header + "\r\n" + body, DnsTable());
    EXPECT_EQ(FactValue(std::int64_t{0}), solved.fact(CoreFact::dkim_signatures));
    EXPECT_EQ(FactValue(TextList{}), solved.fact(CoreFact::dkim_pass));
    EXPECT_EQ(FactValue(TextList{}), solved.fact(CoreFact::dkim_weak));
    EXPECT_EQ(FactValue(ResultList{}), solved.fact(CoreFact::dkim_results));
    EXPECT_EQ(1U, solved.passes);
}

TEST(DkimFilter, TakesAGroupAsFrom) {
    const std::string grouped =
        "From: Staff: joe@sender.example, ann@sender.example;\r\n" + header.substr(header.find("To:"));
    const std::string message = sign(key_of_2048_bits(), header, body);
    const Solved solved = verify(
        message.substr(0, message.find("From: Joe")) + grouped + "\r\n" + body, table_with(good_record())
    );
    EXPECT_EQ("fail", field(solved, 0, "result")) << field(solved, 0, "reason");
}

}  // namespace
}  // namespace wicket
