// Which loop a connection goes to. It stays on the hub, where it was accepted, while the hub has time: a
// connection that is handed to another thread wakes it, and a short one costs a tenth more CPU for that. A
// hub that is behind, or ahead in connections, hands them to the loop that has the fewest.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace wicket {

// Connections live long, and what is idle now may be busy later: by no more than these the hub may have more
// than another loop.
inline constexpr std::uint32_t hub_lead_limit = 16;
// So long what is ready on the hub may wait on the average before the others help. Little beside the disk.
inline constexpr std::chrono::microseconds hub_wait_limit{1000};

class LoopChoice {
public:
    explicit LoopChoice(std::size_t loops) : open_(loops) {}

    /// The loop for a new connection, which counts there until leave(). On the hub; loop 0 is the hub.
    std::size_t enter();
    /// Any thread.
    void leave(std::size_t loop) { --open_[loop]; }
    /// What was ready on the hub had to wait for so long. On the hub.
    void waited(std::chrono::nanoseconds time);

private:
    std::size_t least_loaded() const;

    std::vector<std::atomic<std::uint32_t>> open_;
    std::chrono::nanoseconds wait_{0};  // of late: a sixteenth of it is the last
};

}  // namespace wicket
