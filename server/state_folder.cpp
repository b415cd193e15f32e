#include "server/state_folder.hpp"

#include "base/file.hpp"
#include "base/log.hpp"
#include "base/private_folder.hpp"

#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <optional>
#include <pwd.h>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace wicket {
namespace {

// state/mail and the like have no folders in them.
constexpr int depth_limit = 4;

Result<Identity> identity_by_name(const std::string& name) {
    std::vector<char> buffer(1U << 14U);
    passwd entry{};
    passwd* found = nullptr;
    if (const int error = ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
        error != 0)
        return system_failure("cannot look up the user " + name, error);
    if (found == nullptr)
        return failure(ErrorCode::invalid, "there is no user " + name + " ([process] user)");
    return Identity{entry.pw_uid, entry.pw_gid, name};
}

struct FolderCloser {
    void operator()(DIR* folder) const { ::closedir(folder); }
};

/// Gives what belongs to root to somebody else. Whoever can write in the folder may be hostile: each file is
/// held by a descriptor while it is looked at, no link is followed, and a file with another name elsewhere is
/// left alone.
class Gift {
public:
    explicit Gift(const Identity& identity) : identity_(identity) {}

    /// `path` is for messages.
    Result<> give(int parent, const std::string& name, const std::string& path, int depth = 0) {
        const int follow = depth == 0 ? 0 : O_NOFOLLOW;  // the administrator's link is good
        const FileDescriptor file(::openat(parent, name.c_str(), O_PATH | O_CLOEXEC | follow));
        if (!file.is_open())
            return errno == ENOENT ? Result<>() : system_failure("cannot open " + path, errno);
        struct stat status{};
        if (::fstat(file.get(), &status) != 0) return system_failure("cannot look at " + path, errno);
        const bool is_folder = S_ISDIR(status.st_mode);
        if (S_ISLNK(status.st_mode)) return {};
        if (status.st_uid == 0 && (is_folder || status.st_nlink == 1)) {
            if (::fchownat(file.get(), "", identity_.user, identity_.group, AT_EMPTY_PATH) != 0)
                return system_failure("cannot give " + path + " to " + identity_.name, errno);
            ++count_;
        }
        return is_folder && depth < depth_limit ? give_content(file.get(), path, depth) : Result<>();
    }
    std::size_t count() const { return count_; }

private:
    Result<> give_content(int folder, const std::string& path, int depth) {
        const int fd = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0) return system_failure("cannot open " + path, errno);
        const std::unique_ptr<DIR, FolderCloser> content(::fdopendir(fd));
        if (!content) return system_failure("cannot read " + path, errno);
        // Nobody else reads this stream.
        while (const dirent* entry = ::readdir(content.get())) {  // NOLINT(concurrency-mt-unsafe)
            const std::string name(entry->d_name);
            if (name == "." || name == "..") continue;
            if (auto given = give(folder, name, path + "/" + name, depth + 1); !given) return given;
        }
        return {};
    }

    const Identity& identity_;
    std::size_t count_ = 0;
};

Result<> give_away(const std::string& state, const Identity& identity) {
    Gift gift(identity);
    if (auto given = gift.give(AT_FDCWD, state, state); !given) return given;
    if (gift.count() != 0)
        log_info(
            "what root had left in the state folder was given to who runs the server",
            {
                {"state", state                       },
                {"user",  identity.name               },
                {"files", std::to_string(gift.count())}
        }
        );
    return {};
}

}  // namespace

Result<Identity> store_identity(const Config& config) {
    const Identity own{::geteuid(), ::getegid(), "user " + std::to_string(::geteuid())};
    if (own.user != 0) return own;
    if (!config.process_user.empty()) return identity_by_name(config.process_user);
    struct stat status{};
    if (::stat(config.state.c_str(), &status) == 0)
        return Identity{status.st_uid, status.st_gid, "the owner of " + config.state};
    if (errno == ENOENT) return own;
    return system_failure("cannot look at " + config.state, errno);
}

Result<> prepare_state(const Config& config, const Identity& identity) {
    const bool is_given = ::geteuid() == 0 && identity.user != 0;
    const auto owner = is_given ? std::optional(FileOwner{identity.user, identity.group}) : std::nullopt;
    if (auto made = make_private_folder(config.state, owner); !made) return made;
    if (!is_given) return {};
    if (auto given = give_away(config.state, identity); !given) return given;
    struct stat status{};
    if (::stat(config.state.c_str(), &status) != 0)
        return system_failure("cannot look at " + config.state, errno);
    if (status.st_uid == identity.user) return {};
    return failure(
        ErrorCode::invalid,
        fmt::format(
            "the state folder {0} belongs to the user with the number {1}, not to {2} as [process] user "
            "says: "
            "chown -R {2} {0}",
            config.state,
            status.st_uid,
            identity.name
        )
    );
}

Result<> become(const Identity& identity) {
    if (::geteuid() != 0 || identity.user == 0) return {};
    if (::setgroups(0, nullptr) != 0) return system_failure("cannot drop the groups", errno);
    if (::setresgid(identity.group, identity.group, identity.group) != 0)
        return system_failure("cannot change the group", errno);
    if (::setresuid(identity.user, identity.user, identity.user) != 0)
        return system_failure("cannot become " + identity.name, errno);
    return {};
}

}  // namespace wicket
