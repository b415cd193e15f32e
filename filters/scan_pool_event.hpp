// Something that happens once, and at most one coroutine that waits for it. One loop.
#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <functional>
#include <memory>
#include <utility>

namespace wicket {

class ScanEvent {
public:
    bool has_happened() const { return has_happened_; }

    /// Only the first call counts.
    void happen() {
        if (std::exchange(has_happened_, true)) return;
        if (const auto resume = std::exchange(resume_, nullptr)) resume();
    }

private:
    friend boost::asio::awaitable<void> wait_for(std::shared_ptr<ScanEvent> event);

    bool has_happened_ = false;
    std::function<void()> resume_;
};

/// Held by each of several coroutines: with the last of them the event happens, also when they are destroyed
/// unfinished at the end of the loop. Whoever waits owns the event, and would otherwise own itself for ever.
class ScanCountdown {
public:
    explicit ScanCountdown(std::shared_ptr<ScanEvent> event) : event_(std::move(event)) {}
    ScanCountdown(const ScanCountdown&) = delete;
    ScanCountdown& operator=(const ScanCountdown&) = delete;
    ~ScanCountdown() { event_->happen(); }

private:
    std::shared_ptr<ScanEvent> event_;
};

inline boost::asio::awaitable<void> wait_for(std::shared_ptr<ScanEvent> event) {
    if (event->has_happened_) co_return;
    co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>&, void()>(
        [event](auto handler) {
            // std::function wants to be copied, which the handler cannot be.
            const auto shared = std::make_shared<decltype(handler)>(std::move(handler));
            event->resume_ = [shared] {
                const auto executor = boost::asio::get_associated_executor(*shared);
                boost::asio::post(executor, std::move(*shared));
            };
        },
        boost::asio::use_awaitable
    );
}

}  // namespace wicket
