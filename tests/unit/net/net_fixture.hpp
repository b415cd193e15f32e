// What the socket tests of net/ share: running coroutines from the test's thread, blocking clients, and
// listeners on loops with threads.
#pragma once

#include "base/file.hpp"
#include "net/acceptor.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <arpa/inet.h>
#include <chrono>
#include <csignal>
#include <functional>
#include <future>
#include <memory>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <sys/time.h>

namespace wicket {

inline SteadyTime in(std::chrono::milliseconds time) {
    return system_clock().steady() + time;
}

constexpr std::chrono::seconds patience(10);

template <class T>
T run_in(boost::asio::io_context& loop, boost::asio::awaitable<T> work) {
    return boost::asio::co_spawn(loop, std::move(work), boost::asio::use_future).get();
}

/// A blocking client; every read gives up after `patience`.
class TestClient {
public:
    /// `address` as Acceptors::add returns it; IPv4 and IPv6.
    explicit TestClient(const std::string& address) {
        const auto colon = address.rfind(':');
        const auto port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
        const bool is_six = address.front() == '[';
        socket_ = FileDescriptor(::socket(is_six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const timeval limit{patience.count(), 0};
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        int result = -1;
        if (is_six) {
            sockaddr_in6 to{};
            to.sin6_family = AF_INET6;
            to.sin6_addr = in6addr_loopback;
            to.sin6_port = port;
            result = ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to));
        } else {
            sockaddr_in to{};
            to.sin_family = AF_INET;
            to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            to.sin_port = port;
            result = ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to));
        }
        EXPECT_EQ(result, 0) << address;
    }

    int fd() const { return socket_.get(); }
    void send(std::string_view octets) const {
        EXPECT_EQ(
            ::send(fd(), octets.data(), octets.size(), MSG_NOSIGNAL), static_cast<ssize_t>(octets.size())
        );
    }
    /// Exactly `count` octets, fewer at the end.
    std::string receive(std::size_t count) const {
        std::string out(count, '\0');
        std::size_t have = 0;
        while (have < count) {
            const auto got = ::recv(fd(), out.data() + have, count - have, 0);
            if (got <= 0) break;
            have += static_cast<std::size_t>(got);
        }
        out.resize(have);
        return out;
    }
    std::string receive_line() const {
        std::string line;
        while (!line.ends_with('\n')) {
            const auto octet = receive(1);
            if (octet.empty()) break;
            line += octet;
        }
        return line;
    }
    /// All until the server ends the connection.
    std::string receive_all() const {
        std::string all;
        for (;;) {
            const auto part = receive(4096);
            all += part;
            if (part.size() < 4096) return all;
        }
    }
    void finish() const { ::shutdown(fd(), SHUT_WR); }
    void close() { socket_.close(); }

private:
    FileDescriptor socket_;
};

/// The client's side of TLS on a TestClient, blocking.
class TestTlsClient {
public:
    explicit TestTlsClient(
        const TestClient& client, const char* host = nullptr, SSL_SESSION* session = nullptr
    )
        : context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free), ssl_(SSL_new(context_.get()), SSL_free) {
        SSL_set_fd(ssl_.get(), client.fd());
        if (host != nullptr) SSL_set_tlsext_host_name(ssl_.get(), host);
        if (session != nullptr) SSL_set_session(ssl_.get(), session);
    }

    bool handshake() { return SSL_connect(ssl_.get()) == 1; }
    SSL* get() const { return ssl_.get(); }
    bool send(std::string_view octets) {
        return SSL_write(ssl_.get(), octets.data(), static_cast<int>(octets.size())) ==
               static_cast<int>(octets.size());
    }
    std::string receive(std::size_t count) {
        std::string out(count, '\0');
        std::size_t have = 0;
        while (have < count) {
            const int got = SSL_read(ssl_.get(), out.data() + have, static_cast<int>(count - have));
            if (got <= 0) break;
            have += static_cast<std::size_t>(got);
        }
        out.resize(have);
        return out;
    }
    std::string peer_name() const {
        const std::unique_ptr<X509, decltype(&X509_free)> shown(SSL_get1_peer_certificate(get()), X509_free);
        if (!shown) return {};
        char name[256] = {};
        X509_NAME_get_text_by_NID(X509_get_subject_name(shown.get()), NID_commonName, name, sizeof(name));
        return name;
    }

private:
    std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
    std::unique_ptr<SSL, decltype(&SSL_free)> ssl_;
};

/// Loops with threads and acceptors; a test adds listeners and starts.
class NetTest : public testing::Test {
protected:
    using Serve = std::function<boost::asio::awaitable<void>(std::shared_ptr<Connection>)>;

    NetTest() { std::signal(SIGPIPE, SIG_IGN); }
    ~NetTest() override {
        loops_.stop();
        acceptors_.reset();
    }

    void use_tls(std::unique_ptr<TlsContext> tls) {
        tls_ = std::move(tls);
        acceptors_ = std::make_unique<Acceptors>(loops_, tls_.get(), system_clock());
    }
    std::string listen(Serve serve, ListenerOptions options = {}) {
        if (options.service.empty()) options.service = "test";
        if (options.address.empty()) options.address = "127.0.0.1:0";
        options.shed_line = "421 4.7.0 %REASON%\r\n";
        options.serve = std::move(serve);
        const auto bound = acceptors_->add(std::move(options));
        EXPECT_TRUE(bound) << (bound ? "" : bound.error().message);
        return bound.value_or("");
    }
    void start() {
        loops_.start();
        acceptors_->start();
    }
    /// Waits until `holds`; the only way to see what another thread has counted.
    template <class Condition>
    static bool becomes_true(Condition holds) {
        const auto end = in(patience);
        while (!holds()) {
            if (system_clock().steady() > end) return false;
            sched_yield();
        }
        return true;
    }

    std::unique_ptr<TlsContext> tls_;
    EventLoops loops_{2};
    std::unique_ptr<Acceptors> acceptors_ = std::make_unique<Acceptors>(loops_, nullptr, system_clock());
};

}  // namespace wicket
