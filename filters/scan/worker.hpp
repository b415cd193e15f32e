// The process behind a scan job: takes jobs from a SOCK_SEQPACKET channel, runs the checks they name, answers
// with facts or questions. One thread. It holds nothing between jobs but caches of decoded keys and the
// compiled patterns of rule sets, and may be killed at any moment.
#pragma once

#include "filters/scan/sandbox.hpp"
#include "filters/scan_filter.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace wicket {

// Where the front puts the channel: the first descriptor after the standard ones.
inline constexpr int scan_channel_descriptor = 3;
// First octet of what the front sends.
inline constexpr char front_sends_job = 'J';       // then a Job of frames.proto
inline constexpr char front_sends_patterns = 'P';  // then Patterns; answered with an empty result
// First octet of what a worker sends.
inline constexpr char worker_is_ready = 'R';
inline constexpr char worker_has_failed = 'E';  // then the reason; it ends
inline constexpr char worker_has_result = 'A';  // then a Result of frames.proto

// Rule sets whose patterns a worker holds compiled: that in force, and the one before, which sessions that
// began earlier keep.
inline constexpr std::size_t pattern_sets_held_limit = 2;

struct ScanWorkerOptions {
    SandboxLevel sandbox = SandboxLevel::full;
    std::chrono::milliseconds cpu_budget{2000};  // of one pass; then SIGPROF ends the process
    bool is_self_test = false;
};

/// From `scan --sandbox=full --cpu-ms=2000`; what it does not know it ignores, for the front is the only
/// caller.
ScanWorkerOptions parse_worker_arguments(int argc, char** argv);

/// All checks that a worker of this program offers. Constructing them loads what their libraries need.
std::vector<std::unique_ptr<ScanFilter>> make_scan_filters();

/// Confines the process, says that it is ready, and serves until the channel closes. The exit code.
int serve_scan_jobs(std::vector<std::unique_ptr<ScanFilter>> filters, const ScanWorkerOptions& options);

}  // namespace wicket
