// Takes everything away from a scan worker but memory, CPU and the descriptors it holds: no files, no
// network, no other processes, no new privileges. One way; call it once, in a process with one thread, after
// all libraries have loaded what they need. Never used in the front.
#pragma once

#include "base/result.hpp"

#include <cstdint>
#include <string>

namespace wicket {

enum class SandboxLevel : std::uint8_t {
    full,     // an error if any of the walls cannot be put up
    reduced,  // goes on without Landlock, where the kernel has none
};

/// Closes all descriptors above `last_descriptor`, sets limits, drops capabilities, then Landlock (no path at
/// all) and seccomp (an allow-list; the rest fails with EPERM). An error leaves the process half confined, to
/// be ended.
Result<> enter_sandbox(SandboxLevel level, int last_descriptor);

/// Tries what must not succeed in here (open, socket, execve, fork, ptrace) and prints a line for each on
/// standard output: `open: refused (EPERM)`. True if all were refused.
bool prove_sandbox();

}  // namespace wicket
