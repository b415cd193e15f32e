#include "net/delay.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace wicket {

boost::asio::awaitable<void> delay(std::chrono::milliseconds duration) {
    if (duration <= std::chrono::milliseconds(0)) co_return;
    boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, duration);
    co_await timer.async_wait(boost::asio::use_awaitable);
}

}  // namespace wicket
