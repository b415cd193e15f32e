// Deadlines of many waiting sessions with one timer per loop: a wheel of slots, swept every 250 ms while
// anybody waits. A node costs four words and no allocation. Deadlines are never early and at most a tick
// late. One thread: that of the loop.
#pragma once

#include "base/clock.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace wicket {

/// Derive from it to have a deadline. It must be taken out of its wheel before it is destroyed.
class DeadlineNode {
public:
    DeadlineNode() = default;
    DeadlineNode(const DeadlineNode&) = delete;
    DeadlineNode& operator=(const DeadlineNode&) = delete;

    bool is_waiting() const { return next_ != nullptr; }

protected:
    ~DeadlineNode() = default;

private:
    friend class DeadlineWheel;
    /// Called once, after the node has left the wheel; may add or remove any node.
    virtual void on_deadline() {}

    DeadlineNode* previous_ = nullptr;
    DeadlineNode* next_ = nullptr;
    SteadyTime deadline_;
};

/// The wheel alone, without a timer.
class DeadlineWheel {
public:
    // Sessions wait for minutes and need no better.
    static constexpr std::chrono::milliseconds tick{250};

    explicit DeadlineWheel(SteadyTime now);

    /// Adds `node`, or moves it. SteadyTime::max() is no deadline: then it only leaves the wheel.
    void add(DeadlineNode& node, SteadyTime deadline);
    /// Nothing happens if it is not in the wheel.
    void remove(DeadlineNode& node);
    /// Calls on_deadline() of all whose deadline is at or before `now`, less those of the tick that runs.
    void advance(SteadyTime now);
    std::size_t size() const { return size_; }

private:
    // 512 ticks are 128 s; a node that waits longer is looked at once a turn.
    static constexpr std::size_t slot_count = 512;

    struct Head : DeadlineNode {};

    static void link(DeadlineNode& head, DeadlineNode& node);
    void put(DeadlineNode& node);
    std::int64_t tick_of(SteadyTime time) const { return (time - start_) / tick; }

    SteadyTime start_;
    std::int64_t last_tick_ = 0;  // the last one that has been swept
    std::size_t size_ = 0;
    std::array<Head, slot_count> slots_;
};

/// The wheel of a loop with its timer, which runs only while somebody waits.
class Deadlines {
public:
    Deadlines(boost::asio::io_context& loop, const Clock& clock);

    void add(DeadlineNode& node, SteadyTime deadline);
    void remove(DeadlineNode& node) { wheel_.remove(node); }
    SteadyTime now() const { return clock_.steady(); }
    /// Gives up the timer; nothing expires any more.
    void stop();

private:
    void arm();

    const Clock& clock_;
    DeadlineWheel wheel_;
    std::optional<boost::asio::steady_timer> timer_;
    bool is_armed_ = false;
};

}  // namespace wicket
