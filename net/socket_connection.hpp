// Connection on a TCP socket: what net/connection.hpp promises. Made by the acceptors; private to net/.
// One thread: that of its loop.
#pragma once

#include "base/file.hpp"
#include "net/connection.hpp"
#include "net/limit_table.hpp"
#include "net/loop_kit.hpp"
#include "net/tls_stream.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>

namespace wicket {

class SocketConnection;

/// What became of a PROXY header.
enum class ProxyReading : std::uint8_t {
    done,
    nothing,    // the connection ended before its first octet
    late,       // not all of it came in time
    cut_short,  // the connection ended within it
    malformed,
};
std::string_view to_string(ProxyReading reading);

/// What the connections of one listener on one loop share. Used on that loop only, but for its making.
struct ConnectionHome {
    ConnectionHome(boost::asio::io_context& its_loop, TlsContext* its_tls, std::string name)
        : loop(its_loop), kit(LoopKit::of(its_loop)), tls(its_tls), listener(std::move(name)) {}

    /// Wakes those who wait with Drain::wake, and whoever is going to.
    void drain();

    boost::asio::io_context& loop;
    LoopKit& kit;
    TlsContext* tls;  // may be null: no TLS
    std::string listener;
    std::list<SocketConnection*> connections;
    bool is_draining = false;
};

/// The place of a connection in its listener's counts.
class ConnectionSeat {
public:
    virtual ~ConnectionSeat() = default;
    /// Gives up the old client's place, and takes one for `client`; nullopt: it is not known, or exempt.
    virtual Admission change_client(std::optional<IpAddress> client) = 0;
    virtual bool is_scarce() const = 0;
};

class SocketConnection final : public Connection, private DeadlineNode {
public:
    /// `socket` is connected and non-blocking.
    SocketConnection(std::shared_ptr<ConnectionHome> home, FileDescriptor socket, Peer peer);
    ~SocketConnection() override;

    const Peer& peer() const override { return peer_; }
    std::optional<std::string> become(Peer peer) override;
    /// `seat` must outlive every call of become() and is_scarce().
    void take_seat(ConnectionSeat& seat) { seat_ = &seat; }
    const TlsDetails& tls() const override;
    bool is_scarce() const override { return seat_ && seat_->is_scarce(); }
    const std::string& listener() const override { return home_->listener; }
    boost::asio::awaitable<ReadResult> read(SteadyTime deadline, Drain drain) override;
    bool has_input() override;
    boost::asio::awaitable<IoStatus> write(std::string octets, SteadyTime deadline) override;
    boost::asio::awaitable<IoStatus> start_tls(SteadyTime deadline) override;
    void close() override;
    boost::asio::any_io_executor executor() override { return home_->loop.get_executor(); }

    /// Before anything else: reads a PROXY header, not an octet more, and takes the peer's addresses from it.
    boost::asio::awaitable<ProxyReading> read_proxy_header(SteadyTime deadline);
    /// Tells a client in plaintext why it is not served, without waiting, and closes.
    void shed(std::string_view line);
    void wake_to_drain();

private:
    using Socket =
        boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

    void on_deadline() override { wake(IoStatus::timed_out); }
    void wake(IoStatus cause);
    /// Waits until the socket is ready: ok, closed (by ourselves), timed_out, draining or failed.
    boost::asio::awaitable<IoStatus> ready(Progress wanted, SteadyTime deadline, Drain drain);
    IoStatus end_of_wait(const boost::system::error_code& error);
    /// Takes what is there without waiting, and keeps it until give_back().
    Transfer receive(std::string_view& octets);
    Transfer send(std::string_view octets);
    void give_back();

    std::shared_ptr<ConnectionHome> home_;
    std::list<SocketConnection*>::iterator place_;
    Socket socket_;
    Peer peer_;
    ConnectionSeat* seat_ = nullptr;
    std::unique_ptr<TlsStream> tls_;
    std::unique_ptr<ReadBuffer> buffer_;  // only between a read and the next call
    std::unique_ptr<char[]> few_octets_;  // likewise, so that a command does not hold a large one
    IoStatus wake_cause_ = IoStatus::ok;
    bool is_idle_ = false;       // waits with Drain::wake
    bool read_last_ = false;     // the last call was a read: more may be there already
    std::uint8_t unwaited_ = 0;  // reads in a row that did not wait
};

/// Writes `line`, as far as the kernel takes it at once, so that the peer can read it before the end.
void shed_socket(int fd, std::string_view line);

}  // namespace wicket
