// The workers of a pool and who waits for one: spawning, recycling, a hot spare, a bounded queue. One loop.
#pragma once

#include "filters/scan_pool.hpp"
#include "filters/scan_pool_worker.hpp"

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

namespace wicket {

// Passes that wait for a worker; beyond, the facts are unknown at once instead of too late.
inline constexpr std::size_t waiting_passes_limit = 2000;

class ScanWorkers : public std::enable_shared_from_this<ScanWorkers> {
public:
    ScanWorkers(boost::asio::io_context& loop, const ScanPoolOptions& options);

    /// Starts one, waits for it, then the others.
    Result<> start_blocking();
    void stop();
    bool is_stopped() const { return is_stopped_; }

    enum class Freshness : std::uint8_t { any, fresh };  // fresh: no job has run in it
    /// A worker for one pass, to be given back; nullptr if there is none in time.
    boost::asio::awaitable<std::shared_ptr<ScanWorkerHandle>> acquire(
        Freshness freshness, SteadyTime deadline
    );
    /// After a pass without fault.
    void give_back(const std::shared_ptr<ScanWorkerHandle>& worker);
    /// After a fault, or an answer that is not to be believed.
    void discard(const std::shared_ptr<ScanWorkerHandle>& worker);

    /// Busy ones first, the spare last. Any thread.
    std::vector<int> pids() const;

private:
    enum class Standing : std::uint8_t { starting, idle, busy };
    struct Slot {
        std::shared_ptr<ScanWorkerHandle> worker;
        Standing standing = Standing::starting;
        SteadyTime began = system_clock().steady();
    };
    struct Waiter {
        Freshness freshness = Freshness::any;
        std::shared_ptr<ScanEvent> done = std::make_shared<ScanEvent>();
        std::shared_ptr<ScanWorkerHandle> worker;
        std::unique_ptr<Timeout> timeout;
    };

    Result<std::shared_ptr<ScanWorkerHandle>> spawn();
    void replenish();
    boost::asio::awaitable<void> await_ready(std::shared_ptr<ScanWorkerHandle> worker);
    bool has_served(const Slot& slot) const;
    void retire(std::size_t index);
    void dispatch();
    /// The index of an idle worker that suits; slots_.size() if there is none.
    std::size_t find_idle(Freshness freshness) const;
    void remove(const std::shared_ptr<ScanWorkerHandle>& worker);
    void retry_later();
    void publish();

    boost::asio::io_context& loop_;
    ScanWorkerHandle::Start start_;
    std::size_t concurrent_;
    std::uint32_t jobs_per_worker_;
    std::chrono::milliseconds least_life_;
    std::vector<Slot> slots_;
    std::vector<std::shared_ptr<ScanWorkerHandle>> retiring_;
    std::deque<std::shared_ptr<Waiter>> waiters_;
    Timeout retry_;
    bool is_retry_armed_ = false;
    bool is_stopped_ = false;

    mutable std::mutex pids_lock_;
    std::vector<int> pids_;
};

}  // namespace wicket
