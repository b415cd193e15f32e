#include "base/parallel.hpp"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace wicket {
namespace {

// So many pieces for each thread may be done before their turn comes.
constexpr std::size_t ahead_per_thread = 4;

}  // namespace

void work_in_order(
    std::size_t count,
    std::size_t threads,
    const std::function<void(std::size_t, std::size_t)>& work,
    const std::function<void(std::size_t)>& take
) {
    threads = std::max<std::size_t>(threads, 1);
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<bool> is_done(count);
    std::size_t next = 0;   // to be begun
    std::size_t taken = 0;  // that many
    std::exception_ptr fault;

    const auto run = [&](std::size_t thread) {
        std::unique_lock lock(mutex);
        while (true) {
            changed.wait(lock, [&] {
                return fault || next >= count || next < taken + threads * ahead_per_thread;
            });
            if (fault || next >= count) return;
            const std::size_t piece = next++;
            lock.unlock();
            std::exception_ptr failed;
            try {
                work(piece, thread);
            } catch (...) {
                failed = std::current_exception();
            }
            lock.lock();
            is_done[piece] = true;
            if (failed && !fault) fault = failed;
            changed.notify_all();
        }
    };
    std::vector<std::jthread> workers;
    for (std::size_t thread = 0; thread < threads; ++thread)
        workers.emplace_back(run, thread);
    std::unique_lock lock(mutex);
    while (taken < count) {
        changed.wait(lock, [&] { return fault || is_done[taken]; });
        if (fault) break;
        lock.unlock();
        std::exception_ptr failed;
        try {
            take(taken);
        } catch (...) {
            failed = std::current_exception();
        }
        lock.lock();
        ++taken;
        if (failed) fault = failed;
        changed.notify_all();
    }
    lock.unlock();
    workers.clear();
    if (fault) std::rethrow_exception(fault);
}

}  // namespace wicket
