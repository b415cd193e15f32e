#include "net/loop_kit.hpp"

namespace wicket {

boost::asio::execution_context::id LoopKit::id;

std::unique_ptr<ReadBuffer> BufferPool::take() {
    if (free_.empty()) return std::make_unique_for_overwrite<ReadBuffer>();
    auto buffer = std::move(free_.back());
    free_.pop_back();
    return buffer;
}

void BufferPool::give_back(std::unique_ptr<ReadBuffer> buffer) {
    if (buffer && free_.size() < kept) free_.push_back(std::move(buffer));
}

LoopKit::LoopKit(boost::asio::execution_context& loop)
    : service(loop), deadlines(static_cast<boost::asio::io_context&>(loop), system_clock()) {}

LoopKit& LoopKit::of(boost::asio::io_context& loop) {
    return boost::asio::use_service<LoopKit>(loop);
}

}  // namespace wicket
