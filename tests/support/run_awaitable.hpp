// Runs one coroutine to its end on a loop of its own and gives its result, or rethrows what it threw.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <optional>
#include <stdexcept>

namespace wicket {

template <class T>
T run_awaitable(boost::asio::io_context& loop, boost::asio::awaitable<T> work) {
    std::optional<T> result;
    std::exception_ptr thrown;
    boost::asio::co_spawn(loop, std::move(work), [&](std::exception_ptr error, T value) {
        thrown = error;
        result = std::move(value);
    });
    loop.restart();
    loop.run();
    if (thrown) std::rethrow_exception(thrown);
    if (!result) throw std::logic_error("the coroutine never ended");
    return std::move(*result);
}

template <class T>
T run_awaitable(boost::asio::awaitable<T> work) {
    boost::asio::io_context loop;
    return run_awaitable(loop, std::move(work));
}

}  // namespace wicket
