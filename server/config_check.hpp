// What a configuration says about the machine around it: users, certificates, accounts. Reading the file
// alone cannot tell; `check` and the start of the server look. Blocking.
#pragma once

#include "base/diagnostic.hpp"
#include "server/config.hpp"

namespace wicket {

/// [process] user must exist.
void check_process_user(const Config& config, Diagnostics& diagnostics);
/// Each certificate must fit its key. Files that may not be read by who asks, and keys that may be read by
/// everybody, are a warning.
void check_certificates(const Config& config, Diagnostics& diagnostics);
/// Aliases must lead to accounts, of the running server or else of the store. Without a store a warning says
/// that nobody looked.
void check_aliases(const Config& config, Diagnostics& diagnostics);

}  // namespace wicket
