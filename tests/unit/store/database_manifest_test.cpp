// A MANIFEST whose end a power cut has torn is mended; one that is damaged otherwise is not touched.
#include "store/database_manifest.hpp"

#include "store/store.hpp"
#include "tests/support/store/store_fixture.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace wicket {
namespace {

using namespace test;
namespace fs = std::filesystem;

std::string octets_of(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

void write_octets(const std::string& path, std::string_view octets) {
    std::ofstream stream(path, std::ios::binary);
    stream << octets;
}

/// A store with a mail in it, whose MANIFEST the test changes while it is closed.
class ManifestTail : public testing::Test {
protected:
    void SetUp() override {
        auto store = open_store({.folder = state_});
        ASSERT_TRUE(deliver(store->mail(), delivery_to("a@example.test", message_of("kept"))));
        store.reset();
        std::string name = octets_of(state_ + "/mail/CURRENT");
        name.pop_back();
        path_ = state_ + "/mail/" + name;
        octets_ = octets_of(path_);
        ASSERT_GT(octets_.size(), header);
    }

    /// Where the last record begins: RocksDB's files here are far below a block.
    std::size_t last_record() const {
        std::size_t at = 0;
        for (;;) {
            const std::size_t end = at + header + static_cast<std::uint8_t>(octets_[at + 4]) +
                                    256U * static_cast<std::uint8_t>(octets_[at + 5]);
            if (end >= octets_.size()) return at;
            at = end;
        }
    }

    Result<std::string> mail_after_opening_with(std::string_view manifest) {
        write_octets(path_, manifest);
        auto store = Store::open({.folder = state_});
        if (!store) return std::unexpected(store.error());
        return read_message((*store)->mail(), "a@example.test", 1);
    }

    static constexpr std::size_t header = 7;
    TemporaryFolder folder_;
    std::string state_ = folder_ / "state";
    std::string path_, octets_;
};

TEST_F(ManifestTail, IsTornWhereZerosStandForOctets) {
    EXPECT_EQ(size_without_torn_end(octets_), std::nullopt) << "whole";
    const std::string next = octets_.substr(last_record());
    for (std::size_t left = 0; left < next.size(); ++left) {
        std::string torn = octets_ + next.substr(0, left);
        const std::size_t zeros = next.size() - left;
        torn.append(zeros, '\0');
        if (zeros < 4) continue;  // it may end so of itself
        EXPECT_EQ(size_without_torn_end(torn), octets_.size()) << left << " octets of it are left";
        torn.append(5000, '\0');  // more records were under way
        EXPECT_EQ(size_without_torn_end(torn), octets_.size()) << left << " octets, and no other record";
    }
}

TEST_F(ManifestTail, IsNotTornByDamage) {
    for (std::size_t at = 0; at < octets_.size(); ++at) {
        std::string damaged = octets_;
        damaged[at] = static_cast<char>(damaged[at] ^ 4);
        EXPECT_EQ(size_without_torn_end(damaged), std::nullopt) << at;
        // Zeros behind a damaged record are none of its own, but for one whose length is damaged.
        const bool is_last_length = at == last_record() + 4 || at == last_record() + 5;
        if (!is_last_length)
            EXPECT_EQ(size_without_torn_end(damaged + std::string(5000, '\0')), std::nullopt) << at;
    }
}

TEST_F(ManifestTail, IsReadAcrossBlocks) {
    // Records that fill a block but for less than a header: the rest of it is unused.
    const std::string record = octets_.substr(last_record());
    std::string filled = octets_;
    while (filled.size() % 32768 + record.size() <= 32768)
        filled += record;
    const std::size_t left = 32768 - filled.size() % 32768;
    if (left < header) filled.append(left, '\0');
    EXPECT_EQ(size_without_torn_end(filled), std::nullopt);
    EXPECT_EQ(size_without_torn_end(""), std::nullopt);
    EXPECT_EQ(size_without_torn_end("MANIFEST"), std::nullopt);
    EXPECT_EQ(size_without_torn_end(std::string(100, '\0')), 0U);
}

TEST_F(ManifestTail, TornIsTakenAwayAndTheStoreOpens) {
    const std::string next = octets_.substr(last_record());
    for (const std::size_t left : {next.size() / 3, next.size() / 2, next.size() - 4}) {
        auto torn = octets_ + next.substr(0, left);
        torn.append(next.size() - left, '\0');
        const auto mail = mail_after_opening_with(torn);
        ASSERT_TRUE(mail) << left << ": " << mail.error().message;
        EXPECT_EQ(*mail, "Return-Path: <>\r\nkept");
        SetUp();
    }
}

TEST_F(ManifestTail, DamagedIsRefusedAndLeftAsItIs) {
    std::string damaged = octets_;
    damaged[damaged.size() - 3] = static_cast<char>(damaged[damaged.size() - 3] ^ 1);
    const auto mail = mail_after_opening_with(damaged);
    ASSERT_FALSE(mail);
    EXPECT_EQ(mail.error().code, ErrorCode::corrupt);
    EXPECT_EQ(octets_of(path_), damaged);
    EXPECT_TRUE(mail_after_opening_with(octets_)) << "nothing else was touched";
}

}  // namespace
}  // namespace wicket
