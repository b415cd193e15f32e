// TLS of one accepted socket, non-blocking: each call goes as far as the socket allows and says what to wait
// for. Borrows the descriptor; its owner waits. One thread. The process must ignore SIGPIPE.
#pragma once

#include "net/peer.hpp"
#include "net/tls_context.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

typedef struct ssl_st SSL;

namespace wicket {

/// What a non-blocking transfer came to; also used for plain sockets.
enum class Progress : std::uint8_t {
    done,
    wants_readable,  // wait for readability, then call again with the same arguments
    wants_writable,
    closed,  // the peer has ended
    failed,
};

struct Transfer {
    Progress progress;
    std::size_t octets = 0;  // with done: at least one
};

class TlsStream {
public:
    /// nullptr if OpenSSL has no memory. Holds on to the context.
    static std::unique_ptr<TlsStream> create(std::shared_ptr<SSL_CTX> context, int fd);

    /// The server's side of the handshake; after `done` details() is set.
    Progress handshake();
    /// With `done` there may be more at hand, see has_pending().
    Transfer read(std::span<char> into);
    Transfer write(std::string_view octets);
    /// Octets have been taken from the socket and not been read: its readability says nothing.
    bool has_pending() const;
    /// Whether octets of the peer can be read now; takes records from the socket, but nothing from the
    /// reader.
    bool has_input();
    /// Tries to send close_notify, once, unless the connection has failed.
    void shut_down();
    const TlsDetails& details() const { return details_; }

private:
    struct SslFree {
        void operator()(SSL* connection) const;
    };

    TlsStream() = default;
    Progress classify(int result);

    std::shared_ptr<SSL_CTX> context_;
    std::unique_ptr<SSL, SslFree> ssl_;
    TlsDetails details_;
    bool is_usable_ = false;  // the handshake is done and nothing has failed
};

}  // namespace wicket
