// Listening sockets and the limits at the door. One acceptor per listener, all on the hub, and one table of
// limits for all loops, so that they are exact; net/loop_choice.hpp says where an accepted socket goes. PROXY
// headers are read on that loop before the limits by address are applied (by then to the client's own
// address). Survives running out of descriptors: it holds one in reserve, sheds with it, and waits before it
// tries again.
#pragma once

#include "base/result.hpp"
#include "net/connection.hpp"
#include "net/event_loops.hpp"
#include "net/limit_table.hpp"
#include "net/tls_context.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace wicket {

enum class TlsMode : std::uint8_t { none, start_tls, implicit };

struct ListenerOptions {
    std::string service;  // "smtp", "pop3", ...: for the name
    std::string address;  // "127.0.0.1:2525", "[::1]:0"
    std::vector<IpNetwork> proxy_networks;
    ConnectionLimits limits;
    TlsMode tls = TlsMode::none;
    int inherited_fd = -1;  // from systemd; -1: bind
    /// What a shed client reads before it is closed: "421 4.7.0 %REASON%\r\n"; %REASON% is replaced.
    std::string shed_line;
    /// Serves one connection on its loop. When it returns or throws, the connection is closed and counted
    /// off.
    std::function<boost::asio::awaitable<void>(std::shared_ptr<Connection>)> serve;
};

struct AcceptorCounters {
    std::uint64_t accepted = 0, shed_per_ip = 0, shed_per_network = 0, shed_total = 0, shed_rate = 0,
                  shed_files = 0, bad_proxy = 0;
    std::uint64_t open = 0;
};

class Acceptors {
public:
    /// `total`: connections of all listeners together, beside the limit of each.
    Acceptors(
        EventLoops& loops,
        TlsContext* tls,
        const Clock& clock,
        std::uint64_t total = std::numeric_limits<std::uint64_t>::max()
    );
    ~Acceptors();

    /// Binds; returns the bound address "127.0.0.1:40123". Nothing is accepted before start().
    Result<std::string> add(ListenerOptions options);
    void start();
    /// Stops accepting and wakes idle connections (IoStatus::draining). Any thread.
    void drain();
    std::size_t open_connections() const;
    AcceptorCounters counters() const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace wicket
