// Whose the state folder is. Before the store is opened for writing, all of the folder belongs to the user
// who opens it, whoever made it, and nobody else gets in. Blocking; called before any other thread exists.
#pragma once

#include "base/result.hpp"
#include "server/config.hpp"

#include <string>
#include <sys/types.h>

namespace wicket {

struct Identity {
    uid_t user;
    gid_t group;
    std::string name;  // for messages
};

/// Who works on the store: as root [process] user, or else the owner of the state folder; root if there is
/// neither. Who is not root stays what he is. invalid if there is no such user.
Result<Identity> store_identity(const Config& config);

/// Makes the state folder if it is missing, with mode 0700; as root gives it, and what root left in it, to
/// `identity`, following no links. invalid if it belongs to somebody else.
Result<> prepare_state(const Config& config, const Identity& identity);

/// For good, with the user's own group and no other. Nothing if the process or `identity` is not root's to
/// change: who is not root stays what he is, and root stays root.
Result<> become(const Identity& identity);

}  // namespace wicket
