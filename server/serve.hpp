// `mailwicket serve`: sets everything up in the one right order, runs it, reloads on SIGHUP, drains on
// SIGTERM.
#pragma once

#include "server/commands.hpp"

#include <string>

namespace wicket {

// How long open sessions may go on after SIGTERM.
inline constexpr int drain_seconds = 30;

/// `form`: of the lines about listeners and `ready`; that of the log is set already. Returns the exit code: 0
/// after a drain, 78 for a configuration at fault, 69 or 75 if something is not to be had.
int run_server(const std::string& config_file, OutputForm form);

}  // namespace wicket
