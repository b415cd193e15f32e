// The flood of ./dev bench records: one thread, one epoll, a connection for each refusal. Every client comes
// by PROXY v1 from an address in a /24 of its own and does what a mail server may: waits for the banner, says
// EHLO, waits, then MAIL, RCPT and QUIT in one piece (RFC 2920), since PIPELINING is offered. Connections
// begin by the clock, whether earlier ones are done or not. Prints one JSON object. Not part of the product.
//
//   refusals PORT COUNT RATE DOMAIN RECIPIENT [NETWORKS]
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

// Beyond this the server does not keep up, and more connections would only fill its queue.
constexpr std::size_t open_limit = 4000;
// Whoever hangs longer counts as broken.
constexpr std::chrono::seconds patience(30);
// The clients' network is this slow: a round of replies is read at once, so that the generator's own work is
// small beside the server's.
constexpr std::chrono::milliseconds tick(2);

enum class Awaits : unsigned char { banner, greeting, envelope };

struct Client {
    Clock::time_point begun;
    Awaits awaits = Awaits::banner;
    bool has_proxy_line = false;
    std::string line_start;  // of the reply line that is being read
    int replies = 0;         // to MAIL, RCPT, QUIT
    long number = 0;
};

struct Run {
    int port = 0;
    long count = 0, rate = 0, networks = 100000;
    std::string envelope;
    int epoll = -1;
    std::vector<Client> clients{};  // by descriptor
    std::size_t open = 0;
    std::vector<float> milliseconds;  // until the reply to RCPT
    std::map<int, long> codes;
    long broken = 0;

    void begin(long number);
    void on_event(int fd, unsigned events);
    bool send_proxy_line(int fd);
    bool read(int fd);
    bool on_reply(int fd, int code);
    void end(int fd, bool is_good);
    void watch(int fd, int operation, unsigned events) const;
    void end_stuck();
};

void Run::watch(int fd, int operation, unsigned events) const {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    ::epoll_ctl(epoll, operation, fd, &event);
}

void Run::begin(long number) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        ++broken;
        return;
    }
    if (clients.size() <= static_cast<std::size_t>(fd)) clients.resize(static_cast<std::size_t>(fd) + 64);
    Client& client = clients[static_cast<std::size_t>(fd)];
    client = {};
    client.begun = Clock::now();
    client.number = number;
    ++open;
    // Closed with a reset after the last reply: no port stays behind in TIME_WAIT on either side.
    const linger at_once{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 && errno != EINPROGRESS)
        return end(fd, false);
    if (!send_proxy_line(fd)) return;
    watch(fd, EPOLL_CTL_ADD, client.has_proxy_line ? EPOLLIN : EPOLLOUT);
}

/// False: the connection is gone. On loopback it is usually there at once.
bool Run::send_proxy_line(int fd) {
    Client& client = clients[static_cast<std::size_t>(fd)];
    const long network = client.number % networks;
    std::array<char, 96> line;
    // 11.0.0.0/8 and up, where nobody's lists look.
    const int length = std::snprintf(
        line.data(),
        line.size(),
        "PROXY TCP4 %ld.%ld.%ld.7 127.0.0.1 4000 25\r\n",
        11 + network / 65536,
        network / 256 % 256,
        network % 256
    );
    const ssize_t sent = ::send(fd, line.data(), static_cast<std::size_t>(length), MSG_NOSIGNAL);
    client.has_proxy_line = sent == length;
    if (sent >= 0 ? sent == length : errno == EAGAIN) return true;
    end(fd, false);
    return false;
}

bool Run::on_reply(int fd, int code) {
    Client& client = clients[static_cast<std::size_t>(fd)];
    static constexpr std::string_view ehlo = "EHLO client.sender.example\r\n";
    const auto send = [&](std::string_view octets) {
        return ::send(fd, octets.data(), octets.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(octets.size());
    };
    switch (client.awaits) {
        case Awaits::banner: client.awaits = Awaits::greeting; return code == 220 && send(ehlo);
        case Awaits::greeting: client.awaits = Awaits::envelope; return code == 250 && send(envelope);
        case Awaits::envelope: break;
    }
    ++client.replies;
    if (client.replies == 1) return code == 250;
    if (client.replies == 2) {
        ++codes[code];
        milliseconds.push_back(std::chrono::duration<float, std::milli>(Clock::now() - client.begun).count());
        return true;
    }
    end(fd, code == 221);
    return true;
}

/// False: the connection must be ended.
bool Run::read(int fd) {
    std::array<char, 2048> octets;
    const ssize_t got = ::recv(fd, octets.data(), octets.size(), 0);
    if (got < 0 && errno == EAGAIN) return true;
    if (got <= 0) return false;
    std::string& line = clients[static_cast<std::size_t>(fd)].line_start;
    for (ssize_t at = 0; at < got; ++at) {
        const char c = octets[static_cast<std::size_t>(at)];
        if (c != '\n') {
            if (line.size() < 4) line += c;
            continue;
        }
        const bool is_last = line.size() < 4 || line[3] != '-';
        const int code = std::atoi(line.c_str());
        line.clear();
        if (is_last && !on_reply(fd, code)) return false;
        if (clients[static_cast<std::size_t>(fd)].begun == Clock::time_point()) return true;
    }
    return true;
}

void Run::on_event(int fd, unsigned events) {
    Client& client = clients[static_cast<std::size_t>(fd)];
    if (!client.has_proxy_line) {
        if (!send_proxy_line(fd)) return;
        if (client.has_proxy_line) watch(fd, EPOLL_CTL_MOD, EPOLLIN);
    } else if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0U && !read(fd)) {
        end(fd, false);
    }
}

void Run::end(int fd, bool is_good) {
    broken += is_good ? 0 : 1;
    clients[static_cast<std::size_t>(fd)].begun = {};
    ::close(fd);
    --open;
}

void Run::end_stuck() {
    const auto now = Clock::now();
    for (std::size_t fd = 0; fd < clients.size(); ++fd) {
        const auto begun = clients[fd].begun;
        if (begun != Clock::time_point() && now - begun > patience) end(static_cast<int>(fd), false);
    }
}

double percentile(const std::vector<float>& sorted, double share) {
    if (sorted.empty()) return 0;
    const auto at = static_cast<std::size_t>(share * static_cast<double>(sorted.size()));
    return sorted[std::min(sorted.size() - 1, at)];
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 6) {
        std::fputs("refusals PORT COUNT RATE DOMAIN RECIPIENT [NETWORKS]\n", stderr);
        return 64;
    }
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    Run run;
    run.port = std::atoi(argv[1]);
    run.count = std::atol(argv[2]);
    run.rate = std::atol(argv[3]);
    if (argc > 6) run.networks = std::atol(argv[6]);
    run.envelope = std::string("MAIL FROM:<s@") + argv[4] + ">\r\nRCPT TO:<" + argv[5] + ">\r\nQUIT\r\n";
    run.epoll = ::epoll_create1(EPOLL_CLOEXEC);
    run.milliseconds.reserve(static_cast<std::size_t>(run.count));
    const auto start = Clock::now();
    auto swept = start;
    long begun = 0;
    std::vector<epoll_event> events(open_limit);
    while (begun < run.count || run.open > 0) {
        const auto now = Clock::now();
        const long due =
            std::chrono::duration_cast<std::chrono::microseconds>(now - start).count() * run.rate / 1000000 +
            1;
        while (begun < std::min(due, run.count) && run.open < open_limit)
            run.begin(begun++);
        const int ready = ::epoll_wait(run.epoll, events.data(), static_cast<int>(events.size()), 0);
        for (int i = 0; i < ready; ++i)
            run.on_event(
                events[static_cast<std::size_t>(i)].data.fd, events[static_cast<std::size_t>(i)].events
            );
        if (now - swept > std::chrono::seconds(1)) {
            run.end_stuck();
            swept = now;
        }
        std::this_thread::sleep_until(now + tick);
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto to_seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    std::ranges::sort(run.milliseconds);
    std::printf(
        "{\"seconds\": %.3f, \"broken\": %ld, \"cpu\": %.3f, \"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f, "
        "\"codes\": {",
        seconds,
        run.broken,
        to_seconds(used.ru_utime) + to_seconds(used.ru_stime),
        percentile(run.milliseconds, 0.5),
        percentile(run.milliseconds, 0.99),
        percentile(run.milliseconds, 1.0)
    );
    const char* separator = "";
    for (const auto& [code, count] : run.codes) {
        std::printf("%s\"%d\": %ld", separator, code, count);
        separator = ", ";
    }
    std::puts("}}");
    return 0;
}
