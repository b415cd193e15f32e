#include "net/acceptor.hpp"

#include "base/log.hpp"
#include "net/loop_choice.hpp"
#include "tests/unit/net/net_fixture.hpp"

#include <algorithm>
#include <fcntl.h>
#include <mutex>
#include <sys/resource.h>
#include <vector>

namespace wicket {
namespace {

using boost::asio::awaitable;
using std::chrono::milliseconds;
using ConnectionPointer = std::shared_ptr<Connection>;

// Says who the client is, then waits until it goes.
awaitable<void> greet(ConnectionPointer connection) {
    const auto& peer = connection->peer();
    auto line = "220 " + peer.ip.to_string() + ' ' + std::to_string(peer.port) + ' ' +
                peer.socket_ip.to_string() + "\r\n";
    co_await connection->write(std::move(line), in(patience));
    co_await connection->read(in(patience), Connection::Drain::wake);
}

// Becomes whom the client names, as XCLIENT does, and says whether that went well.
awaitable<void> become_named(ConnectionPointer connection) {
    co_await connection->write("220\r\n", in(patience));
    while (true) {
        const ReadResult read = co_await connection->read(in(patience), Connection::Drain::wake);
        if (read.status != IoStatus::ok) co_return;
        Peer peer = connection->peer();
        const std::string_view name = read.octets.substr(0, read.octets.find('\r'));
        peer.ip_known = name == "nobody" ? AddressKnown::no : AddressKnown::yes;
        peer.ip = IpAddress::parse(name).value_or(IpAddress());
        const auto turned_away = connection->become(std::move(peer));
        co_await connection->write(turned_away.value_or("welcome") + "\r\n", in(patience));
    }
}

class AcceptorTest : public NetTest {
protected:
    static ListenerOptions behind_proxy(ConnectionLimits limits = {}) {
        ListenerOptions options;
        options.proxy_networks = {IpNetwork::parse("127.0.0.0/8").value()};
        options.limits = limits;
        return options;
    }
};

TEST_F(AcceptorTest, ShedsBeyondTheTotalWithAReasonAndRecovers) {
    ListenerOptions options;
    options.limits.total = 2;
    const auto address = listen(greet, options);
    start();
    TestClient first(address);
    const TestClient second(address);
    EXPECT_TRUE(first.receive_line().starts_with("220 "));
    EXPECT_TRUE(second.receive_line().starts_with("220 "));
    EXPECT_EQ(TestClient(address).receive_all(), "421 4.7.0 too many connections\r\n");
    first.close();
    ASSERT_TRUE(becomes_true([&] { return acceptors_->open_connections() == 1; }));
    EXPECT_TRUE(TestClient(address).receive_line().starts_with("220 "));
    EXPECT_EQ(acceptors_->counters().shed_total, 1);
    EXPECT_EQ(acceptors_->counters().accepted, 4);
}

TEST_F(AcceptorTest, AllListenersTogetherHaveATotal) {
    acceptors_ = std::make_unique<Acceptors>(loops_, nullptr, system_clock(), 2);
    const auto one = listen(greet, {});
    const auto other = listen(greet, {});
    start();
    TestClient first(one);
    const TestClient second(other);
    EXPECT_TRUE(first.receive_line().starts_with("220 "));
    EXPECT_TRUE(second.receive_line().starts_with("220 "));
    EXPECT_EQ(TestClient(one).receive_all(), "421 4.7.0 too many connections\r\n");
    EXPECT_EQ(TestClient(other).receive_all(), "421 4.7.0 too many connections\r\n");
    first.close();
    ASSERT_TRUE(becomes_true([&] { return acceptors_->open_connections() == 1; }));
    EXPECT_TRUE(TestClient(other).receive_line().starts_with("220 "));
    EXPECT_EQ(acceptors_->counters().shed_total, 2);
}

TEST_F(AcceptorTest, TakesTheClientFromAProxyHeaderAndLimitsIt) {
    const auto address = listen(greet, behind_proxy({.per_ip = 1, .per_network = 2}));
    start();
    const auto connect_as = [&](const std::string& ip) {
        auto client = std::make_unique<TestClient>(address);
        client->send("PROXY TCP4 " + ip + " 192.0.2.200 1234 25\r\n");
        return client;
    };
    const auto one = connect_as("192.0.2.1");
    EXPECT_EQ(one->receive_line(), "220 192.0.2.1 1234 127.0.0.1\r\n");
    EXPECT_EQ(connect_as("192.0.2.1")->receive_all(), "421 4.7.0 too many connections from your address\r\n");
    const auto two = connect_as("192.0.2.2");
    EXPECT_EQ(two->receive_line(), "220 192.0.2.2 1234 127.0.0.1\r\n");
    EXPECT_EQ(connect_as("192.0.2.3")->receive_all(), "421 4.7.0 too many connections from your network\r\n");
    EXPECT_EQ(connect_as("198.51.100.1")->receive_line(), "220 198.51.100.1 1234 127.0.0.1\r\n");
    const auto local1 = connect_as("127.0.0.9");
    const auto local2 = connect_as("127.0.0.9");
    EXPECT_EQ(local1->receive_line(), "220 127.0.0.9 1234 127.0.0.1\r\n");
    EXPECT_EQ(local2->receive_line(), "220 127.0.0.9 1234 127.0.0.1\r\n");
    EXPECT_EQ(acceptors_->counters().shed_per_ip, 1);
    EXPECT_EQ(acceptors_->counters().shed_per_network, 1);
}

TEST_F(AcceptorTest, LimitsTheRateOfAClientBehindAProxy) {
    const auto address = listen(greet, behind_proxy({.rate_per_second = 0.1}));
    start();
    const TestClient first(address);
    first.send("PROXY TCP4 192.0.2.1 192.0.2.200 1 25\r\n");
    EXPECT_TRUE(first.receive_line().starts_with("220 "));
    const TestClient second(address);
    second.send("PROXY TCP4 192.0.2.1 192.0.2.200 2 25\r\n");
    EXPECT_EQ(second.receive_all(), "421 4.7.0 your address connects too often\r\n");
    EXPECT_EQ(acceptors_->counters().shed_rate, 1);
}

TEST_F(AcceptorTest, LimitsAClientExactlyOverAllLoops) {
    constexpr int limit = 5;
    const auto address = listen(greet, behind_proxy({.per_ip = limit}));
    start();
    for (int round = 0; round < 3; ++round) {
        std::vector<std::unique_ptr<TestClient>> clients;
        for (int i = 0; i < 8 * limit; ++i)
            clients.push_back(std::make_unique<TestClient>(address));
        // Now all of them on their loops ask at once.
        for (const auto& client : clients)
            client->send("PROXY TCP4 192.0.2.1 192.0.2.200 1234 25\r\n");
        const auto is_greeted = [](const auto& client) { return client->receive_line().starts_with("220 "); };
        EXPECT_EQ(std::ranges::count_if(clients, is_greeted), limit);
        clients.clear();
        ASSERT_TRUE(becomes_true([&] { return acceptors_->open_connections() == 0; }));
    }
}

TEST_F(AcceptorTest, KnowsItsOwnAddressOnAListenerForAll) {
    const auto tell = [](ConnectionPointer connection) -> awaitable<void> {
        const auto& peer = connection->peer();
        co_await connection->write(
            peer.local_ip.to_string() + ':' + std::to_string(peer.local_port) + "\n", in(patience)
        );
    };
    ListenerOptions all;
    all.address = "0.0.0.0:0";
    const auto everywhere = listen(tell, all);
    const auto here = listen(tell);
    start();
    const auto port = everywhere.substr(everywhere.rfind(':'));
    EXPECT_EQ(TestClient(everywhere).receive_line(), "127.0.0.1" + port + '\n');
    EXPECT_EQ(TestClient(here).receive_line(), here + '\n');
}

TEST_F(AcceptorTest, LimitsTheClientThatAConnectionBecomes) {
    ListenerOptions options;
    options.limits = {.per_ip = 1, .per_network = 2};
    const auto address = listen(become_named, options);
    start();
    const TestClient first(address), second(address);
    first.receive_line();
    second.receive_line();
    const auto become = [](const TestClient& client, const std::string& name) {
        client.send(name + "\r\n");
        return client.receive_line();
    };
    EXPECT_EQ(become(first, "192.0.2.1"), "welcome\r\n");
    EXPECT_EQ(become(second, "192.0.2.1"), "too many connections from your address\r\n");
    EXPECT_EQ(become(second, "192.0.2.2"), "welcome\r\n");
    {
        const TestClient third(address);
        third.receive_line();
        EXPECT_EQ(become(third, "192.0.2.3"), "too many connections from your network\r\n");
        EXPECT_EQ(become(third, "nobody"), "welcome\r\n");
        // Who becomes another gives up its place.
        EXPECT_EQ(become(first, "198.51.100.1"), "welcome\r\n");
        EXPECT_EQ(become(third, "192.0.2.1"), "welcome\r\n");
        EXPECT_EQ(become(first, "192.0.2.1"), "too many connections from your address\r\n");
        // The same client again costs nothing.
        EXPECT_EQ(become(third, "192.0.2.1"), "welcome\r\n");
    }
    ASSERT_TRUE(becomes_true([&] { return acceptors_->open_connections() == 2; }));
    EXPECT_EQ(become(first, "192.0.2.1"), "welcome\r\n");
    EXPECT_EQ(acceptors_->counters().shed_per_ip, 2);
    EXPECT_EQ(acceptors_->counters().shed_per_network, 1);
}

TEST_F(AcceptorTest, ReadsAProxyHeaderInPiecesAndNotAnOctetMore) {
    const auto address = listen(greet, behind_proxy());
    start();
    const TestClient client(address);
    const std::string header(
        "\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0C\xC0\x00\x02\x07\xC0\x00\x02\x02\x30\x39\x00\x19", 28
    );
    for (const char octet : header)
        client.send({&octet, 1});
    EXPECT_EQ(client.receive_line(), "220 192.0.2.7 12345 127.0.0.1\r\n");
    client.send("what follows wakes the session");
    EXPECT_EQ(client.receive_all(), "");
}

TEST_F(AcceptorTest, PassesOverTheLongestExtensionsOfAProxyHeader) {
    const auto address = listen(greet, behind_proxy());
    start();
    const TestClient client(address);
    // Addresses of 12 octets, then one TLV (PP2_TYPE_NOOP) to the end of what the length field can say.
    std::string header(
        "\r\n\r\n\0\r\nQUIT\n\x21\x11\xFF\xFF\xC0\x00\x02\x07\xC0\x00\x02\x02\x30\x39\x00\x19", 28
    );
    header += std::string("\x04\xFF\xF0", 3) + std::string(0xFFF0, 'x');
    client.send(header);
    EXPECT_EQ(client.receive_line(), "220 192.0.2.7 12345 127.0.0.1\r\n");
}

TEST_F(AcceptorTest, ClosesOnABadProxyHeaderAndKeepsTheSocketsAddressForUnknown) {
    const auto address = listen(greet, behind_proxy());
    start();
    const TestClient bad(address);
    bad.send("EHLO mx.example\r\n");
    EXPECT_EQ(bad.receive_all(), "");
    EXPECT_TRUE(becomes_true([&] { return acceptors_->open_connections() == 0; }));
    EXPECT_EQ(acceptors_->counters().bad_proxy, 1);
    const TestClient unknown(address);
    unknown.send("PROXY UNKNOWN\r\n");
    EXPECT_TRUE(unknown.receive_line().starts_with("220 127.0.0.1 "));
}

TEST_F(AcceptorTest, CountsBadProxyHeadersAndSaysSoOnceASecond) {
    const auto address = listen(greet, behind_proxy());
    start();
    testing::internal::CaptureStderr();
    TestClient(address).close();  // as a balancer looks whether we live
    constexpr int many = 20;
    for (int i = 0; i < many; ++i) {
        const TestClient bad(address);
        bad.send("PROXY TCP4 nonsense\r\n");
        EXPECT_EQ(bad.receive_all(), "");
    }
    const TestClient half(address);
    half.send("PROXY TCP4 ");
    half.finish();
    EXPECT_EQ(half.receive_all(), "");
    EXPECT_TRUE(becomes_true([&] { return acceptors_->open_connections() == 0; }));
    const std::string said = testing::internal::GetCapturedStderr();
    EXPECT_EQ(acceptors_->counters().bad_proxy, many + 1);
    EXPECT_TRUE(said.contains("header=malformed")) << said;
    EXPECT_TRUE(said.contains("peer=<127.0.0.1>") && said.contains(address)) << said;
    EXPECT_LT(std::ranges::count(said, '\n'), many / 2) << said;
}

TEST_F(AcceptorTest, SpreadsConnectionsOverTheLoopsOnceThereAreMany) {
    std::mutex mutex;
    std::vector<boost::asio::any_io_executor> seen;
    const auto address = listen([&](ConnectionPointer connection) {
        {
            const std::lock_guard lock(mutex);
            seen.push_back(connection->executor());
        }
        return greet(connection);
    });
    start();
    std::vector<std::unique_ptr<TestClient>> clients;
    constexpr std::ptrdiff_t many = hub_lead_limit + 14;
    for (std::ptrdiff_t i = 0; i < many; ++i) {
        clients.push_back(std::make_unique<TestClient>(address));
        clients.back()->receive_line();
    }
    const std::lock_guard lock(mutex);
    const boost::asio::any_io_executor hub = loops_.hub().get_executor();
    const std::ptrdiff_t elsewhere = many - std::ranges::count(seen, hub);
    EXPECT_GE(elsewhere, 7);
    EXPECT_LE(elsewhere, many / 2);
}

TEST_F(AcceptorTest, SurvivesRunningOutOfDescriptors) {
    // UBSan wants descriptors to look at the warning's formatting.
    configure_log(LogFormat::text, LogLevel::error);
    const auto address = listen(greet);
    start();
    const TestClient before(address);
    EXPECT_TRUE(before.receive_line().starts_with("220 "));
    // Our own clients' sockets are made before the limit strikes.
    const FileDescriptor raw(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const FileDescriptor lowest(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    std::vector<FileDescriptor> fillers;
    rlimit saved{};
    ::getrlimit(RLIMIT_NOFILE, &saved);
    const rlimit tight{static_cast<rlim_t>(lowest.get() + 8), saved.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
    for (;;) {
        FileDescriptor filler(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        if (!filler.is_open()) break;
        fillers.push_back(std::move(filler));
    }
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    ASSERT_EQ(::connect(raw.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)), 0);
    char line[128] = {};
    const auto octets = ::recv(raw.get(), line, sizeof(line) - 1, 0);
    EXPECT_EQ(
        std::string(line, static_cast<std::size_t>(std::max<ssize_t>(octets, 0))),
        "421 4.7.0 too many open files\r\n"
    );
    EXPECT_EQ(acceptors_->counters().shed_files, 1);
    fillers.clear();
    ::setrlimit(RLIMIT_NOFILE, &saved);
    EXPECT_TRUE(TestClient(address).receive_line().starts_with("220 "));
    configure_log(LogFormat::text, LogLevel::info);
}

TEST_F(AcceptorTest, TakesOverAnInheritedSocket) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&any), sizeof(any)), 0);
    ASSERT_EQ(::listen(fd, 5), 0);
    ListenerOptions options;
    options.inherited_fd = fd;
    const auto address = listen(greet, options);
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    start();
    EXPECT_TRUE(TestClient(address).receive_line().starts_with("220 "));
}

TEST_F(AcceptorTest, RefusesAddressesAndDescriptorsThatMakeNoSense) {
    for (const auto* text :
         {"", "25", "127.0.0.1", "localhost:25", "127.0.0.1:x", "127.0.0.1:65536", "::1:25", "[127.0.0.1]:25"
         }) {
        ListenerOptions options;
        options.address = text;
        const auto bound = acceptors_->add(options);
        ASSERT_FALSE(bound) << text;
        EXPECT_EQ(bound.error().code, ErrorCode::invalid) << text;
    }
    ListenerOptions inherited;
    inherited.address = "127.0.0.1:0";
    inherited.inherited_fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    EXPECT_FALSE(acceptors_->add(inherited));
    ListenerOptions without_tls;
    without_tls.address = "127.0.0.1:0";
    without_tls.tls = TlsMode::start_tls;
    EXPECT_FALSE(acceptors_->add(without_tls));
    const auto taken = listen(greet);
    ListenerOptions again;
    again.address = taken;
    EXPECT_FALSE(acceptors_->add(again));
}

TEST_F(AcceptorTest, RefusesNewClientsOnceItDrains) {
    const auto address = listen(greet);
    start();
    const TestClient client(address);
    EXPECT_TRUE(client.receive_line().starts_with("220 "));
    acceptors_->drain();
    EXPECT_EQ(client.receive_all(), "");
    const FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    EXPECT_NE(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)), 0);
}

}  // namespace
}  // namespace wicket
