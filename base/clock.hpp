// The only way to the time of day and to time passed. Nothing else reads a clock (`./dev lint` sees to it),
// so that tests can set the time and a record can be replayed.
#pragma once

#include <chrono>
#include <memory>
#include <string>

namespace wicket {

/// Microseconds since 1970-01-01T00:00:00Z.
using WallTime = std::chrono::sys_time<std::chrono::microseconds>;
/// Never goes back; unrelated to the time of day.
using SteadyTime = std::chrono::steady_clock::time_point;

class Clock {
public:
    virtual ~Clock() = default;
    virtual WallTime wall() const = 0;
    virtual SteadyTime steady() const = 0;
};

/// The machine's clocks. Any thread.
const Clock& system_clock();

/// A clock that stands still until it is told. One thread.
class ManualClock : public Clock {
public:
    explicit ManualClock(WallTime start) : wall_(start) {}
    WallTime wall() const override { return wall_; }
    SteadyTime steady() const override { return steady_; }
    void advance(std::chrono::microseconds by) {
        wall_ += by;
        steady_ += by;
    }

private:
    WallTime wall_;
    SteadyTime steady_{};
};

/// RFC 3339 in UTC with microseconds: 2026-01-31T12:00:00.000000Z.
std::string to_rfc3339(WallTime time);
/// RFC 5322 section 3.3 in UTC: Sat, 31 Jan 2026 12:00:00 +0000.
std::string to_rfc5322(WallTime time);

}  // namespace wicket
