// Keeps two processes from writing to one state folder, and tells the second who the first is.
#pragma once

#include "base/file.hpp"
#include "base/result.hpp"

#include <string>

namespace wicket {

/// Locks `folder`/lock until the descriptor is closed, also by the death of the process. busy, with the
/// holder's process id in the message.
Result<FileDescriptor> lock_state(const std::string& folder);

}  // namespace wicket
