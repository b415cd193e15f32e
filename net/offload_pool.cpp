#include "net/offload_pool.hpp"

#include "base/thread.hpp"

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <condition_variable>
#include <csignal>
#include <deque>
#include <exception>
#include <mutex>
#include <pthread.h>
#include <thread>
#include <utility>
#include <vector>

namespace wicket {

namespace {

using Completion = std::move_only_function<void(std::exception_ptr, Result<>)>;

struct Task {
    std::function<void()> job;
    Completion complete;  // posts to the asker's loop
};

}  // namespace

struct OffloadPool::State {
    std::string name;
    std::size_t queue_limit = 0;
    std::vector<std::thread> threads;

    std::mutex mutex;  // guards what follows
    std::condition_variable wake;
    std::deque<Task> queue;
    bool is_stopped = false;

    void work();
    void submit(Task task);
};

void OffloadPool::State::work() {
    for (;;) {
        Task task;
        {
            std::unique_lock lock(mutex);
            wake.wait(lock, [this] { return is_stopped || !queue.empty(); });
            if (is_stopped) return;
            task = std::move(queue.front());
            queue.pop_front();
        }
        std::exception_ptr thrown;
        try {
            task.job();
        } catch (...) {
            thrown = std::current_exception();
        }
        // The job's captures go before the asker continues: it may own what they refer to.
        task.job = nullptr;
        task.complete(thrown, {});
    }
}

void OffloadPool::State::submit(Task task) {
    Error refusal{ErrorCode::busy, "the pool " + name + " has too many jobs waiting"};
    {
        const std::lock_guard lock(mutex);
        if (is_stopped) {
            refusal = {ErrorCode::unavailable, "the pool " + name + " has stopped"};
        } else if (queue.size() < queue_limit) {
            queue.push_back(std::move(task));
            wake.notify_one();
            return;
        }
    }
    task.job = nullptr;
    task.complete(nullptr, std::unexpected(std::move(refusal)));
}

OffloadPool::OffloadPool(std::string name, std::size_t threads, std::size_t queue_limit)
    : state_(std::make_shared<State>()) {
    state_->name = std::move(name);
    state_->queue_limit = queue_limit;
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (std::size_t i = 0; i < std::max<std::size_t>(threads, 1); ++i) {
        state_->threads.emplace_back([state = state_.get()] {
            name_thread(state->name);
            state->work();
        });
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

OffloadPool::~OffloadPool() {
    stop();
}

boost::asio::awaitable<Result<>> OffloadPool::run(std::function<void()> job) {
    auto state = state_;
    co_return co_await boost::asio::
        async_initiate<const boost::asio::use_awaitable_t<>&, void(std::exception_ptr, Result<>)>(
            [state](auto handler, std::function<void()> work) {
                Completion complete =
                    [handler = std::move(handler)](std::exception_ptr thrown, Result<> result) mutable {
                        auto executor = boost::asio::get_associated_executor(handler);
                        boost::asio::post(
                            executor,
                            [handler = std::move(handler), thrown, result = std::move(result)]() mutable {
                                handler(thrown, std::move(result));
                            }
                        );
                    };
                state->submit({std::move(work), std::move(complete)});
            },
            boost::asio::use_awaitable,
            std::move(job)
        );
}

void OffloadPool::stop() {
    std::deque<Task> left;
    {
        const std::lock_guard lock(state_->mutex);
        state_->is_stopped = true;
        left.swap(state_->queue);
        state_->wake.notify_all();
    }
    for (auto& thread : state_->threads)
        thread.join();
    state_->threads.clear();
    for (auto& task : left) {
        task.job = nullptr;
        task.complete(nullptr, failure(ErrorCode::unavailable, "the pool " + state_->name + " has stopped"));
    }
}

}  // namespace wicket
