// Folders that hold what nobody else may read: mode 0700, whatever the umask. Blocking; any thread.
#pragma once

#include "base/result.hpp"

#include <optional>
#include <string>
#include <sys/types.h>

namespace wicket {

struct FileOwner {
    uid_t user;
    gid_t group;
};

/// Makes `path` with mode 0700, and its missing parents likewise; what is made belongs to `owner`, which only
/// root may name. A folder that is there loses what group and others may do in it, and the log says so; if it
/// is not ours to change, the log only says that.
Result<> make_private_folder(const std::string& path, std::optional<FileOwner> owner = std::nullopt);

}  // namespace wicket
