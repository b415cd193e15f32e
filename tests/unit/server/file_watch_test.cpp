#include "server/file_watch.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace wicket {
namespace {

TEST(FileWatch, TellsAChangeOnceWhenTheFileHasComeToRest) {
    const auto folder = std::filesystem::path(testing::TempDir()) / "wicket-file-watch";
    std::filesystem::create_directories(folder);
    const std::string file = folder / "list.txt";
    const auto write = [](const std::string& path, std::string_view text) { std::ofstream(path) << text; };
    write(file, "a\n");
    const std::vector<std::string> files = {file};
    FileWatch watch;
    watch.settle(files);
    EXPECT_FALSE(watch.has_changed(files));
    write(file, "a\nb\n");
    EXPECT_FALSE(watch.has_changed(files));  // somebody may still be writing
    write(file, "a\nb\nc\n");
    EXPECT_FALSE(watch.has_changed(files));
    EXPECT_TRUE(watch.has_changed(files));
    EXPECT_FALSE(watch.has_changed(files));

    const std::string other = folder / "new.txt";
    write(other, "a\nb\nc\n");
    std::filesystem::rename(other, file);
    EXPECT_FALSE(watch.has_changed(files));
    EXPECT_TRUE(watch.has_changed(files));
    std::filesystem::remove(file);
    EXPECT_FALSE(watch.has_changed(files));
    EXPECT_TRUE(watch.has_changed(files));
    EXPECT_FALSE(watch.has_changed(files));
    std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace wicket
