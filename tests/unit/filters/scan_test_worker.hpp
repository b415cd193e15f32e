// The scan worker of the tests: this very program, run as `test_filters scan`. It serves the real checks
// behind the real sandbox, and commits on demand what a worker must not do.
#pragma once

#include <string>

namespace wicket::testing {

// HELO names on which the test worker misbehaves instead of checking.
inline constexpr const char* helo_that_crashes = "crash.worker.invalid";
inline constexpr const char* helo_that_hangs = "hang.worker.invalid";
inline constexpr const char* helo_that_burns = "burn.worker.invalid";
inline constexpr const char* helo_that_lies = "lie.worker.invalid";
inline constexpr const char* helo_that_asks = "ask.worker.invalid";

/// The program to give to ScanPoolOptions::executable.
std::string test_worker_executable();

}  // namespace wicket::testing
