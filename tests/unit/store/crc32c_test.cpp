#include "store/crc32c.hpp"

#include <gtest/gtest.h>

#include <string>

// RocksDB's own, by the name that ld --wrap gives it.
// NOLINTNEXTLINE(bugprone-reserved-identifier,readability-identifier-naming)
extern "C" std::uint32_t __real__ZN7rocksdb6crc32c6ExtendEjPKcm(std::uint32_t, const char*, std::size_t);

namespace wicket {
namespace {

TEST(Crc32c, IsThatOfTheStandard) {
    // RFC 3720 appendix B.4.
    std::string up;
    for (char c = 0; c < 32; ++c)
        up += c;
    EXPECT_EQ(extend_crc32c(0, std::string(32, '\0')), 0x8a9136aaU);
    EXPECT_EQ(extend_crc32c(0, std::string(32, '\xff')), 0x62a8ab43U);
    EXPECT_EQ(extend_crc32c(0, up), 0x46dd794eU);
    EXPECT_EQ(extend_crc32c(0, ""), 0U);
}

// A store that one of them has written the other must read.
TEST(Crc32c, IsThatOfRocksDb) {
    std::string text;
    std::uint32_t seed = 1;
    while (text.size() < 300)
        text += static_cast<char>((seed = seed * 1664525U + 1013904223U) >> 24U);
    for (std::size_t begin = 0; begin < 16; ++begin)
        for (std::size_t end = begin; end <= text.size(); ++end) {
            const std::string_view part = std::string_view(text).substr(begin, end - begin);
            const std::uint32_t want = __real__ZN7rocksdb6crc32c6ExtendEjPKcm(seed, part.data(), part.size());
            ASSERT_EQ(extend_crc32c(seed, part), want) << begin << ' ' << end;
        }
}

TEST(Crc32c, GoesOnFromWhatThereWas) {
    const std::string text = "a text that comes in two parts";
    for (std::size_t cut = 0; cut <= text.size(); ++cut)
        EXPECT_EQ(
            extend_crc32c(extend_crc32c(0, text.substr(0, cut)), text.substr(cut)), extend_crc32c(0, text)
        );
}

}  // namespace
}  // namespace wicket
