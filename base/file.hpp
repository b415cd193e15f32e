// Files as owned descriptors and the few whole-file operations that the program needs.
#pragma once

#include "base/result.hpp"

#include <string>
#include <string_view>
#include <utility>

namespace wicket {

/// Owns a file descriptor; -1 is none.
class FileDescriptor {
public:
    FileDescriptor() = default;
    explicit FileDescriptor(int fd) : fd_(fd) {}
    FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept {
        if (this != &other) {
            close();
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }
    ~FileDescriptor() { close(); }

    int get() const { return fd_; }
    bool is_open() const { return fd_ >= 0; }
    int release() { return std::exchange(fd_, -1); }
    void close();

private:
    int fd_ = -1;
};

/// The whole file; not_found, invalid (larger than `limit_octets`) or io.
Result<std::string> read_file(const std::string& path, std::size_t limit_octets = 64U << 20U);
/// Writes `content` to a file beside `path`, syncs it, renames it over `path`, syncs the folder.
Result<> replace_file(const std::string& path, std::string_view content, unsigned mode = 0600);

/// The folder that a path leads through, with its slash; empty if there is none.
std::string parent_of(const std::string& path);

}  // namespace wicket
