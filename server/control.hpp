// The control socket, state/control.sock: how the commands of mailwicket speak to a running server. One
// request and one answer a connection, each one line of JSON. Only the user that the server runs as (and
// root) gets in, by the mode of the socket; requests are bounded. The commands' side is blocking, the
// server's lives on the hub.
#pragma once

#include "base/result.hpp"
#include "net/event_loops.hpp"
#include "net/offload_pool.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace wicket {

// An account with its verifiers is under 1 KiB; nothing else is asked that is larger.
inline constexpr std::size_t control_line_limit_octets = 16U << 10U;

std::string control_socket_path(const std::string& state_folder);

class ControlServer {
public:
    /// `answer` runs on the pool and may block. io if the socket cannot be made.
    static Result<std::unique_ptr<ControlServer>> start(
        const std::string& state_folder,
        EventLoops& loops,
        OffloadPool& pool,
        std::function<std::string(std::string)> answer
    );
    ~ControlServer();

private:
    struct State;
    explicit ControlServer(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

/// unavailable if no server listens there; io for anything else. Waits 30 s at most.
Result<std::string> ask_server(const std::string& state_folder, std::string_view request);

}  // namespace wicket
