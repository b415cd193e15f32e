// The folder that a secondary instance of RocksDB would keep its own log in, if that did not go to ours:
// wanted only while it is opened. Removed at once, so that a reader may be killed at any later moment. One
// thread.
#pragma once

#include "base/result.hpp"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace wicket {

class SecondaryFolder {
public:
    SecondaryFolder() = default;
    SecondaryFolder(const SecondaryFolder&) = delete;
    SecondaryFolder& operator=(const SecondaryFolder&) = delete;
    ~SecondaryFolder() {
        std::error_code ignored;
        if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
    }

    Result<> create() {
        std::error_code fault;
        const auto base = std::filesystem::temp_directory_path(fault);
        std::string path = (fault ? std::filesystem::path("/tmp") : base) / "mailwicket-reader-XXXXXX";
        if (::mkdtemp(path.data()) == nullptr) return system_failure("cannot create " + path, errno);
        path_ = path;
        return {};
    }
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

}  // namespace wicket
