// Waiting without blocking: for the growing delay of refused logins. Any loop.
#pragma once

#include <boost/asio/awaitable.hpp>

#include <chrono>

namespace wicket {

/// Completes on the caller's loop after `duration`; at once if it is not positive. Cancelled with its
/// coroutine.
boost::asio::awaitable<void> delay(std::chrono::milliseconds duration);

}  // namespace wicket
