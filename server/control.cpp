#include "server/control.hpp"

#include "base/file.hpp"
#include "base/log.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

namespace wicket {
namespace {

namespace asio = boost::asio;
using asio::local::stream_protocol;

Result<sockaddr_un> address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof(address.sun_path))
        return failure(
            ErrorCode::invalid,
            path + " is too long for a socket (107 octets at most): choose a shorter state folder"
        );
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    return address;
}

}  // namespace

std::string control_socket_path(const std::string& state_folder) {
    return state_folder + "/control.sock";
}

struct ControlServer::State {
    State(EventLoops& loops, OffloadPool& pool_, std::function<std::string(std::string)> answer_)
        : acceptor(loops.hub()), pool(pool_), answer(std::move(answer_)) {}

    static asio::awaitable<void> accept_all(std::shared_ptr<State> self) {
        while (self->acceptor.is_open()) {
            boost::system::error_code error;
            stream_protocol::socket socket =
                co_await self->acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
            if (error == asio::error::operation_aborted) co_return;
            if (!error)
                asio::co_spawn(self->acceptor.get_executor(), serve(self, std::move(socket)), asio::detached);
        }
    }

    static asio::awaitable<void> serve(std::shared_ptr<State> self, stream_protocol::socket socket) {
        try {
            std::string line;
            const std::size_t length = co_await asio::async_read_until(
                socket, asio::dynamic_buffer(line, control_line_limit_octets), '\n', asio::use_awaitable
            );
            line.resize(length - 1);
            std::string reply;
            const auto ran = co_await self->pool.run([&] { reply = self->answer(std::move(line)); });
            if (!ran) reply = R"({"error":"the server is busy","code":"busy"})";
            reply += '\n';
            co_await asio::async_write(socket, asio::buffer(reply), asio::use_awaitable);
        } catch (const std::exception& error) {
            log_warning(
                "a request on the control socket failed",
                {
                    {"error", error.what()}
            }
            );
        }
    }

    stream_protocol::acceptor acceptor;
    OffloadPool& pool;
    std::function<std::string(std::string)> answer;
    std::string path;
};

ControlServer::ControlServer(std::shared_ptr<State> state) : state_(std::move(state)) {}

ControlServer::~ControlServer() {
    boost::system::error_code ignored;
    state_->acceptor.close(ignored);
    ::unlink(state_->path.c_str());
}

Result<std::unique_ptr<ControlServer>> ControlServer::start(
    const std::string& state_folder,
    EventLoops& loops,
    OffloadPool& pool,
    std::function<std::string(std::string)> answer
) {
    auto state = std::make_shared<State>(loops, pool, std::move(answer));
    state->path = control_socket_path(state_folder);
    if (const auto address = address_of(state->path); !address) return std::unexpected(address.error());
    // The store's lock says that no other server is alive, so a socket that is there is a dead one's.
    ::unlink(state->path.c_str());
    boost::system::error_code error;
    state->acceptor.open(stream_protocol(), error);
    const mode_t before = ::umask(0177);
    if (!error) state->acceptor.bind(stream_protocol::endpoint(state->path), error);
    ::umask(before);
    if (!error) state->acceptor.listen(16, error);
    if (error) return failure(ErrorCode::io, "cannot listen on " + state->path + ": " + error.message());
    asio::co_spawn(loops.hub(), State::accept_all(state), asio::detached);
    return std::unique_ptr<ControlServer>(new ControlServer(state));
}

Result<std::string> ask_server(const std::string& state_folder, std::string_view request) {
    const auto address = address_of(control_socket_path(state_folder));
    if (!address) return std::unexpected(address.error());
    const FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket.is_open()) return system_failure("cannot make a socket", errno);
    constexpr timeval patience{30, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) != 0) {
        if (errno == ENOENT || errno == ECONNREFUSED)
            return failure(ErrorCode::unavailable, "no server is running on " + state_folder);
        return system_failure("cannot reach the server at " + control_socket_path(state_folder), errno);
    }
    const std::string line = std::string(request) + "\n";
    if (::send(socket.get(), line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size()))
        return system_failure("cannot write to the server", errno);
    std::string reply;
    char buffer[4096];
    while (!reply.ends_with('\n')) {
        const ssize_t length = ::recv(socket.get(), buffer, sizeof(buffer), 0);
        if (length < 0) return system_failure("the server does not answer", errno);
        if (length == 0) return failure(ErrorCode::io, "the server closed the connection without an answer");
        reply.append(buffer, static_cast<std::size_t>(length));
    }
    reply.pop_back();
    return reply;
}

}  // namespace wicket
