// Counts the crashes of scan workers: by the inputs that caused them, to know a message that kills by its own
// octets; by check and by network, so that neither can turn the pool into a respawn storm. One loop.
#pragma once

#include "base/clock.hpp"
#include "base/sha256.hpp"

#include <chrono>
#include <deque>
#include <list>
#include <map>
#include <string>

namespace wicket {

// As many fresh workers as one input may take with it before it is called poison.
inline constexpr unsigned poison_crash_count = 3;
// More crashes than this within the window switch a check to unknown for as long.
inline constexpr std::size_t check_crash_limit = 10;
// The same for all mail of a network, and sooner, so that one sender does not cost the others the check.
inline constexpr std::size_t network_crash_limit = 5;
inline constexpr std::chrono::seconds circuit_window{60};
// How long after its last crash an input is remembered. A sender that tries again gets the same answer for a
// day; then what was to blame may be gone (a library repaired, a machine short of memory), so it is looked at
// anew, which costs three workers a day at most.
inline constexpr std::chrono::hours crashed_input_memory{24};

class ScanCrashLedger {
public:
    /// Counts a crash of a fresh worker over these inputs, and returns how many there were.
    unsigned add_input(const Sha256& inputs, SteadyTime now);
    unsigned count_input(const Sha256& inputs, SteadyTime now);
    bool has_inputs() const { return !inputs_.empty(); }
    /// Counts a crash towards a circuit ("dkim", "192.0.2.0/24").
    void add(const std::string& circuit, SteadyTime now);
    /// Whether a circuit has had more than `limit` of late.
    bool is_open(const std::string& circuit, std::size_t limit, SteadyTime now);

private:
    struct CrashedInput {
        Sha256 inputs;
        unsigned count;
        SteadyTime last;
    };

    void forget_old_inputs(SteadyTime now);

    std::list<CrashedInput> inputs_;  // the latest first
    std::map<std::string, std::deque<SteadyTime>> circuits_;
};

}  // namespace wicket
