// One accepted connection, plain or TLS, as drivers see it. Lives on one loop from beginning to end. No
// buffer is held while it waits for the peer, so an idle session costs little. Every wait has an absolute
// deadline.
#pragma once

#include "base/clock.hpp"
#include "net/peer.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace wicket {

enum class IoStatus : std::uint8_t {
    ok,
    closed,     // the peer closed its side, or reset
    timed_out,  // the deadline passed
    failed,     // anything else, TLS errors included
    draining,   // the server is to end, and nothing was read: say so to the peer and close
};

struct ReadResult {
    IoStatus status;
    std::string_view octets;  // with ok at least one; valid until the next call on this connection
};

class Connection {
public:
    virtual ~Connection() = default;

    virtual const Peer& peer() const = 0;
    /// XCLIENT: from now on it is this client's, and counts as its under the listener's limits. Gives the
    /// reason if they do not admit it; the connection is to be closed then.
    virtual std::optional<std::string> become(Peer peer) = 0;
    virtual const TlsDetails& tls() const = 0;
    /// Most places for connections are taken, of the listener's or of all.
    virtual bool is_scarce() const = 0;
    /// The listener's name for logs and records: "smtp 127.0.0.1:2525".
    virtual const std::string& listener() const = 0;

    /// Waits for octets, then reads what is there (at most 64 KiB). With `while_idle` a drain of the server
    /// wakes it.
    enum class Drain : std::uint8_t { ignore, wake };
    virtual boost::asio::awaitable<ReadResult> read(SteadyTime deadline, Drain drain = Drain::ignore) = 0;
    /// Whether octets of the peer are here and were not read yet. Never waits, and takes nothing.
    virtual bool has_input() = 0;
    /// Writes all of it. Coalesce replies of pipelined commands before you call it.
    virtual boost::asio::awaitable<IoStatus> write(std::string octets, SteadyTime deadline) = 0;
    /// Takes over as TLS server. The caller has made sure that no plaintext is waiting unread in its own
    /// buffers. What the kernel holds already belongs to the handshake, so injected commands make it fail.
    virtual boost::asio::awaitable<IoStatus> start_tls(SteadyTime deadline) = 0;
    /// Closes at once; TLS close_notify is tried without waiting.
    virtual void close() = 0;
    virtual boost::asio::any_io_executor executor() = 0;
};

}  // namespace wicket
