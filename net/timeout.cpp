#include "net/timeout.hpp"

#include <boost/asio/steady_timer.hpp>

#include <utility>

namespace wicket {

struct Timeout::State {
    explicit State(const boost::asio::any_io_executor& executor) : timer(executor) {}
    boost::asio::steady_timer timer;
    std::function<void()> call;
};

Timeout::Timeout(boost::asio::any_io_executor executor) : state_(std::make_shared<State>(executor)) {}

Timeout::~Timeout() {
    cancel();
}

void Timeout::arm(SteadyTime when, std::function<void()> call) {
    state_->call = std::move(call);
    state_->timer.expires_at(when);
    state_->timer.async_wait([state = state_](const boost::system::error_code& error) {
        // An empty call means that it was called off after the timer had fired but before this ran.
        if (error || !state->call) return;
        std::exchange(state->call, nullptr)();
    });
}

void Timeout::cancel() {
    state_->call = nullptr;
    state_->timer.cancel();
}

}  // namespace wicket
