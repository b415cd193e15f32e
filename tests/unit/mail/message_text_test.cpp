#include "mail/message_text.hpp"

#include "mail/url_finder.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace wicket {
namespace {

std::string lines(std::string_view text) {
    std::string made;
    for (const char c : text) {
        if (c == '\n') made += '\r';
        made += c;
    }
    return made;
}

class Reader : public MessageReader {
public:
    bool wants(MessagePiece piece) const override { return !unwanted.contains(piece); }
    void field(std::string_view name, std::string_view value) override {
        fields += std::string(name) + ": " + std::string(value) + '\n';
    }
    void text(std::string_view text) override { texts += '[' + std::string(text) + ']'; }
    void url(std::string_view url) override {
        ++url_count;
        urls += '<' + std::string(url) + '>';
    }
    void missing(MessagePiece piece, std::string_view reason) override {
        missed.insert({piece, std::string(reason)});
    }

    std::set<MessagePiece> unwanted;
    std::string fields, texts, urls;
    std::size_t url_count = 0;
    std::set<std::pair<MessagePiece, std::string>> missed;
};

Reader read(std::string_view message, std::set<MessagePiece> unwanted = {}) {
    Reader reader;
    reader.unwanted = std::move(unwanted);
    read_message(message, nullptr, reader);
    return reader;
}

TEST(MessageText, TellsFieldsTextsAndAddresses) {
    struct Case {
        std::string_view name, message, texts, urls = "";
    };
    const std::vector<Case> cases = {
        {"plain",
         "Subject: x\n\nHello,\nyou  there.\n\nBye http://a.example/x.\n", "[Hello, you there.\nBye http://a.example/x.]",
         "<http://a.example/x>"},
        {"base64 html",
         "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
         "PGEgaHJlZj0iaHR0cDovL0V2aWwuZXhhbXBsZS8iPmNsaWNrPC9hPg==\n", "[click]",
         "<http://evil.example/>"},
        {"both alternatives",
         "Content-Type: multipart/alternative; boundary=b\n\n--b\n\nplain one\n--b\nContent-Type: "
         "text/html\n\n"
         "<p>other <b>one</b></p>\n--b--\n", "[plain one][other one]"},
        {"quoted-printable in pieces",
         "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: "
         "quoted-printable\n\nvia=\ngra "
         "gr=FC=DFe http://a.exa=\nmple/\n", "[viagra grüße http://a.example/]",
         "<http://a.example/>"},
        {"attachment is not text",
         "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: "
         "application/pdf\n\nhttp://x\n"
         "--b--\n", "[one]"},
        {"attached text is text",
         "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/csv\nContent-Disposition: "
         "attachment\n\n"
         "a,b\n--b--\n", "[a,b]"},
        {"html by its name",
         "Content-Type: application/octet-stream; name=\"Invoice.HTML\"\n\n<a href=http://x.example>pay</a>", "[pay]",
         "<http://x.example>"},
        {"html by its disposition",
         "Content-Type: application/octet-stream\nContent-Disposition: attachment; filename*0=inv;\n "
         "filename*1=oice.htm\n\n<b>pay</b>", "[pay]"},
        {"charset of html", "Content-Type: text/html\n\n<meta charset=utf-8><p>\xC3\x28", "[\uFFFD(]"},
        {"no charset", "Content-Type: text/plain\n\n\xFC\n", "[ü]"},
        {"a script is not shown, its addresses are found",
         "Content-Type: text/html\n\n<script>location='http://s.example/'</script><meta "
         "content='0;url=http://m.example'>x", "[x]",
         "<http://s.example/><http://m.example>"},
        {"each address once",
         "Content-Type: text/html\n\n<a href=http://A.example/>http://a.example/</a> <img src=cid:x>", "[http://a.example/]",
         "<http://a.example/>"},
        {"a message within it",
         "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nSubject: "
         "y\n\ninner\n--b--\n", "[inner]"},
        {"an encoded message within it",
         "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeQ0KDQppbm5lcg0K\n", "[inner]"},
        {"nothing to show", "Content-Type: text/html\n\n<p></p>\n", ""},
    };
    for (const Case& one : cases) {
        for (const std::string& message : {std::string(one.message), lines(one.message)}) {
            SCOPED_TRACE(one.name);
            const Reader reader = read(message);
            EXPECT_EQ(reader.texts, one.texts);
            EXPECT_EQ(reader.urls, one.urls);
            EXPECT_TRUE(reader.missed.empty());
        }
    }
}

TEST(MessageText, TellsDecodedFields) {
    const Reader reader = read(
        "Subject: =?utf-8?B?Z3LDvMOf?=\r\n =?utf-8?Q?_dich?=\r\nTo: x\r\n"
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX-Part: no\r\n"
        "Content-Disposition: attachment; filename*=utf-8''inv%C3%B6ice.exe\r\n\r\nx\r\n--b\r\n"
        "Content-Type: message/rfc822\r\n\r\nSubject: inner\r\nContent-Language: de\r\n\r\ny\r\n--b--\r\n"
    );
    EXPECT_EQ(
        reader.fields,
        "Subject: grüß dich\nTo: x\nContent-Type: multipart/mixed; boundary=b\n"
        "Content-Disposition: attachment; filename*=utf-8''inv%C3%B6ice.exe; filename=\"invöice.exe\"\n"
        "Content-Type: message/rfc822\nContent-Language: de\n"
    );
    // Also a name that is no ASCII is told as UTF-8.
    EXPECT_EQ(read("Content-Type: a/b; \xFF*0=x\n\ny").fields, "Content-Type: a/b; ÿ*0=x; ÿ=\"x\"\n");
    // What hides in an encoded message is none of this message's header.
    EXPECT_EQ(
        read("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeQ0KDQo=")
            .fields,
        "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n"
    );
}

TEST(MessageText, DecodesNothingThatIsNotWanted) {
    const std::string message =
        "Subject: x\r\nContent-Type: text/html\r\n\r\n<a href=http://a.example>http://b.example</a>";
    const Reader fields = read(message, {MessagePiece::texts, MessagePiece::urls});
    EXPECT_FALSE(fields.fields.empty());
    EXPECT_TRUE(fields.texts.empty() && fields.urls.empty());
    const Reader texts = read(message, {MessagePiece::fields, MessagePiece::urls});
    EXPECT_TRUE(texts.fields.empty() && texts.urls.empty());
    EXPECT_FALSE(texts.texts.empty());
    const Reader urls = read(message, {MessagePiece::fields, MessagePiece::texts});
    EXPECT_EQ(urls.urls, "<http://a.example><http://b.example>");
}

TEST(MessageText, TellsWhatWasLeftOut) {
    using Missed = std::set<std::pair<MessagePiece, std::string>>;
    const Missed text_cut = {
        {MessagePiece::texts, "there is more text than is looked at"},
        {MessagePiece::urls,  "there is more text than is looked at"}
    };
    const std::string fits(message_text_limit_octets, 'x');
    EXPECT_EQ(read("A: b\r\n\r\n" + fits).missed, Missed{});
    EXPECT_EQ(read("A: b\r\n\r\n" + fits + "y").missed, text_cut);
    // Large attachments are no text.
    EXPECT_EQ(read("Content-Type: image/png\r\n\r\n" + fits + fits).missed, Missed{});

    std::string many;
    for (std::size_t at = 0; at <= message_urls_limit; ++at)
        many += "http://a.example/" + std::to_string(at) + " ";
    const Reader urls = read("A: b\r\n\r\n" + many);
    EXPECT_EQ(urls.url_count, message_urls_limit);
    EXPECT_EQ(
        urls.missed,
        (Missed{
            {MessagePiece::urls, "there are more addresses than are looked at"}
    })
    );
    const Reader again =
        read("A: b\r\n\r\n" + many.substr(0, many.find(" http://a.example/200")) + " http://a.example/1");
    EXPECT_EQ(again.missed, Missed{});
    EXPECT_EQ(
        read("A: b\r\n\r\nhttp://a.example/" + std::string(url_limit_octets, 'x')).missed,
        (Missed{
            {MessagePiece::urls, "an address is longer than is looked at"}
    })
    );

    std::string fields;
    while (fields.size() <= message_fields_limit_octets + 10'000)
        fields += "X: " + std::string(900, 'x') + "\r\n";
    EXPECT_EQ(
        read(fields + "\r\nbody").missed,
        (Missed{
            {MessagePiece::fields, "there are more header fields than are looked at"}
    })
    );

    std::string nested = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    for (int at = 0; at < 5; ++at)
        nested +=
            "--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nQTogYg==\r\n";
    EXPECT_EQ(read(nested).missed.size(), 3U);
    std::string parts = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    for (int at = 0; at < 501; ++at)
        parts += "--b\r\n\r\nx\r\n";
    EXPECT_EQ(read(parts).missed.size(), 3U);
}

}  // namespace
}  // namespace wicket
