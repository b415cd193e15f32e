#include "net/tls_context.hpp"
#include "tests/support/certificate.hpp"
#include "tests/unit/net/net_fixture.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <thread>

namespace wicket {
namespace {

using boost::asio::awaitable;
using ConnectionPointer = std::shared_ptr<Connection>;

// "TLS" starts TLS, "QUIT" ends; all else is echoed. The result of the handshake is the first thing written.
awaitable<void> converse(ConnectionPointer connection) {
    for (;;) {
        const auto got = co_await connection->read(in(patience));
        if (got.status != IoStatus::ok) co_return;
        if (got.octets != "TLS\r\n") {
            if (co_await connection->write(std::string(got.octets), in(patience)) != IoStatus::ok) co_return;
            continue;
        }
        co_await connection->write("220 go\r\n", in(patience));
        if (co_await connection->start_tls(in(patience)) != IoStatus::ok) co_return;
        const auto& tls = connection->tls();
        co_await connection->write(tls.version + ' ' + tls.server_name + "\r\n", in(patience));
    }
}

// Reads `wanted` octets in whatever pieces they come, then says so: a client that pipelines must not hang.
awaitable<void> count_octets(ConnectionPointer connection, std::size_t wanted) {
    std::size_t have = 0;
    while (have < wanted) {
        const auto got = co_await connection->read(in(patience));
        if (got.status != IoStatus::ok) co_return;
        have += got.octets.size();
    }
    co_await connection->write("all", in(patience));
}

// "more?", then looks until something is there without taking it, and says what it read afterwards.
awaitable<void> look_and_read_over_tls(ConnectionPointer connection) {
    co_await connection->read(in(patience));
    const bool is_early = connection->has_input();
    co_await connection->write("more?", in(patience));
    const auto end = in(patience);
    while (!connection->has_input() && system_clock().steady() < end)
        co_await boost::asio::post(connection->executor(), boost::asio::use_awaitable);
    const auto got = co_await connection->read(in(patience));
    co_await connection->write((is_early ? "early " : "silent ") + std::string(got.octets), in(patience));
}

class TlsTest : public NetTest {
protected:
    TlsTest() {
        for (const char* host : {"mx.example.test", "other.example.test", "*.wild.test"}) {
            const std::string name = host[0] == '*' ? "wild" : host;
            const auto made = make_test_certificate(folder_.path(), name);
            identities_.push_back({identities_.empty() ? "" : host, made.certificate_file, made.key_file});
        }
        use_tls(TlsContext::load(identities_).value());
    }
    std::string listen_tls(Serve serve, TlsMode mode) {
        ListenerOptions options;
        options.tls = mode;
        return listen(std::move(serve), options);
    }

    TestFolder folder_;
    std::vector<TlsIdentity> identities_;
};

TEST_F(TlsTest, StartsTlsAndTellsVersionAndName) {
    const auto address = listen_tls(converse, TlsMode::start_tls);
    start();
    const TestClient client(address);
    client.send("TLS\r\n");
    EXPECT_EQ(client.receive_line(), "220 go\r\n");
    TestTlsClient tls(client, "MX.Example.Test");
    ASSERT_TRUE(tls.handshake());
    const std::string want = "TLSv1.3 mx.example.test\r\n";
    EXPECT_EQ(tls.receive(want.size()), want);
    for (const auto* word : {"one", "two"}) {
        ASSERT_TRUE(tls.send(word));
        EXPECT_EQ(tls.receive(3), word);
    }
    const std::string large(300'000, 'x');
    std::thread sender([&] { EXPECT_TRUE(tls.send(large.substr(0, 16000))); });
    sender.join();
    EXPECT_EQ(tls.receive(16000), large.substr(0, 16000));
}

TEST_F(TlsTest, FailsWhenPlaintextWasInjectedBeforeTheHandshake) {
    const auto address = listen_tls(
        [](ConnectionPointer connection) -> awaitable<void> {
            // As the session does: it has read "TLS\r\n" only, the rest lies in the kernel.
            co_await connection->write("220 go\r\n", in(patience));
            const auto status = co_await connection->start_tls(in(patience));
            EXPECT_EQ(status, IoStatus::failed);
        },
        TlsMode::start_tls
    );
    start();
    const TestClient client(address);
    client.send("MAIL FROM:<a@example.org>\r\n");
    EXPECT_EQ(client.receive_line(), "220 go\r\n");
    TestTlsClient tls(client);
    EXPECT_FALSE(tls.handshake());
    EXPECT_TRUE(becomes_true([&] { return acceptors_->open_connections() == 0; }));
}

TEST_F(TlsTest, LooksForInputWithoutTakingIt) {
    const auto address = listen_tls(look_and_read_over_tls, TlsMode::implicit);
    start();
    const TestClient client(address);
    TestTlsClient tls(client);
    ASSERT_TRUE(tls.handshake());
    ASSERT_TRUE(tls.send("hello"));
    EXPECT_EQ(tls.receive(5), "more?");
    ASSERT_TRUE(tls.send("here"));
    EXPECT_EQ(tls.receive(11), "silent here");
}

TEST_F(TlsTest, DrainsRecordsThatCameTogether) {
    const auto address = listen_tls(
        [](ConnectionPointer connection) { return count_octets(connection, 200'000); }, TlsMode::implicit
    );
    start();
    const TestClient client(address);
    TestTlsClient tls(client);
    ASSERT_TRUE(tls.handshake());
    for (int i = 0; i < 20; ++i)
        ASSERT_TRUE(tls.send(std::string(10'000, 'x')));
    EXPECT_EQ(tls.receive(3), "all");
}

TEST_F(TlsTest, WritesMoreThanTheKernelTakes) {
    constexpr std::size_t octets = 8U << 20U;
    const auto address = listen_tls(
        [](ConnectionPointer connection) -> awaitable<void> {
            EXPECT_EQ(co_await connection->write(std::string(octets, 'x'), in(patience)), IoStatus::ok);
        },
        TlsMode::implicit
    );
    start();
    const TestClient client(address);
    TestTlsClient tls(client);
    ASSERT_TRUE(tls.handshake());
    EXPECT_EQ(tls.receive(octets + 1).size(), octets);
}

TEST_F(TlsTest, ChoosesTheCertificateByName) {
    const auto address = listen_tls(converse, TlsMode::implicit);
    start();
    struct Case {
        const char *host, *want;
    };
    for (const auto& [host, want] : {
             Case{nullptr,              "mx.example.test"   },
             Case{"nobody.example",     "mx.example.test"   },
             Case{"other.example.test", "other.example.test"},
             Case{"Other.Example.Test", "other.example.test"},
             Case{"a.wild.test",        "wild"              },
             Case{"a.b.wild.test",      "mx.example.test"   },
             Case{"wild.test",          "mx.example.test"   },
    }) {
        SCOPED_TRACE(host == nullptr ? "none" : host);
        const TestClient client(address);
        TestTlsClient tls(client, host);
        ASSERT_TRUE(tls.handshake());
        EXPECT_EQ(tls.peer_name(), want);
    }
}

TEST_F(TlsTest, ResumesSessionsAlsoAfterAReload) {
    const auto address = listen_tls(converse, TlsMode::implicit);
    start();
    SSL_SESSION* session = nullptr;
    {
        const TestClient client(address);
        TestTlsClient tls(client);
        ASSERT_TRUE(tls.handshake());
        ASSERT_TRUE(tls.send("x"));
        EXPECT_EQ(tls.receive(1), "x");
        session = SSL_get1_session(tls.get());
        // A session that does not end properly may not be resumed.
        SSL_shutdown(tls.get());
    }
    ASSERT_TRUE(tls_->reload(identities_));
    const TestClient client(address);
    TestTlsClient tls(client, nullptr, session);
    ASSERT_TRUE(tls.handshake());
    EXPECT_EQ(SSL_session_reused(tls.get()), 1);
    SSL_SESSION_free(session);
}

TEST_F(TlsTest, ReloadsAllOrNothingWithoutDroppingASession) {
    const auto address = listen_tls(converse, TlsMode::implicit);
    start();
    const TestClient old_client(address);
    TestTlsClient old_tls(old_client);
    ASSERT_TRUE(old_tls.handshake());
    auto broken = identities_;
    broken.back().key_file = broken.front().key_file;
    const auto refused = tls_->reload(broken);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::invalid);
    EXPECT_NE(refused.error().message.find(broken.back().key_file), std::string::npos);
    EXPECT_FALSE(tls_->reload({
        {"", folder_.path() + "/none.pem", folder_.path() + "/none.pem"}
    }));
    ASSERT_TRUE(tls_->reload({identities_[1]}));
    ASSERT_TRUE(old_tls.send("still here"));
    EXPECT_EQ(old_tls.receive(10), "still here");
    const TestClient client(address);
    TestTlsClient tls(client);
    ASSERT_TRUE(tls.handshake());
    EXPECT_EQ(tls.peer_name(), "other.example.test");
}

TEST_F(TlsTest, RefusesOldVersionsAndRenegotiation) {
    const auto address = listen_tls(converse, TlsMode::implicit);
    start();
    const TestClient old_client(address);
    TestTlsClient old_tls(old_client);
    SSL_set_min_proto_version(old_tls.get(), TLS1_VERSION);
    SSL_set_max_proto_version(old_tls.get(), TLS1_1_VERSION);
    EXPECT_FALSE(old_tls.handshake());
    const TestClient client(address);
    TestTlsClient tls(client);
    SSL_set_max_proto_version(tls.get(), TLS1_2_VERSION);
    ASSERT_TRUE(tls.handshake());
    EXPECT_EQ(SSL_renegotiate(tls.get()), 1);
    EXPECT_NE(SSL_do_handshake(tls.get()), 1);
}

TEST_F(TlsTest, CutsOffAFloodOfKeyUpdates) {
    const auto address = listen_tls(converse, TlsMode::implicit);
    start();
    const TestClient client(address);
    TestTlsClient tls(client);
    ASSERT_TRUE(tls.handshake());
    for (int i = 0; i < 10; ++i) {
        ASSERT_EQ(SSL_key_update(tls.get(), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        ASSERT_TRUE(tls.send("x"));
        EXPECT_EQ(tls.receive(1), "x");
    }
    bool is_cut_off = false;
    for (int i = 0; i < 100 && !is_cut_off; ++i) {
        is_cut_off = SSL_key_update(tls.get(), SSL_KEY_UPDATE_NOT_REQUESTED) != 1 || !tls.send("x") ||
                     tls.receive(1) != "x";
    }
    EXPECT_TRUE(is_cut_off);
}

TEST_F(TlsTest, EndsAClientThatNeverSaysHello) {
    const auto address = listen_tls(
        [](ConnectionPointer connection) -> awaitable<void> {
            EXPECT_EQ(co_await connection->start_tls(in(std::chrono::milliseconds(50))), IoStatus::timed_out);
        },
        TlsMode::start_tls
    );
    start();
    EXPECT_EQ(TestClient(address).receive_all(), "");
}

}  // namespace
}  // namespace wicket
