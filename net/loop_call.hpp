// Runs a short function on another loop and brings its result back to the loop of the caller.
// Values only cross over: `work` must own what it touches, or be sure of its life. Any loop.
#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <type_traits>
#include <utility>

namespace wicket {

/// `work()` on `loop`; it must not throw and returns a value.
template <class Work>
boost::asio::awaitable<std::invoke_result_t<Work>> call_on(boost::asio::io_context& loop, Work work) {
    using Value = std::invoke_result_t<Work>;
    co_return co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>&, void(Value)>(
        [&loop](auto handler, Work function) {
            boost::asio::post(loop, [handler = std::move(handler), function = std::move(function)]() mutable {
                auto value = function();
                auto executor = boost::asio::get_associated_executor(handler);
                boost::asio::post(
                    executor,
                    [handler = std::move(handler), value = std::move(value)]() mutable {
                        handler(std::move(value));
                    }
                );
            });
        },
        boost::asio::use_awaitable,
        std::move(work)
    );
}

}  // namespace wicket
