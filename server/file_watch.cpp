#include "server/file_watch.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <utility>

namespace wicket {
namespace {

std::string state_of(const std::vector<std::string>& files) {
    std::string text;
    for (const std::string& file : files) {
        struct stat found{};
        if (::stat(file.c_str(), &found) != 0) {
            text += "none\n";
            continue;
        }
        text += fmt::format(
            "{} {} {} {}.{:09}\n",
            found.st_dev,
            found.st_ino,
            found.st_size,
            found.st_mtim.tv_sec,
            found.st_mtim.tv_nsec
        );
    }
    return text;
}

}  // namespace

void FileWatch::settle(const std::vector<std::string>& files) {
    settled_ = pending_ = state_of(files);
}

bool FileWatch::has_changed(const std::vector<std::string>& files) {
    std::string now = state_of(files);
    const bool is_calm = now == pending_;
    pending_ = std::move(now);
    if (pending_ == settled_ || !is_calm) return false;
    settled_ = pending_;
    return true;
}

}  // namespace wicket
