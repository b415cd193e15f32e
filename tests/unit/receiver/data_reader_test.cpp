#include "receiver/data_reader.hpp"

#include "tests/unit/receiver/naive_data_reader.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace wicket {
namespace {

class StringSink : public MessageSink {
public:
    MessageFault append(std::string_view octets) override {
        text += octets;
        return MessageFault::none;
    }
    std::string text;
};

struct Read {
    std::size_t used = 0;
    bool has_ended = false;
    MessageFault fault = MessageFault::none;
    std::string text;
};

Read read_in(
    std::initializer_list<std::string_view> pieces, BareNewline mode, const ReceiverLimits& limits = {}
) {
    StringSink sink;
    DataReader reader(DataReader::Framing::dots, mode, limits, sink);
    Read result;
    for (const std::string_view piece : pieces) {
        if (!reader.has_ended()) result.used += reader.feed(piece);
    }
    result.has_ended = reader.has_ended();
    result.fault = reader.fault();
    result.text = sink.text;
    return result;
}

Read read_octets(std::string_view stream, BareNewline mode) {
    StringSink sink;
    const ReceiverLimits limits;
    DataReader reader(DataReader::Framing::dots, mode, limits, sink);
    Read result;
    while (result.used < stream.size() && !reader.has_ended())
        result.used += reader.feed(stream.substr(result.used, 1));
    return {result.used, reader.has_ended(), reader.fault(), sink.text};
}

void expect_as_naive(const Read& got, const NaiveMessage& want, std::size_t stream_octets) {
    EXPECT_EQ(got.has_ended, want.end.has_value());
    EXPECT_EQ(got.used, want.end.value_or(stream_octets));
    if (!want.end) return;
    EXPECT_EQ(got.fault != MessageFault::none, want.is_refused);
    if (!want.is_refused) {
        EXPECT_EQ(got.text, want.text);
    }
}

TEST(DataReader, EndsAtCrlfDotCrlfAloneHoweverItIsSplit) {
    using namespace std::string_literals;
    // What some servers took for the end of data, each followed by a second message and the real end.
    const std::vector<std::string> false_ends = {
        "\n.\n",       "\n.\r\n",     "\r\n.\n",     "\r.\r",        "\r.\r\n",
        "\r\n.\r",     "\n.\r",       "\r.\n",       "\r\n\0.\r\n"s, "\r\n.\0\r\n"s,
        "\r\n.\r\r\n", "\r\n..\r\n",  "\r\n. \r\n",  "\n\n.\n\n",    "\r\n.\r\0\n"s,
        "\r\r\n.\n",   "\r\n.\n\r\n", "\r\n\r.\r\n", "\n\r.\n\r",
    };
    for (const std::string& false_end : false_ends) {
        SCOPED_TRACE(::testing::PrintToString(false_end));
        const std::string stream = "a" + false_end + "MAIL FROM:<x@y>\r\n.\r\nQUIT\r\n";
        for (const auto mode : {BareNewline::refuse, BareNewline::normalize}) {
            const NaiveMessage want = naive_data(stream, mode);
            ASSERT_TRUE(want.end);
            ASSERT_EQ(stream.substr(*want.end), "QUIT\r\n");
            for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
                SCOPED_TRACE(cut);
                const std::string_view all = stream;
                Read got = read_in({all.substr(0, cut), all.substr(cut)}, mode);
                // The cut may lie behind the end.
                if (cut <= *want.end) expect_as_naive(got, want, stream.size());
            }
            expect_as_naive(read_octets(stream, mode), want, stream.size());
        }
    }
}

TEST(DataReader, DoesWhatThePlainReadingOfTheRfcDoesWithEveryShortStream) {
    constexpr std::string_view alphabet("\r\n.a\0", 5);
    for (std::size_t length = 0; length <= 6; ++length) {
        std::size_t count = 1;
        for (std::size_t i = 0; i < length; ++i)
            count *= alphabet.size();
        for (std::size_t number = 0; number < count; ++number) {
            std::string stream;
            for (std::size_t i = 0, rest = number; i < length; ++i, rest /= alphabet.size())
                stream += alphabet[rest % alphabet.size()];
            stream += "\r\n.\r\n";
            for (const auto mode : {BareNewline::refuse, BareNewline::normalize}) {
                const NaiveMessage want = naive_data(stream, mode);
                expect_as_naive(read_in({stream}, mode), want, stream.size());
                expect_as_naive(read_octets(stream, mode), want, stream.size());
            }
            ASSERT_FALSE(HasFailure()) << ::testing::PrintToString(stream);
        }
    }
}

TEST(DataReader, UndoesDotStuffing) {
    struct Case {
        std::string_view name, stream, want;
    };
    const std::vector<Case> cases = {
        {"an empty message",           ".\r\n",                 ""                },
        {"one line",                   "a\r\n.\r\n",            "a\r\n"           },
        {"a stuffed dot",              "..\r\n.\r\n",           ".\r\n"           },
        {"two stuffed dots",           "...\r\n.\r\n",          "..\r\n"          },
        {"a dot that was not stuffed", ".a\r\n.\r\n",           "a\r\n"           },
        {"a dot inside a line",        "a.b\r\n.\r\n",          "a.b\r\n"         },
        {"empty lines",                "\r\n\r\n.\r\n",         "\r\n\r\n"        },
        {"octets above 127",           "\xC3\xA9\xFF\r\n.\r\n", "\xC3\xA9\xFF\r\n"},
    };
    for (const auto& [name, stream, want] : cases) {
        SCOPED_TRACE(name);
        const Read got = read_in({stream}, BareNewline::refuse);
        EXPECT_TRUE(got.has_ended);
        EXPECT_EQ(got.fault, MessageFault::none);
        EXPECT_EQ(got.text, want);
    }
}

TEST(DataReader, NamesTheFault) {
    using namespace std::string_literals;
    ReceiverLimits limits;
    limits.size_octets = 400;
    limits.text_line_octets = 40;
    limits.header_octets = 200;
    limits.header_lines = 8;
    limits.hops = 2;
    const std::string line(38, 'x');
    struct Case {
        std::string name, stream;
        MessageFault want;
    };
    std::string body = "\r\n";
    while (body.size() + 4 < 400)
        body += "xx\r\n";
    const std::string exactly = body + std::string(398 - body.size(), 'y') + "\r\n";
    const std::vector<Case> cases = {
        {"nothing", "a\r\n", MessageFault::none},
        {"bare LF", "a\nb\r\n", MessageFault::bare_newline},
        {"bare CR", "a\rb\r\n", MessageFault::bare_newline},
        {"NUL", "a\0b\r\n"s, MessageFault::nul},
        {"as large as it may be", exactly, MessageFault::none},
        {"an octet too large", exactly.substr(0, 398) + "y\r\n", MessageFault::too_large},
        {"a line as long as it may be", line + "\r\n", MessageFault::none},
        {"a line an octet too long", line + "x\r\n", MessageFault::line_too_long},
        {"header lines as many as may be",
         "a\r\na\r\na\r\na\r\na\r\na\r\na\r\na\r\n\r\na\r\n", MessageFault::none},
        {"a header line too many",
         "a\r\na\r\na\r\na\r\na\r\na\r\na\r\na\r\na\r\n\r\n", MessageFault::header_too_large},
        {"too many octets of header",
         line + "\r\n" + line + "\r\n" + line + "\r\n" + line + "\r\n" + line + "\r\nx\r\n",
         MessageFault::header_too_large},
        {"hops as many as may be", "Received: a\r\nReceived: b\r\n\r\nReceived: c\r\n", MessageFault::none},
        {"a hop too many", "Received: a\r\nRECEIVED:b\r\nreceived \t: c\r\n\r\n", MessageFault::too_many_hops
        },
        {"a hop too many behind more white space than a field name needs",
         "Received: a\r\nReceived: b\r\nReceived\t          : c\r\n\r\n", MessageFault::too_many_hops},
        {"no hop: white space within the name, none of the colon",
         "Received: a\r\nReceived: b\r\nRec eived: c\r\nReceived  x: d\r\nReceived  \r\n", MessageFault::none},
        {"fields that look like hops",
         "Received: a\r\nReceived-SPF: b\r\n Received: c\r\nReceived: d\r\n", MessageFault::none},
    };
    for (const auto& [name, stream, want] : cases) {
        SCOPED_TRACE(name);
        const std::string all = stream + ".\r\n";
        for (std::size_t cut = 0; cut < all.size(); ++cut) {
            const Read got = read_in(
                {std::string_view(all).substr(0, cut), std::string_view(all).substr(cut)},
                BareNewline::refuse,
                limits
            );
            ASSERT_TRUE(got.has_ended);
            ASSERT_EQ(got.fault, want) << "cut at " << cut;
            if (want == MessageFault::none) {
                ASSERT_EQ(got.text, stream);
            }
        }
    }
}

TEST(DataReader, ReadsChunksAsTheyAre) {
    const ReceiverLimits limits;
    StringSink sink;
    DataReader reader(DataReader::Framing::chunks, BareNewline::refuse, limits, sink);
    for (const std::string_view chunk : {"a: b\r", "\n\r\n.\r\n..x\r\n", "no line end"})
        EXPECT_EQ(reader.feed(chunk), chunk.size());
    reader.finish();
    EXPECT_EQ(reader.fault(), MessageFault::none);
    EXPECT_EQ(sink.text, "a: b\r\n\r\n.\r\n..x\r\nno line end");
}

TEST(DataReader, RefusesBareNewlinesAcrossChunks) {
    struct Case {
        std::string_view name, first, second;
    };
    for (const auto& [name, first, second] : std::vector<Case>{
             {"a CR at the end of a chunk", "a\r",   "b\r\n"  },
             {"an LF at its start",         "a",     "\nb\r\n"},
             {"a CR at the end of all",     "a\r\n", "b\r"    },
    }) {
        SCOPED_TRACE(name);
        const ReceiverLimits limits;
        StringSink sink;
        DataReader reader(DataReader::Framing::chunks, BareNewline::refuse, limits, sink);
        reader.feed(first);
        reader.feed(second);
        reader.finish();
        EXPECT_EQ(reader.fault(), MessageFault::bare_newline);
    }
}

}  // namespace
}  // namespace wicket
