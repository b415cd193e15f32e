#include "net/listening_socket.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <utility>

namespace wicket {

namespace {

// Room for a burst while the loop is busy; the kernel lowers it to net.core.somaxconn.
constexpr int backlog = 4096;

SocketAddress from_kernel(const sockaddr_storage& storage) {
    SocketAddress address;
    if (storage.ss_family == AF_INET) {
        sockaddr_in four{};
        std::memcpy(&four, &storage, sizeof(four));
        std::array<char, 4> octets{};
        std::memcpy(octets.data(), &four.sin_addr, octets.size());
        address.ip = IpAddress::from_octets({octets.data(), octets.size()}).value_or(IpAddress());
        address.port = ntohs(four.sin_port);
    } else if (storage.ss_family == AF_INET6) {
        sockaddr_in6 six{};
        std::memcpy(&six, &storage, sizeof(six));
        std::array<char, 16> octets{};
        std::memcpy(octets.data(), &six.sin6_addr, octets.size());
        address.ip = IpAddress::from_octets({octets.data(), octets.size()}).value_or(IpAddress());
        address.port = ntohs(six.sin6_port);
    }
    return address;
}

socklen_t to_kernel(const SocketAddress& address, sockaddr_storage& storage) {
    storage = {};
    const auto octets = address.ip.octets();
    if (address.ip.is_ipv4()) {
        sockaddr_in four{};
        four.sin_family = AF_INET;
        four.sin_port = htons(address.port);
        std::memcpy(&four.sin_addr, octets.data(), octets.size());
        std::memcpy(&storage, &four, sizeof(four));
        return sizeof(four);
    }
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(address.port);
    std::memcpy(&six.sin6_addr, octets.data(), octets.size());
    std::memcpy(&storage, &six, sizeof(six));
    return sizeof(six);
}

Result<> listen_on(int fd, const SocketAddress& address) {
    const int on = 1;
    if (::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0) {
        return system_failure("cannot set SO_REUSEADDR", errno);
    }
    // A listener for IPv6 is for IPv6: who wants both has two, whatever the machine's default is.
    if (!address.ip.is_ipv4() && ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0) {
        return system_failure("cannot set IPV6_V6ONLY", errno);
    }
    sockaddr_storage storage;
    const auto length = to_kernel(address, storage);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&storage), length) != 0 || ::listen(fd, backlog) != 0) {
        return system_failure("cannot listen on " + address.to_string(), errno);
    }
    return {};
}

}  // namespace

std::string SocketAddress::to_string() const {
    const auto text = ip.to_string();
    return (ip.is_ipv4() ? text : '[' + text + ']') + ':' + std::to_string(port);
}

std::optional<SocketAddress> parse_socket_address(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    auto host = text.substr(0, colon);
    const auto port = text.substr(colon + 1);
    const bool is_bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (is_bracketed) host = host.substr(1, host.size() - 2);
    const auto ip = IpAddress::parse(host);
    if (!ip || is_bracketed != (host.find(':') != std::string_view::npos)) return std::nullopt;
    std::uint16_t number = 0;
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
    if (port.empty() || error != std::errc() || end != port.data() + port.size()) return std::nullopt;
    return SocketAddress{*ip, number};
}

Result<FileDescriptor> open_listening_socket(const SocketAddress& address) {
    const int family = address.ip.is_ipv4() ? AF_INET : AF_INET6;
    FileDescriptor socket(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket.is_open()) return system_failure("cannot make a socket for " + address.to_string(), errno);
    if (auto listening = listen_on(socket.get(), address); !listening) {
        return std::unexpected(std::move(listening.error()));
    }
    return socket;
}

Result<FileDescriptor> adopt_listening_socket(int fd) {
    FileDescriptor socket(fd);
    int listens = 0;
    socklen_t length = sizeof(listens);
    if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) != 0 || listens == 0) {
        return failure(
            ErrorCode::invalid, "the inherited descriptor " + std::to_string(fd) + " does not listen"
        );
    }
    if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || ::fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
        return system_failure("cannot use the inherited descriptor " + std::to_string(fd), errno);
    }
    return socket;
}

SocketAddress local_address(int fd) {
    sockaddr_storage storage{};
    socklen_t length = sizeof(storage);
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return {};
    return from_kernel(storage);
}

bool serves_as_well(int fd, const SocketAddress& address) {
    const SocketAddress own = local_address(fd);
    int is_v6_only = 1;
    socklen_t length = sizeof(is_v6_only);
    if (own.ip.is_ipv4() || own.port != address.port ||
        ::getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &is_v6_only, &length) != 0 || is_v6_only != 0)
        return false;
    const IpAddress any_of_ipv6 = IpAddress::parse("::").value();
    const IpAddress any_of_ipv4 = IpAddress::parse("0.0.0.0").value();
    return own.ip == any_of_ipv6 && address.ip == any_of_ipv4;
}

AcceptedSocket accept_socket(int listening_fd) {
    sockaddr_storage storage{};
    socklen_t length = sizeof(storage);
    FileDescriptor socket(
        ::accept4(listening_fd, reinterpret_cast<sockaddr*>(&storage), &length, SOCK_NONBLOCK | SOCK_CLOEXEC)
    );
    if (!socket.is_open()) return {};
    return {std::move(socket), from_kernel(storage)};
}

}  // namespace wicket
