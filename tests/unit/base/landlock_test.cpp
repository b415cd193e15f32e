#include "base/landlock.hpp"

#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <fcntl.h>
#include <functional>
#include <linux/landlock.h>
#include <string>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace wicket {
namespace {

/// 0, or the error number of the call.
using Deed = std::function<int()>;

/// What a child that gave up all but `grants` gets from each deed.
std::vector<int> under(const std::vector<FileGrant>& grants, const std::vector<Deed>& deeds) {
    std::vector<int> results(deeds.size(), -1);
    int ends[2];
    if (pipe(ends) != 0) return results;
    const pid_t child = fork();
    if (child == 0) {
        if (!restrict_files_to(grants)) _exit(1);
        for (const Deed& deed : deeds) {
            const int result = deed();
            if (write(ends[1], &result, sizeof result) != sizeof result) _exit(2);
        }
        _exit(0);
    }
    close(ends[1]);
    for (int& result : results)
        if (read(ends[0], &result, sizeof result) != sizeof result) break;
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
    return results;
}

int result_of_opening(const std::string& path, int flags) {
    const int fd = open(path.c_str(), flags | O_CLOEXEC, 0600);
    if (fd < 0) return errno;
    close(fd);
    return 0;
}

TEST(Landlock, LeavesNothingButTheGrants) {
    const long version = syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    ASSERT_GE(version, 1) << "this kernel has no Landlock";
    const test::TemporaryFolder mine;
    const test::TemporaryFolder other;
    for (const auto* folder : {&mine, &other})
        ASSERT_EQ(result_of_opening(*folder / "file", O_CREAT | O_WRONLY), 0);
    const std::vector<Deed> deeds = {
        [&] { return result_of_opening(mine / "file", O_RDWR); },
        [&] { return result_of_opening(mine / "new", O_CREAT | O_WRONLY); },
        [&] { return truncate((mine / "file").c_str(), 0) == 0 ? 0 : errno; },
        [&] { return unlink((mine / "file").c_str()) == 0 ? 0 : errno; },
        [&] { return result_of_opening(other / "file", O_RDONLY); },
        [&] { return result_of_opening(other / "file", O_WRONLY); },
        [&] { return result_of_opening(other / "new", O_CREAT | O_WRONLY); },
        [&] { return unlink((other / "file").c_str()) == 0 ? 0 : errno; },
        [&] { return truncate((other / "file").c_str(), 0) == 0 ? 0 : errno; },
        [&] { return result_of_opening("/etc/passwd", O_RDONLY); },
    };
    // Before its third version Landlock knew nothing of truncate(2).
    const int cut = version >= 3 ? EACCES : 0;
    EXPECT_EQ(
        under(
            {
                {mine.path(),  FileRight::read_and_write},
                {other.path(), FileRight::read          }
    },
            deeds
        ),
        (std::vector<int>{0, 0, 0, 0, 0, EACCES, EACCES, EACCES, cut, EACCES})
    );
    ASSERT_EQ(result_of_opening(mine / "file", O_CREAT | O_WRONLY), 0);
    EXPECT_EQ(under({}, {deeds[0], deeds[4], deeds[9]}), (std::vector<int>{EACCES, EACCES, EACCES}));
    EXPECT_EQ(
        under(
            {
                {mine / "nothing", FileRight::read}
    },
            {deeds[4]}
        ),
        (std::vector<int>{EACCES})
    ) << "a grant for what does not exist grants nothing else";
}

}  // namespace
}  // namespace wicket
