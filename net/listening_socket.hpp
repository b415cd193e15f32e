// Makes and questions listening sockets: addresses as text to the kernel's form and back. Private to net/.
#pragma once

#include "base/file.hpp"
#include "base/ip.hpp"
#include "base/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wicket {

struct SocketAddress {
    IpAddress ip;
    std::uint16_t port = 0;

    bool operator==(const SocketAddress&) const = default;
    /// "127.0.0.1:25", "[::1]:25"
    std::string to_string() const;
};

/// "127.0.0.1:2525", "[::1]:0"; no names.
std::optional<SocketAddress> parse_socket_address(std::string_view text);

/// A bound, listening, non-blocking socket.
Result<FileDescriptor> open_listening_socket(const SocketAddress& address);
/// Makes a socket that somebody else has bound (systemd) fit for us; `invalid` if it does not listen.
Result<FileDescriptor> adopt_listening_socket(int fd);

struct AcceptedSocket {
    FileDescriptor socket;  // non-blocking; closed if there is none, and errno says why
    SocketAddress peer;
};
AcceptedSocket accept_socket(int listening_fd);

/// The socket's own address; the unspecified one if it has none.
SocketAddress local_address(int fd);
/// Whether a socket of [::] takes what comes to `address` of IPv4 too: all of the machine's at the same port.
bool serves_as_well(int fd, const SocketAddress& address);

}  // namespace wicket
