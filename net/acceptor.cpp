#include "net/acceptor.hpp"

#include "base/log.hpp"
#include "base/rate_budget.hpp"
#include "net/listening_socket.hpp"
#include "net/loop_choice.hpp"
#include "net/socket_connection.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <exception>
#include <fcntl.h>
#include <mutex>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <new>
#include <optional>
#include <sys/socket.h>
#include <utility>

namespace wicket {

namespace asio = boost::asio;

namespace {

// The header comes with the first segment; section 2 of the specification suggests a few seconds.
constexpr std::chrono::seconds proxy_header_time(5);
// Of implicit TLS, like the receiver's for STARTTLS.
constexpr std::chrono::seconds handshake_time(30);
// Without descriptors there is nothing to be done but to wait until sessions end; meanwhile clients wait in
// the kernel's queue.
constexpr std::chrono::milliseconds out_of_files_pause(200);
constexpr std::chrono::seconds out_of_files_log_interval(60);
// Accepted in a row before the hub's other work gets its turn.
constexpr int accept_batch = 64;

constexpr std::string_view too_many_files = "too many open files";

std::string with_reason(const std::string& line, std::string_view reason) {
    static constexpr std::string_view mark = "%REASON%";
    std::string text = line;
    const auto at = text.find(mark);
    if (at != std::string::npos) text.replace(at, mark.size(), reason);
    return text;
}

FileDescriptor open_reserve() {
    return FileDescriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

bool is_out_of_files(int error_number) {
    return error_number == EMFILE || error_number == ENFILE || error_number == ENOBUFS ||
           error_number == ENOMEM;
}

bool is_wildcard(const IpAddress& ip) {
    return std::ranges::all_of(ip.octets(), [](char octet) { return octet == 0; });
}

using ListeningSocket = asio::basic_socket_acceptor<asio::ip::tcp, asio::io_context::executor_type>;

// Whether the socket is the client's or that of a balancer that will say who the client is.
enum class Arrival : std::uint8_t { direct, via_proxy };

// `socket` and `pause` are used on the hub, the limits by every loop: a connection asks and gives back where
// it lives, since a round trip to the hub costs more than all that is done there. The rest does not change
// after add().
struct Listener {
    Listener(asio::io_context& hub, ListenerOptions its_options)
        : options(std::move(its_options)), socket(hub), pause(hub), limits_(options.limits) {}

    Admission enter() {
        const std::lock_guard lock(mutex_);
        const Admission admission = limits_.enter();
        is_scarce_.store(limits_.is_scarce(), std::memory_order_relaxed);
        return admission;
    }
    /// Undoes admit() for `before`, then admit() for `next`, as far as they are given.
    Admission change(
        const std::optional<IpAddress>& before, const std::optional<IpAddress>& next, SteadyTime now
    ) {
        const std::lock_guard lock(mutex_);
        if (before) limits_.release(*before);
        return next ? limits_.admit(*next, now) : Admission::admitted;
    }
    Admission admit(const IpAddress& client, SteadyTime now) {
        const std::lock_guard lock(mutex_);
        return limits_.admit(client, now);
    }
    /// Undoes enter(), and admit() if there is a client.
    void leave(const std::optional<IpAddress>& client) {
        const std::lock_guard lock(mutex_);
        if (client) limits_.release(*client);
        limits_.leave();
        is_scarce_.store(limits_.is_scarce(), std::memory_order_relaxed);
    }
    bool is_scarce() const { return is_scarce_.load(std::memory_order_relaxed); }

    ListenerOptions options;
    ListeningSocket socket;
    asio::steady_timer pause;
    std::optional<SocketAddress> bound;  // if it is one address: then that is every connection's own
    std::vector<std::shared_ptr<ConnectionHome>> homes;  // one a loop
    RateBudget proxy_complaints{1};                      // lines of the log: a flood must not fill it

private:
    std::mutex mutex_;
    LimitTable limits_;
    std::atomic<bool> is_scarce_{false};  // as limits_ says: read without the lock by every session
};

}  // namespace

struct Acceptors::State : std::enable_shared_from_this<Acceptors::State> {
    // A connection's place in the counts: given back when the connection is over.
    struct Slot final : ConnectionSeat {
        Slot(std::shared_ptr<State> its_state, std::shared_ptr<Listener> its_listener)
            : state(std::move(its_state)), listener(std::move(its_listener)) {}
        Slot(const Slot&) = delete;
        Slot& operator=(const Slot&) = delete;
        Admission enter();
        Admission change_client(std::optional<IpAddress> next) override;
        bool is_scarce() const override {
            return listener->is_scarce() || are_scarce(state->open, state->total);
        }
        ~Slot() override {
            if (!is_in) return;
            listener->leave(client);
            state->loops.leave(loop);
            --state->open;
        }

        std::shared_ptr<State> state;
        std::shared_ptr<Listener> listener;
        bool is_in = false;
        std::size_t loop = 0;             // once it is in
        std::optional<IpAddress> client;  // once it has been admitted
    };

    State(EventLoops& its_loops, TlsContext* its_tls, const Clock& its_clock, std::uint64_t its_total)
        : hub(its_loops.hub()),
          tls(its_tls),
          clock(its_clock),
          total(its_total),
          loops(its_loops.size()),
          reserve(open_reserve()) {
        for (std::size_t i = 0; i < its_loops.size(); ++i)
            contexts.push_back(&its_loops.at(i));
    }

    void stop_listening();
    enum class Outcome : std::uint8_t { taken, nothing, out_of_files, closed };
    Outcome accept_one(const std::shared_ptr<Listener>& listener);
    void shed_with_reserve(Listener& listener);
    void take(const std::shared_ptr<Listener>& listener, AcceptedSocket accepted_socket);
    static void begin(std::unique_ptr<Slot> slot, FileDescriptor socket, Peer peer, Arrival arrival);
    void shed(const Listener& listener, int fd, Admission why);
    void count_shed(Admission why);
    void watch_hub();

    static asio::awaitable<void> accept_loop(
        std::shared_ptr<State> state, std::shared_ptr<Listener> listener
    );
    static asio::awaitable<void> serve(
        std::unique_ptr<Slot> slot, std::shared_ptr<SocketConnection> connection, Arrival arrival
    );
    void refuse_proxy(
        Listener& listener, const SocketConnection& connection, ProxyReading reading, SteadyTime now
    );
    static asio::awaitable<bool> prepare(
        Slot& slot, std::shared_ptr<SocketConnection> connection, Arrival arrival
    );

    asio::io_context& hub;
    TlsContext* tls;
    const Clock& clock;
    const std::uint64_t total;
    std::vector<asio::io_context*> contexts;
    std::vector<std::shared_ptr<Listener>> listeners;

    LoopChoice loops;

    // On the hub only.
    FileDescriptor reserve;
    bool is_hub_watched = false;
    std::optional<SteadyTime> out_of_files_logged;

    std::atomic<std::uint64_t> accepted{0}, open{0}, bad_proxy{0};
    std::atomic<std::uint64_t> shed_per_ip{0}, shed_per_network{0}, shed_total{0}, shed_rate{0},
        shed_files{0};
};

Admission Acceptors::State::Slot::enter() {
    if (state->open >= state->total) return Admission::total;
    const auto admission = listener->enter();
    if (admission != Admission::admitted) return admission;
    is_in = true;
    loop = state->loops.enter();
    ++state->open;
    return admission;
}

Admission Acceptors::State::Slot::change_client(std::optional<IpAddress> next) {
    const auto admission = listener->change(std::exchange(client, std::nullopt), next, state->clock.steady());
    if (admission == Admission::admitted)
        client = next;
    else
        state->count_shed(admission);
    return admission;
}

/// Behind all that is ready there now.
void Acceptors::State::watch_hub() {
    if (is_hub_watched) return;
    asio::post(hub, [state = shared_from_this(), begun = clock.steady()] {
        state->is_hub_watched = false;
        state->loops.waited(state->clock.steady() - begun);
    });
    is_hub_watched = true;
}

void Acceptors::State::count_shed(Admission why) {
    switch (why) {
        case Admission::per_ip: ++shed_per_ip; break;
        case Admission::per_network: ++shed_per_network; break;
        case Admission::total: ++shed_total; break;
        case Admission::rate: ++shed_rate; break;
        case Admission::admitted: break;
    }
}

void Acceptors::State::shed(const Listener& listener, int fd, Admission why) {
    count_shed(why);
    // Plaintext would only confuse a TLS client.
    if (listener.options.tls == TlsMode::implicit) return;
    shed_socket(fd, with_reason(listener.options.shed_line, reason_of(why)));
}

void Acceptors::State::shed_with_reserve(Listener& listener) {
    const auto now = clock.steady();
    if (!out_of_files_logged || now - *out_of_files_logged >= out_of_files_log_interval) {
        out_of_files_logged = now;
        log_warning(
            "out of file descriptors: new connections wait",
            {
                {"listener", listener.homes[0]->listener}
        }
        );
    }
    reserve.close();
    {
        const auto socket = accept_socket(listener.socket.native_handle()).socket;
        if (socket.is_open()) {
            ++shed_files;
            if (listener.options.tls != TlsMode::implicit) {
                shed_socket(socket.get(), with_reason(listener.options.shed_line, too_many_files));
            }
        }
    }
    reserve = open_reserve();
}

void Acceptors::State::take(const std::shared_ptr<Listener>& listener, AcceptedSocket accepted_socket) {
    FileDescriptor socket = std::move(accepted_socket.socket);
    const SocketAddress remote = accepted_socket.peer;
    const int fd = socket.get();
    auto slot = std::make_unique<Slot>(shared_from_this(), listener);
    watch_hub();
    if (slot->enter() != Admission::admitted) return shed(*listener, fd, Admission::total);
    const auto local = listener->bound ? *listener->bound : local_address(fd);
    bool is_via_proxy = false;
    for (const auto& network : listener->options.proxy_networks)
        is_via_proxy |= network.contains(remote.ip);
    const auto arrival = is_via_proxy ? Arrival::via_proxy : Arrival::direct;
    if (arrival == Arrival::direct) {
        const auto admission = listener->admit(remote.ip, clock.steady());
        if (admission != Admission::admitted) return shed(*listener, fd, admission);
        slot->client = remote.ip;
    }
    Peer peer;
    peer.ip = peer.socket_ip = remote.ip;
    peer.port = remote.port;
    peer.local_ip = local.ip;
    peer.local_port = local.port;
    auto& home = *contexts[slot->loop];
    asio::post(
        home,
        [slot = std::move(slot), socket = std::move(socket), peer = std::move(peer), arrival]() mutable {
            begin(std::move(slot), std::move(socket), std::move(peer), arrival);
        }
    );
}

void Acceptors::State::begin(std::unique_ptr<Slot> slot, FileDescriptor socket, Peer peer, Arrival arrival) {
    auto& context = *slot->state->contexts[slot->loop];
    try {
        auto connection = std::make_shared<SocketConnection>(
            slot->listener->homes[slot->loop], std::move(socket), std::move(peer)
        );
        asio::co_spawn(
            context.get_executor(), serve(std::move(slot), std::move(connection), arrival), asio::detached
        );
    } catch (const std::bad_alloc&) {
        log_error("out of memory: a connection was closed before it began");
    }
}

Acceptors::State::Outcome Acceptors::State::accept_one(const std::shared_ptr<Listener>& listener) {
    if (!listener->socket.is_open()) return Outcome::closed;
    auto arrived = accept_socket(listener->socket.native_handle());
    if (arrived.socket.is_open()) {
        ++accepted;
        take(listener, std::move(arrived));
        return Outcome::taken;
    }
    if (is_out_of_files(errno)) return Outcome::out_of_files;
    // accept(2): errors of the new connection itself are to be treated like none.
    return errno == EAGAIN ? Outcome::nothing : Outcome::taken;
}

asio::awaitable<void> Acceptors::State::accept_loop(
    std::shared_ptr<State> state, std::shared_ptr<Listener> listener
) {
    constexpr auto token = asio::as_tuple(asio::use_awaitable);
    while (listener->socket.is_open()) {
        try {
            const auto [error] = co_await listener->socket.async_wait(ListeningSocket::wait_read, token);
            if (error) co_return;
            auto outcome = Outcome::taken;
            for (int i = 0; i < accept_batch && outcome == Outcome::taken; ++i) {
                outcome = state->accept_one(listener);
            }
            if (outcome != Outcome::out_of_files) continue;
            state->shed_with_reserve(*listener);
            listener->pause.expires_after(out_of_files_pause);
            co_await listener->pause.async_wait(token);
        } catch (const std::bad_alloc&) {
            // The connection that was being taken is closed; the next one may find room.
            log_error("out of memory: a connection was closed before it began");
        }
    }
}

asio::awaitable<bool> Acceptors::State::prepare(
    Slot& slot, std::shared_ptr<SocketConnection> connection, Arrival arrival
) {
    auto& state = *slot.state;
    auto& deadlines = slot.listener->homes[slot.loop]->kit.deadlines;
    if (arrival == Arrival::via_proxy) {
        const auto reading = co_await connection->read_proxy_header(deadlines.now() + proxy_header_time);
        if (reading != ProxyReading::done) {
            state.refuse_proxy(*slot.listener, *connection, reading, deadlines.now());
            co_return false;
        }
        const auto admission = slot.change_client(connection->peer().ip);
        if (admission != Admission::admitted) {
            const auto line = with_reason(slot.listener->options.shed_line, reason_of(admission));
            connection->shed(slot.listener->options.tls == TlsMode::implicit ? std::string() : line);
            co_return false;
        }
    }
    if (slot.listener->options.tls != TlsMode::implicit) co_return true;
    co_return co_await connection->start_tls(deadlines.now() + handshake_time) == IoStatus::ok;
}

asio::awaitable<void> Acceptors::State::serve(
    std::unique_ptr<Slot> slot, std::shared_ptr<SocketConnection> connection, Arrival arrival
) {
    try {
        connection->take_seat(*slot);
        const bool is_plain = arrival == Arrival::direct && slot->listener->options.tls != TlsMode::implicit;
        if (is_plain || co_await prepare(*slot, connection, arrival)) {
            co_await slot->listener->options.serve(connection);
        }
    } catch (const std::exception& error) {
        log_error(
            "a session ended by an exception",
            {
                {"listener", connection->listener()},
                {"what",     error.what()          }
        }
        );
    } catch (...) {
        log_error(
            "a session ended by an exception",
            {
                {"listener", connection->listener()}
        }
        );
    }
    connection->close();
}

void Acceptors::State::refuse_proxy(
    Listener& listener, const SocketConnection& connection, ProxyReading reading, SteadyTime now
) {
    // Balancers connect and close to see whether we live.
    if (reading == ProxyReading::nothing) return;
    ++bad_proxy;
    if (!listener.proxy_complaints.take(now)) return;
    log_warning(
        "a connection was closed, for want of a good PROXY header",
        {
            {"listener", connection.listener()},
            {"peer", connection.peer().socket_ip.to_string()},
            {"header", to_string(reading), LogShape::plain}
    }
    );
}

void Acceptors::State::stop_listening() {
    for (const auto& listener : listeners) {
        boost::system::error_code ignored;
        listener->socket.close(ignored);
        listener->pause.cancel();
    }
}

Acceptors::Acceptors(EventLoops& loops, TlsContext* tls, const Clock& clock, std::uint64_t total)
    : state_(std::make_shared<State>(loops, tls, clock, total)) {}

Acceptors::~Acceptors() {
    asio::post(state_->hub, [state = state_] { state->stop_listening(); });
}

Result<std::string> Acceptors::add(ListenerOptions options) {
    const auto address = parse_socket_address(options.address);
    if (!address) return failure(ErrorCode::invalid, "not an address with a port: " + options.address);
    if (options.tls != TlsMode::none && state_->tls == nullptr) {
        return failure(
            ErrorCode::invalid, "the listener " + options.address + " needs TLS, which is not set up"
        );
    }
    auto socket = options.inherited_fd >= 0 ? adopt_listening_socket(options.inherited_fd)
                                            : open_listening_socket(*address);
    if (!socket) return std::unexpected(std::move(socket.error()));
    const auto bound = local_address(socket->get());
    auto listener = std::make_shared<Listener>(state_->hub, std::move(options));
    boost::system::error_code error;
    listener->socket.assign(
        bound.ip.is_ipv4() ? asio::ip::tcp::v4() : asio::ip::tcp::v6(), socket->get(), error
    );
    if (error) return system_failure("cannot watch " + bound.to_string(), error.value());
    // Replies are coalesced before they are written, so waiting for more in the kernel only costs time. What
    // is accepted inherits it.
    const int on = 1;
    ::setsockopt(socket->get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    socket->release();
    if (!is_wildcard(bound.ip)) listener->bound = bound;
    TlsContext* tls = listener->options.tls == TlsMode::none ? nullptr : state_->tls;
    const auto name = listener->options.service + ' ' + bound.to_string();
    for (auto* context : state_->contexts) {
        listener->homes.push_back(std::make_shared<ConnectionHome>(*context, tls, name));
    }
    state_->listeners.push_back(std::move(listener));
    return bound.to_string();
}

void Acceptors::start() {
    for (const auto& listener : state_->listeners) {
        asio::co_spawn(
            state_->hub.get_executor(),
            State::accept_loop(state_, listener),
            [](const std::exception_ptr& failed) {
                if (!failed) return;
                // Out of memory, most likely. A process that lives and takes no connection would be worse.
                log_error("a listener failed: the process ends, to be started anew");
                std::abort();
            }
        );
    }
}

void Acceptors::drain() {
    asio::post(state_->hub, [state = state_] {
        state->stop_listening();
        // After the listeners, so that a connection that was accepted before finds its home draining.
        for (const auto& listener : state->listeners) {
            for (const auto& home : listener->homes)
                asio::post(home->loop, [home] { home->drain(); });
        }
    });
}

std::size_t Acceptors::open_connections() const {
    return state_->open;
}

AcceptorCounters Acceptors::counters() const {
    AcceptorCounters counters;
    counters.accepted = state_->accepted;
    counters.shed_per_ip = state_->shed_per_ip;
    counters.shed_per_network = state_->shed_per_network;
    counters.shed_total = state_->shed_total;
    counters.shed_rate = state_->shed_rate;
    counters.shed_files = state_->shed_files;
    counters.bad_proxy = state_->bad_proxy;
    counters.open = state_->open;
    return counters;
}

}  // namespace wicket
