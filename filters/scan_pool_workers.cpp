#include "filters/scan_pool_workers.hpp"

#include "base/log.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <algorithm>

namespace wicket {
namespace {

// A worker needs 15 ms, more where the machine is busy or a sanitizer looks on.
constexpr std::chrono::milliseconds ready_limit{15'000};
// After a worker that could not start, so that a broken binary does not become a spawn loop.
constexpr std::chrono::milliseconds retry_delay{1000};

}  // namespace

ScanWorkers::ScanWorkers(boost::asio::io_context& loop, const ScanPoolOptions& options)
    : loop_(loop),
      start_{
          .executable = options.executable,
          .sandbox = options.sandbox,
          .cpu_budget = options.cpu_budget,
          .wall_budget = options.wall_budget
      },
      concurrent_(std::max<std::size_t>(1, options.workers)),
      jobs_per_worker_(options.jobs_per_worker),
      least_life_(options.least_life),
      retry_(loop.get_executor()) {}

Result<> ScanWorkers::start_blocking() {
    auto first = spawn();
    if (!first) return std::unexpected(first.error());
    if (auto ready = (*first)->wait_ready_blocking(ready_limit); !ready) return ready;
    slots_.push_back({*first, Standing::idle});
    replenish();
    return {};
}

Result<std::shared_ptr<ScanWorkerHandle>> ScanWorkers::spawn() {
    auto worker = ScanWorkerHandle::spawn(loop_, start_);
    if (!worker) return worker;
    (*worker)->on_exit([weak = weak_from_this(), raw = std::weak_ptr(*worker)] {
        const auto self = weak.lock();
        const auto ended = raw.lock();
        if (!self || !ended) return;
        self->remove(ended);
        self->replenish();
    });
    return worker;
}

void ScanWorkers::replenish() {
    while (!is_stopped_ && !is_retry_armed_ && slots_.size() < concurrent_ + 1) {
        auto worker = spawn();
        if (!worker) {
            log_error(
                "cannot start a scan worker",
                {
                    {"reason", worker.error().message}
            }
            );
            retry_later();
            break;
        }
        slots_.push_back({*worker, Standing::starting});
        boost::asio::co_spawn(loop_, await_ready(*worker), boost::asio::detached);
    }
    publish();
}

void ScanWorkers::retry_later() {
    is_retry_armed_ = true;
    retry_.arm(system_clock().steady() + retry_delay, [weak = weak_from_this()] {
        const auto self = weak.lock();
        if (!self) return;
        self->is_retry_armed_ = false;
        self->replenish();
    });
}

boost::asio::awaitable<void> ScanWorkers::await_ready(std::shared_ptr<ScanWorkerHandle> worker) {
    const auto self = shared_from_this();
    const bool is_ready = co_await worker->wait_ready(ready_limit);
    if (is_stopped_) co_return;
    if (!is_ready) {
        log_error(
            "a scan worker did not start",
            {
                {"reason", worker->failure()}
        }
        );
        retry_later();
        discard(worker);
        co_return;
    }
    for (Slot& slot : slots_) {
        if (slot.worker == worker) slot.standing = Standing::idle;
    }
    dispatch();
}

void ScanWorkers::stop() {
    is_stopped_ = true;
    retry_.cancel();
    for (const auto& waiter : std::exchange(waiters_, {}))
        waiter->done->happen();
    for (const Slot& slot : std::exchange(slots_, {}))
        slot.worker->destroy();
    for (const auto& worker : std::exchange(retiring_, {}))
        worker->destroy();
    publish();
}

boost::asio::awaitable<std::shared_ptr<ScanWorkerHandle>> ScanWorkers::acquire(
    Freshness freshness, SteadyTime deadline
) {
    const auto self = shared_from_this();
    if (is_stopped_ || waiters_.size() >= waiting_passes_limit) co_return nullptr;
    const auto waiter = std::make_shared<Waiter>();
    waiter->freshness = freshness;
    waiters_.push_back(waiter);
    dispatch();
    if (!waiter->done->has_happened()) {
        waiter->timeout = std::make_unique<Timeout>(loop_.get_executor());
        waiter->timeout->arm(deadline, [weak = std::weak_ptr(waiter)] {
            if (const auto late = weak.lock()) late->done->happen();
        });
        co_await wait_for(waiter->done);
        waiter->timeout.reset();
        std::erase(waiters_, waiter);
    }
    co_return std::exchange(waiter->worker, nullptr);
}

std::size_t ScanWorkers::find_idle(Freshness freshness) const {
    std::size_t best = slots_.size();
    for (std::size_t index = 0; index < slots_.size(); ++index) {
        const Slot& slot = slots_[index];
        if (slot.standing != Standing::idle || slot.worker->has_exited()) continue;
        if (freshness == Freshness::fresh && slot.worker->jobs_done() != 0) continue;
        // The one that has worked the most, so that the spare stays fresh.
        if (best == slots_.size() || slot.worker->jobs_done() > slots_[best].worker->jobs_done())
            best = index;
    }
    return best;
}

void ScanWorkers::dispatch() {
    for (auto at = waiters_.begin(); at != waiters_.end();) {
        const auto busy = std::ranges::count(slots_, Standing::busy, &Slot::standing);
        if (static_cast<std::size_t>(busy) >= concurrent_) break;
        const auto waiter = *at;
        // One whose time is up is about to take itself off the queue.
        if (waiter->done->has_happened()) {
            ++at;
            continue;
        }
        const std::size_t index = find_idle(waiter->freshness);
        if (index < slots_.size()) {
            slots_[index].standing = Standing::busy;
            waiter->worker = slots_[index].worker;
            at = waiters_.erase(at);
            waiter->done->happen();
            continue;
        }
        // Who needs a fresh one makes room for it.
        const bool is_one_coming =
            std::ranges::find(slots_, Standing::starting, &Slot::standing) != slots_.end();
        const std::size_t used = find_idle(Freshness::any);
        if (!is_one_coming && used < slots_.size()) retire(used);
        ++at;
    }
    publish();
}

bool ScanWorkers::has_served(const Slot& slot) const {
    return slot.worker->jobs_done() >= jobs_per_worker_ &&
           system_clock().steady() - slot.began >= least_life_;
}

void ScanWorkers::retire(std::size_t index) {
    const auto worker = slots_[index].worker;
    slots_.erase(slots_.begin() + static_cast<std::ptrdiff_t>(index));
    retiring_.push_back(worker);
    worker->retire();
    replenish();
}

void ScanWorkers::give_back(const std::shared_ptr<ScanWorkerHandle>& worker) {
    const auto slot = std::ranges::find(slots_, worker, &Slot::worker);
    if (slot == slots_.end()) return;
    slot->standing = Standing::idle;
    if (has_served(*slot)) retire(static_cast<std::size_t>(slot - slots_.begin()));
    dispatch();
}

void ScanWorkers::discard(const std::shared_ptr<ScanWorkerHandle>& worker) {
    worker->destroy();
    remove(worker);
    replenish();
    dispatch();
}

void ScanWorkers::remove(const std::shared_ptr<ScanWorkerHandle>& worker) {
    std::erase_if(slots_, [&](const Slot& slot) { return slot.worker == worker; });
    std::erase(retiring_, worker);
}

void ScanWorkers::publish() {
    std::vector<const Slot*> order;
    for (const Slot& slot : slots_)
        order.push_back(&slot);
    const auto rank = [](const Slot* slot) {
        return slot->standing == Standing::busy ? ~std::uint64_t{0} : slot->worker->jobs_done();
    };
    std::ranges::sort(order, std::ranges::greater(), rank);
    const std::lock_guard guard(pids_lock_);
    pids_.clear();
    for (const Slot* slot : order)
        pids_.push_back(slot->worker->pid());
}

std::vector<int> ScanWorkers::pids() const {
    const std::lock_guard guard(pids_lock_);
    return pids_;
}

}  // namespace wicket
