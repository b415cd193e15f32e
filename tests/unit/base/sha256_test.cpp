#include "base/sha256.hpp"

#include <gtest/gtest.h>

namespace wicket {
namespace {

std::string hex_of(const Sha256& hash) {
    return to_hex({reinterpret_cast<const char*>(hash.data()), hash.size()});
}

TEST(Sha256, IsThatOfTheStandard) {
    // FIPS 180-4 examples.
    EXPECT_EQ(hex_of(sha256_of("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(hex_of(sha256_of("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Sha256, DoesNotDependOnTheParts) {
    const std::string text(1000, 'x');
    for (const std::size_t part : {1U, 63U, 64U, 65U, 1000U}) {
        Sha256Stream stream;
        for (std::size_t at = 0; at < text.size(); at += part) {
            stream.add(std::string_view(text).substr(at, part));
            EXPECT_EQ(hex_of(stream.so_far()), hex_of(sha256_of(text.substr(0, at + part)))) << part;
        }
        EXPECT_EQ(hex_of(stream.finish()), hex_of(sha256_of(text))) << part;
    }
    EXPECT_EQ(hex_of(Sha256Stream().finish()), hex_of(sha256_of("")));
}

}  // namespace
}  // namespace wicket
