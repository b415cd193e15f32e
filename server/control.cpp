#include "server/control.hpp"

#include "base/file.hpp"
#include "base/log.hpp"
#include "net/delay.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

namespace wicket {
namespace {

namespace asio = boost::asio;
using asio::local::stream_protocol;

constexpr std::chrono::milliseconds accept_pause{200};

/// Where the socket is as a path that fits into an address, however long the folder's is.
class SocketPlace {
public:
    /// not_found if there is no such folder.
    static Result<SocketPlace> in(const std::string& state_folder) {
        SocketPlace place;
        place.path_ = control_socket_path(state_folder);
        if (place.path_.size() < sizeof(sockaddr_un::sun_path)) return place;
        place.folder_ = FileDescriptor(::open(state_folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!place.folder_.is_open()) return system_failure("cannot open " + state_folder, errno);
        place.path_ = control_socket_path("/proc/self/fd/" + std::to_string(place.folder_.get()));
        return place;
    }
    /// As long as this lives.
    const std::string& path() const { return path_; }

    sockaddr_un address() const {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
        return address;
    }

private:
    FileDescriptor folder_;
    std::string path_;
};

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
            if (error)
                co_await delay(accept_pause);  // most likely no descriptor is left, and will not be at once
            else
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
    const auto place = SocketPlace::in(state_folder);
    if (!place) return std::unexpected(place.error());
    // The store's lock says that no other server is alive, so a socket that is there is a dead one's.
    ::unlink(state->path.c_str());
    boost::system::error_code error;
    state->acceptor.open(stream_protocol(), error);
    const mode_t before = ::umask(0177);
    if (!error) state->acceptor.bind(stream_protocol::endpoint(place->path()), error);
    ::umask(before);
    if (!error) state->acceptor.listen(16, error);
    if (error) return failure(ErrorCode::io, "cannot listen on " + state->path + ": " + error.message());
    asio::co_spawn(loops.hub(), State::accept_all(state), asio::detached);
    return std::unique_ptr<ControlServer>(new ControlServer(state));
}

Result<std::string> ask_server(const std::string& state_folder, std::string_view request) {
    const auto place = SocketPlace::in(state_folder);
    if (!place && place.error().code == ErrorCode::not_found)
        return failure(ErrorCode::unavailable, "no server is running on " + state_folder);
    if (!place) return std::unexpected(place.error());
    const sockaddr_un address = place->address();
    const FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket.is_open()) return system_failure("cannot make a socket", errno);
    constexpr timeval patience{30, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
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
