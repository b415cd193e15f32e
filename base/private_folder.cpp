#include "base/private_folder.hpp"

#include "base/file.hpp"
#include "base/log.hpp"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace wicket {
namespace {

constexpr mode_t private_mode = 0700;
constexpr mode_t rights_of_others = 0077;

Result<> make(const std::string& path, const std::optional<FileOwner>& owner) {
    const std::string parent = std::filesystem::path(path).parent_path().string();
    struct stat status{};
    if (!parent.empty() && parent != path && ::stat(parent.c_str(), &status) != 0 && errno == ENOENT)
        if (auto made = make(parent, owner); !made) return made;
    if (::mkdir(path.c_str(), private_mode) != 0)
        return errno == EEXIST ? Result<>() : system_failure("cannot make the folder " + path, errno);
    if (owner && ::chown(path.c_str(), owner->user, owner->group) != 0)
        return system_failure("cannot give away the folder " + path, errno);
    return {};
}

}  // namespace

Result<> make_private_folder(const std::string& path, std::optional<FileOwner> owner) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) {
        if (errno != ENOENT) return system_failure("cannot look at " + path, errno);
        return make(path, owner);
    }
    if (!S_ISDIR(status.st_mode)) return failure(ErrorCode::invalid, path + " is no folder");
    if ((status.st_mode & rights_of_others) == 0) return {};
    const std::string before = fmt::format("{:04o}", status.st_mode & 07777U);
    if (::chmod(path.c_str(), private_mode) == 0)
        log_warning(
            "other users could get into a folder of the state; its mode is 0700 now",
            {
                {"folder", path  },
                {"before", before}
        }
        );
    else
        log_warning(
            "other users can get into a folder of the state, and this user may not change that",
            {
                {"folder", path  },
                {"mode",   before}
        }
        );
    return {};
}

}  // namespace wicket
