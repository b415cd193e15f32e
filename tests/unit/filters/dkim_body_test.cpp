#include "filters/scan/dkim_body.hpp"

#include "tests/unit/filters/opendkim_body.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

constexpr auto simple = DkimCanonicalization::simple;
constexpr auto relaxed = DkimCanonicalization::relaxed;

void expect_digest_of(
    std::string_view canonical,
    std::string_view body,
    DkimCanonicalization canonicalization,
    std::optional<std::uint64_t> limit = std::nullopt
) {
    std::vector<std::uint64_t> limits;
    if (limit) limits.push_back(*limit);
    const DkimBodyDigests got = digest_body(body, canonicalization, limits);
    EXPECT_EQ(got.octets, canonical.size()) << body;
    EXPECT_EQ(got.whole, sha256_of(canonical)) << body;
    if (limit) {
        EXPECT_EQ(got.to.at(*limit), sha256_of(canonical.substr(0, *limit))) << body;
    }
}

TEST(DkimBody, IsCanonicalAsTheRfcShows) {
    // RFC 6376 section 3.4.5.
    expect_digest_of(" C\r\nD E\r\n", " C \r\nD \t E\r\n\r\n\r\n", relaxed);
    expect_digest_of(" C \r\nD \t E\r\n", " C \r\nD \t E\r\n\r\n\r\n", simple);
}

TEST(DkimBody, EndsWithOneLineEnd) {
    expect_digest_of("", "", relaxed);
    expect_digest_of("\r\n", "", simple);
    expect_digest_of("", "\r\n \t\r\n\r\n", relaxed);
    expect_digest_of("\r\n", "\r\n\r\n", simple);
    expect_digest_of("a\r\n", "a", relaxed);
    expect_digest_of("a\r\n", "a", simple);
    expect_digest_of("a\r\n", "a \t", relaxed);
    expect_digest_of("\r\n\r\na\r\n", "\r\n \r\na\r\n\t\r\n", relaxed);
}

TEST(DkimBody, IsHashedAsFarAsItsLengthSays) {
    for (const std::uint64_t limit : {0U, 1U, 4U, 5U, 6U, 8U})
        expect_digest_of("a b\r\nc\r\n", "a  b\r\nc\r\n", relaxed, limit);
    const DkimBodyDigests longer = digest_body("a\r\n", relaxed, {4});
    EXPECT_EQ(longer.octets, 3U);
    EXPECT_EQ(longer.to.at(4), sha256_of("a\r\n"));
}

TEST(DkimBody, IsHashedToSeveralLengthsInOnePass) {
    const std::string text(10'000, 'x');
    const std::vector<std::uint64_t> limits = {10'003, 0, 4096, 4095, 1, 10'002, 8192, 1, 5000};
    const DkimBodyDigests got = digest_body(text, simple, limits);
    EXPECT_EQ(got.octets, 10'002U);
    for (const std::uint64_t limit : limits)
        EXPECT_EQ(got.to.at(limit), sha256_of((text + "\r\n").substr(0, limit))) << limit;
}

TEST(DkimBody, HasAsManyEmptyLinesAsThereAre) {
    for (const std::size_t count : {1023U, 1024U, 1025U, 5000U}) {
        std::string lines;
        for (std::size_t at = 0; at < count; ++at)
            lines += "\r\n";
        expect_digest_of(lines + "a\r\n", lines + "a\r\n" + lines, relaxed);
        expect_digest_of(lines + "a\r\n", lines + "a\r\n" + lines, simple);
    }
}

TEST(DkimBody, DoesNotDependOnWhereALongLineIsCut) {
    for (const std::size_t length : {4095U, 4096U, 4097U, 9000U}) {
        const std::string words(length, 'x');
        const std::string spaces(length, ' ');
        expect_digest_of(words + " y\r\n", words + "\t  y" + spaces + "\r\n", relaxed);
        expect_digest_of(words + " \r\n", words + " \r\n", simple);
        expect_digest_of(" " + words + "\r\n", spaces + words, relaxed);
    }
}

// libopendkim, which reads octet by octet, is right about what it is right about: whole lines.
TEST(DkimBody, IsWhatLibopendkimMakesOfIt) {
    constexpr std::array<std::string_view, 8> parts = {"a", "bc", " ", "\t", "  ", "\r\n", "\r\n\r\n", "."};
    std::uint32_t seed = 1;
    const auto random = [&seed](std::uint32_t below) {
        seed = seed * 1664525U + 1013904223U;
        return (seed >> 16U) % below;
    };
    for (int round = 0; round < 3000; ++round) {
        std::string body;
        for (std::uint32_t count = random(20); count != 0; --count)
            body += parts[random(parts.size())];
        if (!body.empty() && !body.ends_with("\r\n")) body += "\r\n";
        for (const auto canonicalization : {simple, relaxed}) {
            const std::uint64_t octets = digest_body(body, canonicalization, {}).octets;
            const std::uint64_t limit = random(static_cast<std::uint32_t>(octets) + 1);
            const DkimBodyDigests ours = digest_body(body, canonicalization, {limit});
            const auto text_of = [](const Sha256& hash) { return std::string(hash.begin(), hash.end()); };
            ASSERT_EQ(
                text_of(ours.whole), testing::opendkim_body_sha256(body, canonicalization, std::nullopt)
            ) << '"'
              << body << '"';
            ASSERT_EQ(
                text_of(ours.to.at(limit)), testing::opendkim_body_sha256(body, canonicalization, limit)
            ) << '"'
              << body << "\" " << limit;
        }
    }
}

}  // namespace
}  // namespace wicket
