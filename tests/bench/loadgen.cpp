// The load generator of ./dev bench: sends mail over blocking sockets, one thread a connection, and measures
// how long the 250 to the end of data took. Prints one JSON object. Not part of the product. Refusals come
// from refusals.cpp.
//
//   loadgen PORT MESSAGES CONNECTIONS [key=value]...
//     reuse=1            many messages a connection instead of one
//     proxy=1            each connection begins with PROXY v1 from an address of its own, a new /24 each time
//     networks=N         after N different /24s begin again (100000)
//     domain=TEXT        sender domain; %d is the message's number
//     file=PATH          the message, LF or CRLF; %d is the message's number; without it one is made up
//     size=N             octets of the one that is made up (10240)
//     rcpt=ADDRESS       u@bench.test
//     rate=N             at most so many messages a second, all connections together
//     seconds=N          stop after so long, whatever MESSAGES says
//     first=N            number of the first message (0)
#include <algorithm>
#include <arpa/inet.h>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <netinet/tcp.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
    int port = 0;
    long messages = 0;
    int connections = 1;
    bool reuses = false, proxies = false;
    long networks = 100000, rate = 0, seconds = 0, first = 0, size = 10240;
    std::string domain = "sender.example", file, recipient = "u@bench.test";
};

struct Shared {
    Options options;
    std::string made_up;
    std::atomic<long> next{0};
    Clock::time_point start = Clock::now();
    std::mutex mutex;
    std::vector<double> milliseconds;  // of good replies
    std::map<int, long> codes;
    long broken = 0;
};

std::string replace_number(std::string text, long number) {
    if (const auto at = text.find("%d"); at != std::string::npos) text.replace(at, 2, std::to_string(number));
    return text;
}

/// The message with CRLF, dots doubled, and the end of data.
std::string as_data(const std::string& text) {
    std::string out;
    out.reserve(text.size() + text.size() / 40 + 8);
    bool is_start = true;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '\r') continue;
        if (is_start && c == '.') out += '.';
        if (c == '\n')
            out += "\r\n";
        else
            out += c;
        is_start = c == '\n';
    }
    if (!is_start) out += "\r\n";
    return out + ".\r\n";
}

std::string made_up_message(long size) {
    std::string text =
        "From: Sam Sender <s@sender.example>\nTo: <u@bench.test>\nSubject: figures\nDate: Mon, 01 Jun 2026 "
        "10:00:00 +0000\n"
        "Message-ID: <bench@sender.example>\n\n";
    while (static_cast<long>(text.size()) < size)
        text += "The quick brown fox jumps over the lazy dog, and then again for the figures.\n";
    return text;
}

class Client {
public:
    Client(Shared& shared, std::string proxy_line) {
        fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const int one = 1;
        ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        timeval limit{60, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(shared.options.port));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return;
        if (!proxy_line.empty() && !send(proxy_line)) return;
        is_open_ = reply() == 220 && ask("EHLO client.sender.example\r\n") == 250;
    }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    ~Client() {
        if (fd_ >= 0) ::close(fd_);
    }

    bool is_open() const { return is_open_; }

    bool send(const std::string& octets) {
        std::size_t done = 0;
        while (done < octets.size()) {
            const ssize_t sent = ::send(fd_, octets.data() + done, octets.size() - done, MSG_NOSIGNAL);
            if (sent <= 0) return is_open_ = false;
            done += static_cast<std::size_t>(sent);
        }
        return true;
    }

    /// The code of the next reply; 0 if the connection is gone.
    int reply() {
        for (;;) {
            const auto end = buffer_.find('\n');
            if (end == std::string::npos) {
                char piece[4096];
                const ssize_t got = ::recv(fd_, piece, sizeof(piece), 0);
                if (got <= 0) {
                    is_open_ = false;
                    return 0;
                }
                buffer_.append(piece, static_cast<std::size_t>(got));
                continue;
            }
            const bool is_last = end < 4 || buffer_[3] != '-';
            const int code = std::atoi(buffer_.c_str());
            buffer_.erase(0, end + 1);
            if (is_last) return code;
        }
    }

    int ask(const std::string& line) { return send(line) ? reply() : 0; }

private:
    int fd_ = -1;
    bool is_open_ = false;
    std::string buffer_;
};

/// PROXY v1 with a client address in a /24 of its own: 11.0.0.0/8 and up, where nobody's lists look.
std::string proxy_line(const Options& options, long number) {
    if (!options.proxies) return {};
    const long network = (number + options.first) % options.networks;
    char line[96];
    std::snprintf(
        line,
        sizeof(line),
        "PROXY TCP4 %ld.%ld.%ld.7 127.0.0.1 4000 25\r\n",
        11 + network / 65536,
        network / 256 % 256,
        network % 256
    );
    return line;
}

void send_one(
    Shared& shared, Client& client, long number, std::vector<double>& times, std::map<int, long>& codes
) {
    const Options& options = shared.options;
    std::string data;
    if (options.file.empty()) {
        data = shared.made_up;
    } else {
        std::ifstream in(replace_number(options.file, number));
        data = as_data(std::string(std::istreambuf_iterator<char>(in), {}));
    }
    int code = client.ask("MAIL FROM:<s@" + replace_number(options.domain, number) + ">\r\n");
    auto begun = Clock::now();
    if (code == 250) code = client.ask("RCPT TO:<" + options.recipient + ">\r\n");
    if (code == 250) {
        code = client.ask("DATA\r\n");
        if (code == 354) {
            client.send(data);
            begun = Clock::now();
            code = client.reply();
        }
    }
    // How fast a refusal comes says nothing about what good mail waits for.
    if (code == 250) times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begun).count());
    ++codes[code];
}

void run(Shared& shared) {
    const Options& options = shared.options;
    std::vector<double> times;
    std::map<int, long> codes;
    long broken = 0;
    std::unique_ptr<Client> client;
    for (;;) {
        const long number = shared.next.fetch_add(1);
        if (number >= options.messages) break;
        if (options.rate > 0)
            std::this_thread::sleep_until(
                shared.start + std::chrono::microseconds(number * 1000000 / options.rate)
            );
        if (options.seconds > 0 && Clock::now() - shared.start > std::chrono::seconds(options.seconds)) break;
        if (!client || !client->is_open())
            client = std::make_unique<Client>(shared, proxy_line(options, number));
        if (!client->is_open()) {
            ++broken;
            continue;
        }
        send_one(shared, *client, number + options.first, times, codes);
        if (options.reuses) continue;
        client->ask("QUIT\r\n");
        client.reset();
    }
    const std::scoped_lock lock(shared.mutex);
    shared.milliseconds.insert(shared.milliseconds.end(), times.begin(), times.end());
    for (const auto& [code, count] : codes)
        shared.codes[code] += count;
    shared.broken += broken;
}

double percentile(const std::vector<double>& sorted, double share) {
    if (sorted.empty()) return 0;
    return sorted[std::min(
        sorted.size() - 1, static_cast<std::size_t>(share * static_cast<double>(sorted.size()))
    )];
}

Options parse(int argc, char** argv) {
    Options options;
    options.port = std::atoi(argv[1]);
    options.messages = std::atol(argv[2]);
    options.connections = std::atoi(argv[3]);
    for (int i = 4; i < argc; ++i) {
        const std::string word = argv[i];
        const auto at = word.find('=');
        const std::string key = word.substr(0, at),
                          value = at == std::string::npos ? "" : word.substr(at + 1);
        const std::map<std::string, long*> numbers = {
            {"networks", &options.networks},
            {"rate",     &options.rate    },
            {"seconds",  &options.seconds },
            {"first",    &options.first   },
            {"size",     &options.size    }
        };
        const std::map<std::string, bool*> switches = {
            {"reuse", &options.reuses },
            {"proxy", &options.proxies}
        };
        const std::map<std::string, std::string*> texts = {
            {"domain", &options.domain   },
            {"file",   &options.file     },
            {"rcpt",   &options.recipient}
        };
        if (numbers.contains(key))
            *numbers.at(key) = std::atol(value.c_str());
        else if (switches.contains(key))
            *switches.at(key) = value != "0";
        else if (texts.contains(key))
            *texts.at(key) = value;
        else {
            std::fprintf(stderr, "loadgen: what is %s?\n", word.c_str());
            std::exit(64);
        }
    }
    return options;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) {
        std::fputs("loadgen PORT MESSAGES CONNECTIONS [key=value]...\n", stderr);
        return 64;
    }
    Shared shared;
    shared.options = parse(argc, argv);
    shared.made_up = as_data(made_up_message(shared.options.size));
    shared.start = Clock::now();
    std::vector<std::thread> threads;
    for (int i = 0; i < shared.options.connections; ++i)
        threads.emplace_back(run, std::ref(shared));
    for (auto& thread : threads)
        thread.join();
    const double seconds = std::chrono::duration<double>(Clock::now() - shared.start).count();
    std::ranges::sort(shared.milliseconds);
    std::printf(
        "{\"seconds\": %.3f, \"broken\": %ld, \"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f, \"codes\": {",
        seconds,
        shared.broken,
        percentile(shared.milliseconds, 0.5),
        percentile(shared.milliseconds, 0.99),
        percentile(shared.milliseconds, 1.0)
    );
    bool is_first = true;
    for (const auto& [code, count] : shared.codes) {
        std::printf("%s\"%d\": %ld", is_first ? "" : ", ", code, count);
        is_first = false;
    }
    std::puts("}}");
    return 0;
}
