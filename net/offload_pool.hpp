// A small pool of threads for work that may block or takes long: password hashing, large files, store reads.
// The queue is bounded, so that nobody can starve the others by asking for more.
#pragma once

#include "base/result.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace wicket {

class OffloadPool {
public:
    /// `name` for logs and thread names; more than `queue_limit` waiting jobs give ErrorCode::busy.
    OffloadPool(std::string name, std::size_t threads, std::size_t queue_limit);
    ~OffloadPool();

    /// Runs `job` on a thread of the pool; completes on the caller's loop. An exception of the job is
    /// rethrown there. busy, without running it, if the queue is full.
    boost::asio::awaitable<Result<>> run(std::function<void()> job);
    void stop();

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace wicket
