// Carries out what an SmtpSession says, on a Connection and a Visit: reads, writes, waits, with a deadline
// for each. Thin on purpose; no protocol here. One coroutine per connection, on the connection's loop.
#pragma once

#include "base/clock.hpp"
#include "net/connection.hpp"
#include "receiver/byte_budget.hpp"
#include "receiver/gatekeeper.hpp"
#include "receiver/options.hpp"

#include <boost/asio/awaitable.hpp>

#include <memory>

namespace wicket {

/// Serves one connection until it is over, closes it, and calls visit->ended() last. Never throws: what a
/// Visit throws ends the session with 421 and a line in the log. `options`, `budget` and `clock` must outlive
/// the coroutine. One budget serves all listeners.
boost::asio::awaitable<void> serve_smtp(
    std::shared_ptr<Connection> connection,
    std::unique_ptr<Visit> visit,
    const ReceiverOptions& options,
    ByteBudget& budget,
    const Clock& clock
);

}  // namespace wicket
