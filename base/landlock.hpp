// Landlock: gives up, for good and for all children, every right to files except those named. For the thread
// that calls and those it makes later, so it is called before any other thread exists.
#pragma once

#include "base/result.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace wicket {

enum class FileRight : std::uint8_t { read, read_and_execute, read_and_write };

struct FileGrant {
    std::string
        path;  // a file, or a folder with all below it; what is not there or not for us is passed over
    FileRight right;
};

/// unavailable if the kernel has no Landlock; io if it refuses. Sets no_new_privs too.
Result<> restrict_files_to(const std::vector<FileGrant>& grants);

}  // namespace wicket
