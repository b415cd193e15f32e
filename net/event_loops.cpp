#include "net/event_loops.hpp"

#include "base/thread.hpp"

#include <boost/asio/executor_work_guard.hpp>

#include <algorithm>
#include <csignal>
#include <pthread.h>
#include <sched.h>
#include <string>
#include <thread>

namespace wicket {

namespace {

// A loop that can be emptied before it is destroyed: what waits in one loop may refer to another.
class Loop : public boost::asio::io_context {
public:
    // The hint 1 saves the wake-up of other threads; locking stays on, since other threads post to us.
    Loop() : boost::asio::io_context(1), work_(get_executor()) {}
    using boost::asio::execution_context::shutdown;

private:
    boost::asio::executor_work_guard<executor_type> work_;
};

std::size_t usable_cores() {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    if (sched_getaffinity(0, sizeof(cores), &cores) != 0) return 1;
    return static_cast<std::size_t>(std::max(1, CPU_COUNT(&cores)));
}

}  // namespace

struct EventLoops::State {
    std::vector<std::unique_ptr<Loop>> loops;
    std::vector<std::thread> threads;
};

EventLoops::EventLoops(std::size_t count) : state_(std::make_unique<State>()) {
    if (count == 0) count = usable_cores();
    for (std::size_t i = 0; i < count; ++i)
        state_->loops.push_back(std::make_unique<Loop>());
}

EventLoops::~EventLoops() {
    stop();
    // What is destroyed in one loop may post to another, also to one that has been emptied before: hence more
    // than one round, while all of them still exist.
    for (int round = 0; round < 3; ++round) {
        for (const auto& loop : state_->loops)
            loop->shutdown();
    }
}

std::size_t EventLoops::size() const {
    return state_->loops.size();
}

boost::asio::io_context& EventLoops::hub() {
    return *state_->loops.front();
}

boost::asio::io_context& EventLoops::at(std::size_t index) {
    return *state_->loops.at(index);
}

void EventLoops::start() {
    if (!state_->threads.empty()) return;
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (std::size_t i = 0; i < state_->loops.size(); ++i) {
        auto& loop = *state_->loops[i];
        loop.restart();
        state_->threads.emplace_back([&loop, i] {
            name_thread(i == 0 ? "hub" : "loop-" + std::to_string(i));
            loop.run();
        });
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void EventLoops::stop() {
    for (const auto& loop : state_->loops)
        loop->stop();
    for (auto& thread : state_->threads)
        thread.join();
    state_->threads.clear();
}

}  // namespace wicket
