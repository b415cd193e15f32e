// What the front gives up once it is set up: root, capabilities, files that are none of its business, core
// dumps. docs/security.md says what is left. Called before any other thread exists.
#pragma once

#include "base/result.hpp"
#include "server/config.hpp"
#include "server/state_folder.hpp"

#include <string>

namespace wicket {

/// As root: becomes `identity`; if that is root too, drops all capabilities and says so in the log.
Result<> drop_root(const Config& config, const Identity& identity);

/// Not dumpable, no new privileges; Landlock: state/ may be written, configuration, rules, lists, TLS files
/// and libraries read, and our own binary executed. What is read again at a reload may be read with its whole
/// folder, as named and as links lead to it. Under sandbox = "reduced" a kernel without Landlock is only a
/// warning.
Result<> confine_files(const Config& config, const std::string& own_executable);

}  // namespace wicket
