#include "net/socket_connection.hpp"

#include "net/proxy_header.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <utility>

namespace wicket {

namespace asio = boost::asio;

namespace {

// Reads up to this are copied into memory of their own, and the large buffer goes back at once: a session may
// hold what it has read for seconds while its message is judged.
constexpr std::size_t copy_limit_octets = 4096;
// A peer faster than we are must let the others of its loop have a turn.
constexpr std::uint8_t unwaited_limit = 16;
// Unread input would make the kernel answer with a reset, and the peer lose our last words.
constexpr int discard_rounds = 4;

Transfer classify(ssize_t result, Progress when_blocked) {
    if (result > 0) return {Progress::done, static_cast<std::size_t>(result)};
    if (result == 0) return {Progress::closed, 0};
    switch (errno) {
        case EAGAIN:
        case EINTR: return {when_blocked, 0};
        case ECONNRESET:
        case EPIPE: return {Progress::closed, 0};
        default: return {Progress::failed, 0};
    }
}

IoStatus to_status(Progress progress) {
    switch (progress) {
        case Progress::done: return IoStatus::ok;
        case Progress::closed: return IoStatus::closed;
        default: return IoStatus::failed;
    }
}

bool wants_wait(Progress progress) {
    return progress == Progress::wants_readable || progress == Progress::wants_writable;
}

void discard_input(int fd) {
    std::array<char, 16384> nothing;
    for (int round = 0; round < discard_rounds; ++round) {
        if (::recv(fd, nothing.data(), nothing.size(), MSG_DONTWAIT) <= 0) return;
    }
}

}  // namespace

void shed_socket(int fd, std::string_view line) {
    if (!line.empty()) {
        // Best effort: a client that cannot take one line at once gets none.
        if (::send(fd, line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT) > 0) ::shutdown(fd, SHUT_WR);
    }
    discard_input(fd);
}

void ConnectionHome::drain() {
    is_draining = true;
    for (auto* connection : connections)
        connection->wake_to_drain();
}

SocketConnection::SocketConnection(std::shared_ptr<ConnectionHome> home, FileDescriptor socket, Peer peer)
    : home_(std::move(home)), socket_(home_->loop), peer_(std::move(peer)) {
    place_ = home_->connections.insert(home_->connections.end(), this);
    boost::system::error_code error;
    const auto protocol = peer_.socket_ip.is_ipv4() ? asio::ip::tcp::v4() : asio::ip::tcp::v6();
    socket_.assign(protocol, socket.get(), error);
    // On an error (epoll is full) the connection is born closed.
    if (!error) socket.release();
}

SocketConnection::~SocketConnection() {
    close();
    home_->kit.deadlines.remove(*this);
    home_->connections.erase(place_);
}

const TlsDetails& SocketConnection::tls() const {
    static const TlsDetails none;
    return tls_ ? tls_->details() : none;
}

void SocketConnection::give_back() {
    if (buffer_) home_->kit.buffers.give_back(std::move(buffer_));
    few_octets_.reset();
}

Transfer SocketConnection::receive(std::string_view& octets) {
    auto buffer = home_->kit.buffers.take();
    const auto got = tls_ ? tls_->read(*buffer)
                          : classify(
                                ::recv(socket_.native_handle(), buffer->data(), buffer->size(), 0),
                                Progress::wants_readable
                            );
    if (got.progress != Progress::done || got.octets <= copy_limit_octets) {
        if (got.progress == Progress::done) {
            few_octets_ = std::make_unique_for_overwrite<char[]>(got.octets);
            std::memcpy(few_octets_.get(), buffer->data(), got.octets);
            octets = {few_octets_.get(), got.octets};
        }
        home_->kit.buffers.give_back(std::move(buffer));
        return got;
    }
    buffer_ = std::move(buffer);
    octets = {buffer_->data(), got.octets};
    return got;
}

Transfer SocketConnection::send(std::string_view octets) {
    if (tls_) return tls_->write(octets);
    return classify(
        ::send(socket_.native_handle(), octets.data(), octets.size(), MSG_NOSIGNAL), Progress::wants_writable
    );
}

asio::awaitable<ReadResult> SocketConnection::read(SteadyTime deadline, Drain drain) {
    give_back();
    // After a reply the peer needs time; after a read the rest of a message may be there already.
    bool is_worth_a_try = read_last_ || (tls_ && tls_->has_pending());
    read_last_ = true;
    if (is_worth_a_try && ++unwaited_ > unwaited_limit) {
        unwaited_ = 0;
        co_await asio::post(home_->loop.get_executor(), asio::use_awaitable);
    }
    auto wanted = Progress::wants_readable;
    for (;;) {
        if (!socket_.is_open()) co_return ReadResult{IoStatus::closed, {}};
        if (home_->kit.deadlines.now() >= deadline) co_return ReadResult{IoStatus::timed_out, {}};
        const bool drains = drain == Drain::wake && home_->is_draining;
        if (is_worth_a_try || drains) {
            std::string_view octets;
            const auto got = receive(octets);
            if (!wants_wait(got.progress)) co_return ReadResult{to_status(got.progress), octets};
            if (drains) co_return ReadResult{IoStatus::draining, {}};
            wanted = got.progress;
        }
        unwaited_ = 0;
        const auto status = co_await ready(wanted, deadline, drain);
        if (status != IoStatus::ok && status != IoStatus::draining) co_return ReadResult{status, {}};
        is_worth_a_try = true;
    }
}

bool SocketConnection::has_input() {
    if (!socket_.is_open()) return false;
    if (tls_) return tls_->has_input();
    char octet = 0;
    return ::recv(socket_.native_handle(), &octet, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

asio::awaitable<IoStatus> SocketConnection::write(std::string octets, SteadyTime deadline) {
    give_back();
    read_last_ = false;
    std::string_view rest = octets;
    while (!rest.empty()) {
        if (!socket_.is_open()) co_return IoStatus::closed;
        const auto sent = send(rest);
        if (sent.progress == Progress::done) {
            rest.remove_prefix(sent.octets);
            continue;
        }
        if (!wants_wait(sent.progress)) co_return to_status(sent.progress);
        if (home_->kit.deadlines.now() >= deadline) co_return IoStatus::timed_out;
        const auto status = co_await ready(sent.progress, deadline, Drain::ignore);
        if (status != IoStatus::ok) co_return status;
    }
    co_return IoStatus::ok;
}

asio::awaitable<IoStatus> SocketConnection::start_tls(SteadyTime deadline) {
    give_back();
    read_last_ = false;
    if (!socket_.is_open()) co_return IoStatus::closed;
    if (tls_ || home_->tls == nullptr) co_return IoStatus::failed;
    tls_ = TlsStream::create(home_->tls->current(), socket_.native_handle());
    if (!tls_) co_return IoStatus::failed;
    for (;;) {
        if (!socket_.is_open()) co_return IoStatus::closed;
        const auto progress = tls_->handshake();
        if (!wants_wait(progress)) co_return to_status(progress);
        if (home_->kit.deadlines.now() >= deadline) co_return IoStatus::timed_out;
        const auto status = co_await ready(progress, deadline, Drain::ignore);
        if (status != IoStatus::ok) co_return status;
    }
}

std::string_view to_string(ProxyReading reading) {
    switch (reading) {
        case ProxyReading::done: return "good";
        case ProxyReading::nothing: return "none";
        case ProxyReading::late: return "late";
        case ProxyReading::cut_short: return "cut-short";
        case ProxyReading::malformed: return "malformed";
    }
    std::unreachable();
}

asio::awaitable<ProxyReading> SocketConnection::read_proxy_header(SteadyTime deadline) {
    std::string header;
    std::array<char, 256> piece;
    while (socket_.is_open()) {
        const IoStatus waited = co_await ready(Progress::wants_readable, deadline, Drain::ignore);
        if (waited == IoStatus::timed_out) co_return ProxyReading::late;
        if (waited != IoStatus::ok) break;
        const int fd = socket_.native_handle();
        const auto seen =
            classify(::recv(fd, piece.data(), piece.size(), MSG_PEEK), Progress::wants_readable);
        if (wants_wait(seen.progress)) continue;
        if (seen.progress != Progress::done) break;
        const std::size_t before = header.size();
        header.append(piece.data(), seen.octets);
        const auto parsed = parse_proxy_header(header);
        if (parsed.status == ProxyParse::Status::malformed) co_return ProxyReading::malformed;
        // What follows the header stays in the socket: it may be a TLS handshake.
        const bool is_complete = parsed.status == ProxyParse::Status::complete;
        const std::size_t ours = is_complete ? parsed.octets - before : seen.octets;
        if (::recv(fd, piece.data(), ours, 0) != static_cast<ssize_t>(ours)) break;
        if (!is_complete) continue;
        if (parsed.header.has_addresses) {
            peer_.ip = parsed.header.source;
            peer_.port = parsed.header.source_port;
            peer_.local_ip = parsed.header.destination;
            peer_.local_port = parsed.header.destination_port;
        }
        co_return ProxyReading::done;
    }
    co_return header.empty() ? ProxyReading::nothing : ProxyReading::cut_short;
}

std::optional<std::string> SocketConnection::become(Peer peer) {
    const bool is_same = peer.ip == peer_.ip && peer.ip_known == peer_.ip_known;
    if (!is_same && seat_ != nullptr) {
        std::optional<IpAddress> client;
        if (peer.ip_known == AddressKnown::yes) client = peer.ip;
        const Admission admission = seat_->change_client(client);
        if (admission != Admission::admitted) return std::string(reason_of(admission));
    }
    peer_ = std::move(peer);
    return std::nullopt;
}

void SocketConnection::shed(std::string_view line) {
    if (socket_.is_open()) shed_socket(socket_.native_handle(), line);
    close();
}

void SocketConnection::close() {
    give_back();
    if (!socket_.is_open()) return;
    if (tls_) tls_->shut_down();
    discard_input(socket_.native_handle());
    boost::system::error_code ignored;
    socket_.close(ignored);
}

void SocketConnection::wake_to_drain() {
    if (is_idle_) wake(IoStatus::draining);
}

void SocketConnection::wake(IoStatus cause) {
    wake_cause_ = cause;
    boost::system::error_code ignored;
    socket_.cancel(ignored);
}

IoStatus SocketConnection::end_of_wait(const boost::system::error_code& error) {
    home_->kit.deadlines.remove(*this);
    is_idle_ = false;
    const auto cause = std::exchange(wake_cause_, IoStatus::ok);
    if (!socket_.is_open()) return IoStatus::closed;
    // Readiness that was on its way when the deadline struck counts.
    if (!error) return IoStatus::ok;
    return cause == IoStatus::ok ? IoStatus::failed : cause;
}

// Not a coroutine, so that an idle session has one frame less.
asio::awaitable<IoStatus> SocketConnection::ready(Progress wanted, SteadyTime deadline, Drain drain) {
    return asio::async_initiate<const asio::use_awaitable_t<>&, void(IoStatus)>(
        [this, wanted, deadline, drain](auto handler) {
            wake_cause_ = IoStatus::ok;
            is_idle_ = drain == Drain::wake;
            home_->kit.deadlines.add(*this, deadline);
            socket_.async_wait(
                wanted == Progress::wants_writable ? Socket::wait_write : Socket::wait_read,
                [this, handler = std::move(handler)](const boost::system::error_code& error) mutable {
                    handler(end_of_wait(error));
                }
            );
        },
        asio::use_awaitable
    );
}

}  // namespace wicket
