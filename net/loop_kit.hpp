// What all connections of one loop share: the deadlines and the read buffers. It belongs to the io_context
// (an Asio service), so it outlives everything that runs there. One thread: that of the loop.
#pragma once

#include "net/deadlines.hpp"

#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

namespace wicket {

inline constexpr std::size_t read_buffer_octets = 65536;

using ReadBuffer = std::array<char, read_buffer_octets>;

/// Buffers that are taken when octets are there and given back before the next wait.
class BufferPool {
public:
    std::unique_ptr<ReadBuffer> take();
    void give_back(std::unique_ptr<ReadBuffer> buffer);

private:
    // 512 KiB a loop may lie idle; what a burst takes beyond goes back to the heap.
    static constexpr std::size_t kept = 8;
    std::vector<std::unique_ptr<ReadBuffer>> free_;
};

class LoopKit : public boost::asio::execution_context::service {
public:
    static boost::asio::execution_context::id id;

    explicit LoopKit(boost::asio::execution_context& loop);
    static LoopKit& of(boost::asio::io_context& loop);

    Deadlines deadlines;
    BufferPool buffers;

private:
    void shutdown() override { deadlines.stop(); }
};

}  // namespace wicket
