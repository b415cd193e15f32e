#include "store/state_lock.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace wicket {
namespace {

std::string holder_of(int fd) {
    std::array<char, 24> text{};
    const auto length = ::pread(fd, text.data(), text.size(), 0);
    std::string digits;
    for (ssize_t i = 0; i < length; ++i) {
        const char c = text.at(static_cast<std::size_t>(i));
        if (c < '0' || c > '9') break;
        digits += c;
    }
    return digits.empty() ? "?" : digits;
}

}  // namespace

Result<FileDescriptor> lock_state(const std::string& folder) {
    const std::string path = folder + "/lock";
    FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!file.is_open()) return system_failure("cannot open " + path, errno);
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) return system_failure("cannot lock " + path, errno);
        return failure(
            ErrorCode::busy, "the store " + folder + " is in use by process " + holder_of(file.get())
        );
    }
    // Only for the message: a full disk must not keep the store from being opened.
    const std::string text = std::to_string(::getpid()) + "\n";
    if (::ftruncate(file.get(), 0) == 0)
        static_cast<void>(::pwrite(file.get(), text.data(), text.size(), 0) == 0);
    return file;
}

}  // namespace wicket
