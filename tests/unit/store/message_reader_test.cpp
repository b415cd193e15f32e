#include "store/message_reader.hpp"

#include "tests/support/store/store_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace wicket {
namespace {

/// Gives its octets in small pieces, as a file does.
class PieceSource : public BlobSource {
public:
    PieceSource(std::string octets, std::size_t piece) : octets_(std::move(octets)), piece_(piece) {}
    Result<std::string> read(std::size_t limit_octets) override {
        const auto length = std::min(limit_octets, piece_);
        std::string taken = octets_.substr(0, length);
        octets_.erase(0, length);
        return taken;
    }

private:
    std::string octets_;
    std::size_t piece_;
};

rows::Message message_row(const std::string& text) {
    return {1, rows::BodyPlace::row, text.size(), sha256_of(text)};
}

TEST(MessageReader, ServesPrefixAndBodyWithoutCutsWhateverThePieces) {
    const std::string body = "0123456789abcdefghij";
    struct Row {
        std::string_view name;
        std::string prefix;
        std::vector<CutRange> cuts;
        std::string want;
    };
    const std::vector<Row> table = {
        {"whole", "", {}, body},
        {"prefix", "P: q\r\n", {}, "P: q\r\n" + body},
        {"cut at the beginning", "", {{0, 3}}, body.substr(3)},
        {"cut at the end", "", {{17, 3}}, body.substr(0, 17)},
        {"cuts side by side", "x", {{2, 2}, {4, 2}}, "x01" + body.substr(6)},
        {"empty cut", "", {{5, 0}}, body},
        {"all cut", "only prefix", {{0, 20}}, "only prefix"},
    };
    for (const Row& row : table) {
        for (std::size_t read = 1; read <= 21; ++read) {
            for (std::size_t give = 1; give <= 21; give += 4) {
                SCOPED_TRACE(std::string(row.name) + " " + std::to_string(read) + " " + std::to_string(give));
                auto reader = make_message_reader(
                    {row.prefix, row.cuts}, message_row(body), std::make_unique<PieceSource>(body, give)
                );
                ASSERT_TRUE(reader);
                EXPECT_EQ((*reader)->size_octets(), row.want.size());
                EXPECT_EQ(test::read_all(**reader, read), row.want);
                EXPECT_EQ((*reader)->next(10), "");
            }
        }
    }
}

TEST(MessageReader, ServesAnEmptyBody) {
    auto reader = make_message_reader({"P", {}}, message_row(""), source_of(""));
    ASSERT_TRUE(reader);
    EXPECT_EQ(test::read_all(**reader), "P");
}

TEST(MessageReader, NeverGivesOutTheLastOctetOfADamagedBody) {
    const std::string body = test::message_text(1000);
    const std::vector<std::vector<CutRange>> cut_table = {{}, {{900, 100}}, {{0, 1000}}};
    for (std::size_t at = 0; at < body.size(); at += 37) {
        std::string damaged = body;
        damaged[at] ^= 1;
        for (const auto& cuts : cut_table) {
            for (const std::size_t piece : {1UL, 64UL, 5000UL}) {
                auto reader = make_message_reader(
                    {"P", cuts}, message_row(body), std::make_unique<PieceSource>(damaged, 100)
                );
                ASSERT_TRUE(reader);
                std::size_t given = 0;
                Result<std::string> got;
                for (got = (*reader)->next(piece); got && !got->empty(); got = (*reader)->next(piece))
                    given += got->size();
                ASSERT_FALSE(got);
                EXPECT_EQ(got.error().code, ErrorCode::corrupt);
                EXPECT_LT(given, (*reader)->size_octets());
            }
        }
    }
}

TEST(MessageReader, FindsABodyOfTheWrongLength) {
    const std::string body = test::message_text(1000);
    for (const auto& octets : {body.substr(0, 999), body + "x", std::string()}) {
        auto reader = make_message_reader({}, message_row(body), source_of(octets));
        ASSERT_TRUE(reader);
        const auto got = test::read_all(**reader);
        ASSERT_FALSE(got);
        EXPECT_EQ(got.error().code, ErrorCode::corrupt);
    }
    EXPECT_FALSE(make_message_reader({"", {{0, 1001}}}, message_row(body), source_of(body)));
}

}  // namespace
}  // namespace wicket
