#include "base/landlock.hpp"

#include "base/file.hpp"

#include <cerrno>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace wicket {
namespace {

// Of Linux 6.2 and 6.10, which Debian 12's headers do not have.
constexpr std::uint64_t truncating = 1U << 14U;
constexpr std::uint64_t controlling_devices = 1U << 15U;

constexpr std::uint64_t reading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t executing = reading | LANDLOCK_ACCESS_FS_EXECUTE;
constexpr std::uint64_t writing = reading | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                  LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                  LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | truncating;
// What rules may be about when the path is no folder.
constexpr std::uint64_t file_rights =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | truncating;

/// All rights that this version of Landlock can take away.
std::uint64_t rights_known_to(long version) {
    std::uint64_t rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1U) - 1;
    // With the first version, renaming across folders is refused anyway.
    if (version >= 2) rights |= LANDLOCK_ACCESS_FS_REFER;
    if (version >= 3) rights |= truncating;
    if (version >= 5) rights |= controlling_devices;
    return rights;
}

std::uint64_t rights_of(FileRight right) {
    switch (right) {
        case FileRight::read: return reading;
        case FileRight::read_and_execute: return executing;
        case FileRight::read_and_write: return writing;
    }
    return 0;
}

Result<> grant(int ruleset, const FileGrant& wanted, std::uint64_t handled) {
    const FileDescriptor path(::open(wanted.path.c_str(), O_PATH | O_CLOEXEC));
    if (!path.is_open()) {
        if (errno == ENOENT || errno == EACCES) return {};
        return system_failure("cannot open " + wanted.path, errno);
    }
    struct stat status{};
    if (::fstat(path.get(), &status) != 0) return system_failure("cannot look at " + wanted.path, errno);
    landlock_path_beneath_attr rule{};
    rule.allowed_access = rights_of(wanted.right) & handled;
    if (!S_ISDIR(status.st_mode)) rule.allowed_access &= file_rights;
    rule.parent_fd = path.get();
    if (::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
        return system_failure("Landlock refuses the rule for " + wanted.path, errno);
    return {};
}

}  // namespace

Result<> restrict_files_to(const std::vector<FileGrant>& grants) {
    const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1) return failure(ErrorCode::unavailable, "this kernel has no Landlock");
    landlock_ruleset_attr attributes{};
    attributes.handled_access_fs = rights_known_to(version);
    const FileDescriptor ruleset(
        static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0))
    );
    if (!ruleset.is_open()) return system_failure("cannot make a Landlock rule set", errno);
    for (const FileGrant& wanted : grants)
        if (auto done = grant(ruleset.get(), wanted, attributes.handled_access_fs); !done) return done;
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return system_failure("cannot set no_new_privs", errno);
    if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0)
        return system_failure("Landlock refuses to restrict this process", errno);
    return {};
}

}  // namespace wicket
