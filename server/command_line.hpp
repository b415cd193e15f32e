// Reads the words that `mailwicket` is called with and runs the command: the one place that knows CLI11.
#pragma once

namespace wicket {

/// Returns the exit code.
int run_command_line(int argc, char** argv);

}  // namespace wicket
