// One event loop and thread per core. Loop 0 is the hub: listening sockets, DNS and the scan pool live there.
// A connection is given to one of them (net/loop_choice.hpp) and never moves.
#pragma once

#include "base/clock.hpp"

#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <memory>
#include <vector>

namespace wicket {

class EventLoops {
public:
    /// `count` 0: one per core that this process may use.
    explicit EventLoops(std::size_t count);
    ~EventLoops();  // stops and joins

    std::size_t size() const;
    boost::asio::io_context& hub();
    boost::asio::io_context& at(std::size_t index);
    /// Starts the threads. Signals are blocked in all of them.
    void start();
    /// Makes every loop return as soon as its handler at work does; then joins the threads.
    void stop();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace wicket
