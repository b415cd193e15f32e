// One scan worker as the front sees it: a child process, the channel to it, and its end. Owned by the pool;
// one loop. Ends the child when it is destroyed.
#pragma once

#include "base/file.hpp"
#include "base/result.hpp"
#include "filters/scan_pool_event.hpp"
#include "mail/pattern.hpp"
#include "net/timeout.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace wicket {

enum class WorkerFault : std::uint8_t {
    crashed,     // ended by a signal of its own making, or with an error
    killed,      // SIGKILL from elsewhere: an administrator, or the kernel out of memory
    over_wall,   // took longer than the wall budget
    over_cpu,    // took more CPU than the budget
    bad_answer,  // said something that is no frame
    not_sent,    // the job did not reach it
    not_taught,  // it failed over the patterns of the rule set
};

/// Whether the fault is the input's own doing, and would be again in any other worker. A budget is overrun
/// on a machine that is busy or suspended, and nothing that did not reach the worker can have hurt it.
bool is_crash(WorkerFault fault);

std::string_view describe(WorkerFault fault);

class ScanWorkerHandle : public std::enable_shared_from_this<ScanWorkerHandle> {
public:
    struct Start {
        std::string executable;
        std::string sandbox;
        std::chrono::milliseconds cpu_budget{};
        std::chrono::milliseconds wall_budget{};
    };

    /// Spawns it; it is not ready yet. The front's descriptors do not reach it.
    static Result<std::shared_ptr<ScanWorkerHandle>> spawn(boost::asio::io_context& loop, const Start& start);
    ~ScanWorkerHandle();

    int pid() const { return pid_; }
    std::uint64_t jobs_done() const { return jobs_done_; }
    bool has_exited() const { return exited_->has_happened(); }

    /// Waits until it says that it is confined and ready; blocking is for the start of the program only.
    Result<> wait_ready_blocking(std::chrono::milliseconds limit);
    /// True once it is ready; false if it ended or said that it cannot be confined (then `failure()`).
    boost::asio::awaitable<bool> wait_ready(std::chrono::milliseconds limit);
    const std::string& failure() const { return failure_; }

    /// Sees to it that the worker holds these patterns; nothing, or what went wrong. After a fault as below.
    boost::asio::awaitable<std::optional<WorkerFault>> teach(std::shared_ptr<const PatternSet> patterns);

    /// Sends a job with, perhaps, a descriptor (-1: none), and waits for the answer. After a fault the worker
    /// is of no more use, and has been ended.
    boost::asio::awaitable<std::variant<std::string, WorkerFault>> exchange(std::string frame, int body);

    /// Closes the channel, upon which it ends by itself; after a second it is killed.
    void retire();
    /// Called once when the process has ended, on the loop.
    void on_exit(std::function<void()> call);
    /// Kills and reaps it at once; blocks for as long as that takes, which is short.
    void destroy();

private:
    ScanWorkerHandle(
        boost::asio::io_context& loop, FileDescriptor channel, FileDescriptor process, int pid, Start start
    );
    void watch();
    void reap();
    bool send(char kind, std::string& frame, int body);
    boost::asio::awaitable<std::variant<std::string, WorkerFault>> converse(
        char kind, std::string frame, int body
    );
    /// One frame; an empty string if the channel has ended.
    boost::asio::awaitable<std::string> receive();
    void kill();

    boost::asio::posix::stream_descriptor channel_;
    boost::asio::posix::stream_descriptor process_;  // a pidfd
    Timeout timeout_;
    Start start_;
    int pid_;
    std::shared_ptr<ScanEvent> exited_ = std::make_shared<ScanEvent>();
    std::function<void()> on_exit_;
    std::string failure_;
    std::string received_;  // kept from frame to frame: it has room for the largest
    std::uint64_t jobs_done_ = 0;
    std::vector<Sha256> taught_;  // the sets that it holds, the last asked for last
    int end_signal_ = 0;
    bool was_over_wall_ = false;
    bool was_killed_here_ = false;
    bool is_reaped_ = false;
};

}  // namespace wicket
