#include "base/file.hpp"

#include "base/random.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace wicket {
namespace {

constexpr std::size_t chunk_octets = 64U << 10U;

Result<> write_all(int fd, std::string_view content, const std::string& path) {
    while (!content.empty()) {
        const auto written = ::write(fd, content.data(), content.size());
        if (written > 0) {
            content.remove_prefix(static_cast<std::size_t>(written));
        } else if (errno != EINTR) {
            return system_failure("write " + path, errno);
        }
    }
    return {};
}

Result<> write_synced(FileDescriptor file, std::string_view content, unsigned mode, const std::string& path) {
    // The mode is as asked for, whatever the umask.
    if (::fchmod(file.get(), static_cast<mode_t>(mode)) != 0) return system_failure("chmod " + path, errno);
    if (auto written = write_all(file.get(), content, path); !written) return written;
    if (::fsync(file.get()) != 0) return system_failure("sync " + path, errno);
    // Some file systems report a failed write only here.
    if (::close(file.release()) != 0) return system_failure("close " + path, errno);
    return {};
}

Result<> sync_folder(const std::string& folder) {
    const FileDescriptor handle(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!handle.is_open()) return system_failure("open " + folder, errno);
    if (::fsync(handle.get()) != 0) return system_failure("sync " + folder, errno);
    return {};
}

}  // namespace

void FileDescriptor::close() {
    // An error here cannot be acted on: whoever must know syncs first.
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Result<std::string> read_file(const std::string& path, std::size_t limit_octets) {
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.is_open()) return system_failure("open " + path, errno);
    std::string content;
    std::size_t length = 0;
    while (true) {
        content.resize(length + chunk_octets);
        const auto got = ::read(file.get(), content.data() + length, chunk_octets);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return system_failure("read " + path, errno);
        length += static_cast<std::size_t>(got);
        if (length > limit_octets) {
            return failure(
                ErrorCode::invalid, fmt::format("{} is larger than {} octets", path, limit_octets)
            );
        }
        if (got == 0) break;
    }
    content.resize(length);
    return content;
}

Result<> replace_file(const std::string& path, std::string_view content, unsigned mode) {
    const std::size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    const std::string beside = fmt::format("{}.{:016x}.new", path, random_u64());

    FileDescriptor file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file.is_open()) return system_failure("create " + beside, errno);
    Result<> result = write_synced(std::move(file), content, mode, beside);
    if (result && ::rename(beside.c_str(), path.c_str()) != 0) {
        result = system_failure("rename " + beside + " to " + path, errno);
    }
    if (!result) {
        ::unlink(beside.c_str());
        return result;
    }
    return sync_folder(folder);
}

std::string parent_of(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? std::string() : path.substr(0, slash + 1);
}

}  // namespace wicket
