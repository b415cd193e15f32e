#include "base/file.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

namespace wicket {
namespace {

class File : public testing::Test {
protected:
    void SetUp() override {
        std::string name = testing::TempDir() + "wicket-file-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder_ = name;
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    std::string folder_;
};

TEST_F(File, IsReadBackAsItWasWritten) {
    const std::string path = folder_ + "/file";
    const std::string content = std::string(200'000, 'x') + '\0' + "end";
    ASSERT_TRUE(replace_file(path, "old"));
    ASSERT_TRUE(replace_file(path, content, 0640));
    EXPECT_EQ(read_file(path).value(), content);
    struct stat status{};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0640U);
    // Nothing is left beside it.
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(File, SaysWhyItCannotBeReadOrWritten) {
    EXPECT_EQ(read_file(folder_ + "/missing").error().code, ErrorCode::not_found);
    EXPECT_EQ(read_file(folder_).error().code, ErrorCode::io);
    ASSERT_TRUE(replace_file(folder_ + "/file", "12345"));
    EXPECT_EQ(read_file(folder_ + "/file", 4).error().code, ErrorCode::invalid);
    EXPECT_EQ(read_file(folder_ + "/file", 5).value(), "12345");
    EXPECT_EQ(replace_file(folder_ + "/no/file", "x").error().code, ErrorCode::not_found);
    std::filesystem::create_directory(folder_ + "/taken");
    EXPECT_FALSE(replace_file(folder_ + "/taken", "x"));
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 2);
}

TEST_F(File, DescriptorHasOneOwner) {
    FileDescriptor first(::dup(0));
    const int number = first.get();
    FileDescriptor second(std::move(first));
    EXPECT_FALSE(first.is_open());  // NOLINT(bugprone-use-after-move): that is the question
    EXPECT_EQ(second.get(), number);
    second.close();
    EXPECT_EQ(::fcntl(number, F_GETFD), -1);
}

}  // namespace
}  // namespace wicket
