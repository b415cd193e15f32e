#include "net/connection.hpp"

#include "tests/unit/net/net_fixture.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <mutex>
#include <vector>

namespace wicket {
namespace {

using boost::asio::awaitable;
using std::chrono::milliseconds;
using ConnectionPointer = std::shared_ptr<Connection>;

// What a connection's coroutine has seen, for the test's thread.
class Notes {
public:
    void add(std::string note) {
        const std::lock_guard lock(mutex_);
        notes_.push_back(std::move(note));
    }
    std::vector<std::string> all() const {
        const std::lock_guard lock(mutex_);
        return notes_;
    }

private:
    mutable std::mutex mutex_;
    std::vector<std::string> notes_;
};

std::string name_of(IoStatus status) {
    static constexpr const char* names[] = {"ok", "closed", "timed_out", "failed", "draining"};
    return names[static_cast<std::size_t>(status)];
}

awaitable<void> echo(ConnectionPointer connection) {
    for (;;) {
        const auto got = co_await connection->read(in(patience));
        if (got.status != IoStatus::ok) co_return;
        if (co_await connection->write(std::string(got.octets), in(patience)) != IoStatus::ok) co_return;
    }
}

awaitable<void> read_once(
    ConnectionPointer connection, Notes* notes, milliseconds time, Connection::Drain drain
) {
    const auto got = co_await connection->read(in(time), drain);
    notes->add(name_of(got.status) + ' ' + std::string(got.octets));
}

awaitable<void> read_to_end(ConnectionPointer connection, Notes* notes) {
    std::string all;
    for (;;) {
        const auto got = co_await connection->read(in(patience));
        if (got.status != IoStatus::ok) {
            notes->add(name_of(got.status) + ' ' + std::to_string(all.size()));
            co_return;
        }
        all += got.octets;
    }
}

// Looks until something is there, without taking it, then reads it; before and after nothing is there.
awaitable<void> look_and_read(ConnectionPointer connection, Notes* notes) {
    const auto look = [&] { return connection->has_input() ? "something " : "nothing "; };
    co_await connection->read(in(patience));
    std::string note = look();
    co_await connection->write("more?", in(patience));
    const auto end = in(patience);
    while (!connection->has_input() && system_clock().steady() < end)
        co_await boost::asio::post(connection->executor(), boost::asio::use_awaitable);
    note += look();
    note += (co_await connection->read(in(patience))).octets;
    notes->add(note + ' ' + look());
}

awaitable<void> write_much(
    ConnectionPointer connection, Notes* notes, std::size_t octets, milliseconds time
) {
    notes->add(name_of(co_await connection->write(std::string(octets, 'x'), in(time))));
}

using ConnectionTest = NetTest;

TEST_F(ConnectionTest, LooksForInputWithoutTakingIt) {
    Notes notes;
    const auto address =
        listen([&](ConnectionPointer connection) { return look_and_read(std::move(connection), &notes); });
    start();
    const TestClient client(address);
    client.send("hello");
    EXPECT_EQ(client.receive(5), "more?");
    client.send("here");
    EXPECT_TRUE(becomes_true([&] { return !notes.all().empty(); }));
    EXPECT_EQ(notes.all().at(0), "nothing something here nothing ");
}

TEST_F(ConnectionTest, EchoesOverBothFamiliesAndTellsThePeer) {
    Notes notes;
    const auto describe = [&notes](ConnectionPointer connection) {
        const auto& peer = connection->peer();
        notes.add(
            peer.ip.to_string() + ' ' + peer.socket_ip.to_string() + ' ' + peer.local_ip.to_string() + ' ' +
            connection->listener() + ' ' + (connection->tls().is_on() ? "tls" : "plain")
        );
        return echo(connection);
    };
    const auto four = listen(describe);
    ListenerOptions six_options;
    six_options.address = "[::1]:0";
    const auto six = listen(describe, six_options);
    start();
    for (const auto& address : {four, six}) {
        SCOPED_TRACE(address);
        const TestClient client(address);
        client.send("hello");
        EXPECT_EQ(client.receive(5), "hello");
        client.send("again");
        EXPECT_EQ(client.receive(5), "again");
    }
    EXPECT_EQ(notes.all()[0], "127.0.0.1 127.0.0.1 127.0.0.1 test " + four + " plain");
    EXPECT_EQ(notes.all()[1], "::1 ::1 ::1 test " + six + " plain");
}

TEST_F(ConnectionTest, GivesUpAtTheDeadlineOfARead) {
    Notes notes;
    const auto address = listen([&](ConnectionPointer connection) {
        return read_once(connection, &notes, milliseconds(50), Connection::Drain::ignore);
    });
    start();
    const TestClient client(address);
    EXPECT_EQ(client.receive_all(), "");
    EXPECT_EQ(notes.all(), std::vector<std::string>{"timed_out "});
}

TEST_F(ConnectionTest, GivesUpAtTheDeadlineOfAWriteNobodyReads) {
    Notes notes;
    const auto address = listen([&](ConnectionPointer connection) {
        return write_much(connection, &notes, 64U << 20U, milliseconds(50));
    });
    start();
    const TestClient client(address);
    ASSERT_TRUE(becomes_true([&] { return !notes.all().empty(); }));
    EXPECT_EQ(notes.all(), std::vector<std::string>{"timed_out"});
}

TEST_F(ConnectionTest, WritesWhatDoesNotFitIntoTheKernel) {
    Notes notes;
    constexpr std::size_t octets = 16U << 20U;
    const auto address = listen([&](ConnectionPointer connection) {
        return write_much(connection, &notes, octets, patience);
    });
    start();
    const TestClient client(address);
    EXPECT_EQ(client.receive_all().size(), octets);
    EXPECT_EQ(notes.all(), std::vector<std::string>{"ok"});
}

TEST_F(ConnectionTest, ReadsEverythingThatAFastSenderHasSent) {
    Notes notes;
    const auto address =
        listen([&](ConnectionPointer connection) { return read_to_end(connection, &notes); });
    start();
    const TestClient client(address);
    client.send(std::string(5'000'000, 'x'));
    client.finish();
    EXPECT_EQ(client.receive_all(), "");
    EXPECT_EQ(notes.all(), std::vector<std::string>{"closed 5000000"});
}

TEST_F(ConnectionTest, WakesIdleConnectionsWhenItDrainsAndLeavesOthersAlone) {
    Notes idle;
    Notes busy;
    const auto idle_address = listen([&](ConnectionPointer connection) {
        return read_once(connection, &idle, patience, Connection::Drain::wake);
    });
    const auto busy_address = listen([&](ConnectionPointer connection) {
        return read_once(connection, &busy, patience, Connection::Drain::ignore);
    });
    start();
    const TestClient idle_client(idle_address);
    const TestClient busy_client(busy_address);
    ASSERT_TRUE(becomes_true([&] { return acceptors_->open_connections() == 2; }));
    acceptors_->drain();
    EXPECT_EQ(idle_client.receive_all(), "");
    EXPECT_EQ(idle.all(), std::vector<std::string>{"draining "});
    busy_client.send("more");
    EXPECT_EQ(busy_client.receive_all(), "");
    EXPECT_EQ(busy.all(), std::vector<std::string>{"ok more"});
    ASSERT_TRUE(becomes_true([&] { return acceptors_->open_connections() == 0; }));
}

TEST_F(ConnectionTest, ClosesAndCountsOffAfterAnException) {
    const auto address = listen([](ConnectionPointer) -> awaitable<void> {
        throw std::runtime_error("a bug of the session");
        co_return;
    });
    start();
    const TestClient client(address);
    EXPECT_EQ(client.receive_all(), "");
    EXPECT_TRUE(becomes_true([&] { return acceptors_->open_connections() == 0; }));
}

TEST_F(ConnectionTest, EndsQuietlyWithSessionsUnderWay) {
    const auto address = listen(echo);
    start();
    std::vector<TestClient> clients;
    for (int i = 0; i < 8; ++i)
        clients.emplace_back(address);
    ASSERT_TRUE(becomes_true([&] { return acceptors_->open_connections() == 8; }));
}

}  // namespace
}  // namespace wicket
