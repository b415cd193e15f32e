// What the front gives up once it is set up: root, capabilities, files that are none of its business, core
// dumps. docs/security.md says what is left. Called before any other thread exists.
#pragma once

#include "base/result.hpp"
#include "server/config.hpp"

#include <string>

namespace wicket {

/// Becomes [process] user, or the owner of the state folder; as root without either, drops all capabilities
/// and says so in the log. Nothing if the process is not root. The state folder is given to the new user if
/// it was just made.
Result<> drop_root(const Config& config);

/// Not dumpable, no new privileges; Landlock: state/ may be written, configuration, rules, TLS files and
/// libraries read, and our own binary executed. Under sandbox = "reduced" a kernel without Landlock is only a
/// warning.
Result<> confine_files(const Config& config, const std::string& own_executable);

}  // namespace wicket
