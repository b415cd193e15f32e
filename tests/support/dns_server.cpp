#include "tests/support/dns_server.hpp"

#include "base/clock.hpp"
#include "base/file.hpp"
#include "base/ip.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <list>
#include <map>
#include <mutex>
#include <netinet/in.h>
#include <optional>
#include <poll.h>
#include <stdexcept>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace wicket {

namespace {

enum class Transport : std::uint8_t { udp, tcp };

struct Row {
    std::string data;
    std::uint32_t ttl;
};

struct Fault {
    DnsFault kind;
    std::uint32_t left;
    std::chrono::milliseconds by;
};

struct Late {
    SteadyTime due;
    sockaddr_in to;
    std::string message;
};

struct TcpClient {
    FileDescriptor socket;
    std::string input;
};

void put16(std::string& out, unsigned value) {
    out += static_cast<char>(value >> 8U & 0xFFU);
    out += static_cast<char>(value & 0xFFU);
}

void put32(std::string& out, std::uint32_t value) {
    put16(out, value >> 16U);
    put16(out, value & 0xFFFFU);
}

void put_name(std::string& out, std::string_view name) {
    while (!name.empty()) {
        const auto dot = std::min(name.find('.'), name.size());
        out += static_cast<char>(dot);
        out += name.substr(0, dot);
        name.remove_prefix(std::min(dot + 1, name.size()));
    }
    out += '\0';
}

std::string to_rdata(DnsType type, std::string_view record) {
    std::string out;
    switch (type) {
        case DnsType::txt:
        case DnsType::spf:
            do {
                const auto part = record.substr(0, 255);
                out += static_cast<char>(part.size());
                out += part;
                record.remove_prefix(part.size());
            } while (!record.empty());
            return out;
        case DnsType::ptr:
        case DnsType::ns:
        case DnsType::cname: put_name(out, record); return out;
        case DnsType::mx:
            out = record.substr(0, 2);
            put_name(out, record.substr(2));
            return out;
        default: return std::string(record);
    }
}

struct Asked {
    DnsQuestion question;
    std::size_t octets;  // of header and question
};

std::optional<Asked> read_question(std::string_view query) {
    if (query.size() < 17) return std::nullopt;
    Asked asked{
        {"", DnsType::a},
        0
    };
    std::size_t at = 12;
    while (at < query.size() && query[at] != 0) {
        const auto length = static_cast<unsigned char>(query[at]);
        if (length > 63 || at + 1 + length >= query.size()) return std::nullopt;
        if (!asked.question.name.empty()) asked.question.name += '.';
        asked.question.name += lower_case(query.substr(at + 1, length));
        at += length + 1U;
    }
    if (at + 5 > query.size()) return std::nullopt;
    const auto type =
        static_cast<unsigned char>(query[at + 1]) << 8 | static_cast<unsigned char>(query[at + 2]);
    asked.question.type = static_cast<DnsType>(type);
    asked.octets = at + 5;
    return asked;
}

[[noreturn]] void give_up(const char* what) {
    throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

bool bind_to(int fd, std::uint16_t port) {
    const auto address = loopback(port);
    return ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

}  // namespace

struct TestDnsServer::State {
    FileDescriptor udp, tcp, wake;
    std::uint16_t port = 0;
    std::thread thread;

    mutable std::mutex mutex;  // guards what follows, up to the next blank line
    std::map<std::string, std::map<DnsType, std::vector<Row>>> table;
    std::map<std::string, Fault> faults;
    std::vector<DnsQuestion> questions;
    std::size_t asked_by_tcp = 0;
    std::size_t asked_with_capitals = 0;
    bool is_stopped = false;

    std::vector<Late> late;  // of the thread alone
    std::list<TcpClient> clients;

    void open();
    void run();
    void serve_udp();
    void serve_client(TcpClient& client);
    std::optional<Fault> next_fault(const std::string& name);
    const std::map<DnsType, std::vector<Row>>* find(const std::string& name) const;
    std::string answer(std::string_view query, const Asked& asked) const;
    std::string reply(std::string_view query, Transport transport, std::chrono::milliseconds& wait);
    void send_late();
};

void TestDnsServer::State::open() {
    wake = FileDescriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    // A port that is free for both.
    for (int i = 0; i < 50; ++i) {
        udp = FileDescriptor(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        tcp = FileDescriptor(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        if (!bind_to(udp.get(), 0)) give_up("bind");
        sockaddr_in own{};
        socklen_t length = sizeof(own);
        ::getsockname(udp.get(), reinterpret_cast<sockaddr*>(&own), &length);
        port = ntohs(own.sin_port);
        if (bind_to(tcp.get(), port) && ::listen(tcp.get(), 16) == 0) return;
    }
    give_up("no port is free for UDP and TCP");
}

const std::map<DnsType, std::vector<Row>>* TestDnsServer::State::find(const std::string& name) const {
    if (const auto row = table.find(name); row != table.end()) return &row->second;
    for (auto dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
        if (const auto row = table.find('*' + name.substr(dot)); row != table.end()) return &row->second;
    }
    return nullptr;
}

std::optional<Fault> TestDnsServer::State::next_fault(const std::string& name) {
    for (const auto& key : {name, std::string("*")}) {
        const auto found = faults.find(key);
        if (found == faults.end() || found->second.left == 0) continue;
        if (found->second.left != always) --found->second.left;
        return found->second;
    }
    return std::nullopt;
}

std::string TestDnsServer::State::answer(std::string_view query, const Asked& asked) const {
    std::string records;
    unsigned count = 0;
    bool exists = true;
    std::string name = asked.question.name;
    const auto add_row = [&](DnsType type, const Row& row) {
        put_name(records, name);
        put16(records, static_cast<unsigned>(type));
        put16(records, 1);
        put32(records, row.ttl);
        const auto data = to_rdata(type, row.data);
        put16(records, static_cast<unsigned>(data.size()));
        records += data;
        ++count;
    };
    for (int i = 0; i < 20; ++i) {
        const auto* rows = find(name);
        exists = rows != nullptr;
        if (!exists) break;
        if (const auto wanted = rows->find(asked.question.type); wanted != rows->end()) {
            for (const auto& row : wanted->second)
                add_row(asked.question.type, row);
            break;
        }
        const auto alias = rows->find(DnsType::cname);
        if (alias == rows->end()) break;
        add_row(DnsType::cname, alias->second.front());
        name = alias->second.front().data;
    }
    const bool is_negative = !exists || records.empty();
    std::string out(query.substr(0, 2));
    put16(out, 0x8580U | (exists ? 0U : 3U));  // QR AA RD RA
    put16(out, 1);
    put16(out, count);
    put16(out, is_negative ? 1 : 0);
    put16(out, 0);
    out += query.substr(12, asked.octets - 12);
    out += records;
    if (is_negative) {
        // RFC 2308: an SOA of the root, 60 s.
        out += '\0';
        put16(out, 6);
        put16(out, 1);
        put32(out, 60);
        put16(out, 22);
        out += '\0';
        out += '\0';
        for (const std::uint32_t number : {1U, 3600U, 600U, 86400U, 60U})
            put32(out, number);
    }
    return out;
}

std::string TestDnsServer::State::reply(
    std::string_view query, Transport transport, std::chrono::milliseconds& wait
) {
    const auto asked = read_question(query);
    if (!asked) return {};
    const std::lock_guard lock(mutex);
    questions.push_back(asked->question);
    const std::string_view name = query.substr(12, asked->octets - 12);
    asked_with_capitals += std::ranges::any_of(name, [](char c) { return lower_case(c) != c; }) ? 1 : 0;
    if (transport == Transport::tcp) ++asked_by_tcp;
    auto out = answer(query, *asked);
    const auto bare = [&](unsigned flags) {
        std::string header(query.substr(0, 2));
        put16(header, flags);
        for (const unsigned number : {1U, 0U, 0U, 0U})
            put16(header, number);
        return header + std::string(query.substr(12, asked->octets - 12));
    };
    // A resolver asks over TCP because of what happened over UDP: then all is well.
    const auto fault = transport == Transport::tcp ? std::nullopt : next_fault(asked->question.name);
    if (!fault) return transport == Transport::udp && out.size() > 1232 ? bare(0x8780U) : out;
    switch (fault->kind) {
        case DnsFault::drop: return {};
        case DnsFault::delay: wait = fault->by; return out;
        case DnsFault::servfail: return bare(0x8182U);
        case DnsFault::refused: return bare(0x8185U);
        case DnsFault::truncated: return bare(0x8780U);
        case DnsFault::wrong_id: out[1] = static_cast<char>(out[1] ^ 1); return out;
        case DnsFault::garbage: return out.substr(0, 12) + std::string(20, '\xFF');
    }
    return out;
}

void TestDnsServer::State::serve_udp() {
    std::array<char, 4096> query;
    for (;;) {
        sockaddr_in from{};
        socklen_t length = sizeof(from);
        const auto octets =
            ::recvfrom(udp.get(), query.data(), query.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
        if (octets < 0) return;
        std::chrono::milliseconds wait(0);
        auto message = reply({query.data(), static_cast<std::size_t>(octets)}, Transport::udp, wait);
        if (!message.empty()) late.push_back({system_clock().steady() + wait, from, std::move(message)});
    }
}

void TestDnsServer::State::send_late() {
    const auto now = system_clock().steady();
    std::erase_if(late, [&](const Late& answer) {
        if (answer.due > now) return false;
        ::sendto(
            udp.get(),
            answer.message.data(),
            answer.message.size(),
            MSG_NOSIGNAL,
            reinterpret_cast<const sockaddr*>(&answer.to),
            sizeof(answer.to)
        );
        return true;
    });
}

void TestDnsServer::State::serve_client(TcpClient& client) {
    std::array<char, 4096> piece;
    const auto octets = ::recv(client.socket.get(), piece.data(), piece.size(), 0);
    if (octets <= 0) return client.socket.close();
    client.input.append(piece.data(), static_cast<std::size_t>(octets));
    while (client.input.size() >= 2) {
        const std::size_t length =
            static_cast<unsigned char>(client.input[0]) * 256U + static_cast<unsigned char>(client.input[1]);
        if (client.input.size() < 2 + length) return;
        std::chrono::milliseconds wait(0);
        const auto message = reply(std::string_view(client.input).substr(2, length), Transport::tcp, wait);
        client.input.erase(0, 2 + length);
        std::string out;
        put16(out, static_cast<unsigned>(message.size()));
        out += message;
        // The socket's buffer holds any answer of ours; a test that reads slowly gets none.
        if (::send(client.socket.get(), out.data(), out.size(), MSG_NOSIGNAL) < 0)
            return client.socket.close();
    }
}

void TestDnsServer::State::run() {
    for (;;) {
        {
            const std::lock_guard lock(mutex);
            if (is_stopped) return;
        }
        std::vector<pollfd> polled = {
            {wake.get(), POLLIN, 0},
            {udp.get(),  POLLIN, 0},
            {tcp.get(),  POLLIN, 0},
        };
        for (const auto& client : clients)
            polled.push_back({client.socket.get(), POLLIN, 0});
        int timeout = -1;
        for (const auto& answer : late) {
            const auto left =
                std::chrono::ceil<std::chrono::milliseconds>(answer.due - system_clock().steady());
            const int wait = static_cast<int>(std::max<std::int64_t>(left.count(), 0));
            timeout = timeout < 0 ? wait : std::min(timeout, wait);
        }
        ::poll(polled.data(), polled.size(), timeout);
        if (polled[1].revents != 0) serve_udp();
        send_late();
        std::size_t i = 3;
        for (auto& client : clients) {
            if (polled[i++].revents != 0) serve_client(client);
        }
        clients.remove_if([](const TcpClient& client) { return !client.socket.is_open(); });
        if (polled[2].revents != 0) {
            FileDescriptor socket(::accept4(tcp.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (socket.is_open()) clients.push_back({std::move(socket), {}});
        }
    }
}

TestDnsServer::TestDnsServer() : state_(std::make_unique<State>()) {
    state_->open();
    state_->thread = std::thread([state = state_.get()] { state->run(); });
}

TestDnsServer::~TestDnsServer() {
    {
        const std::lock_guard lock(state_->mutex);
        state_->is_stopped = true;
    }
    const std::uint64_t one = 1;
    if (::write(state_->wake.get(), &one, sizeof(one)) != sizeof(one)) std::terminate();
    state_->thread.join();
}

std::string TestDnsServer::address() const {
    return "127.0.0.1:" + std::to_string(state_->port);
}

void TestDnsServer::add(std::string name, DnsType type, std::string record, std::uint32_t ttl) {
    const std::lock_guard lock(state_->mutex);
    state_->table[lower_case(std::string_view(name))][type].push_back({std::move(record), ttl});
}

void TestDnsServer::add_a(std::string name, std::string_view address, std::uint32_t ttl) {
    add(std::move(name), DnsType::a, std::string(IpAddress::parse(address).value().octets()), ttl);
}

void TestDnsServer::add_aaaa(std::string name, std::string_view address, std::uint32_t ttl) {
    add(std::move(name), DnsType::aaaa, std::string(IpAddress::parse(address).value().octets()), ttl);
}

void TestDnsServer::add_txt(std::string name, std::string text, std::uint32_t ttl) {
    add(std::move(name), DnsType::txt, std::move(text), ttl);
}

void TestDnsServer::add_ptr(std::string_view address, std::string host, std::uint32_t ttl) {
    const auto ip = IpAddress::parse(address).value();
    add(ip.reversed_labels() + (ip.is_ipv4() ? ".in-addr.arpa" : ".ip6.arpa"),
        DnsType::ptr,
        std::move(host),
        ttl);
}

void TestDnsServer::add_mx(std::string name, std::uint16_t preference, std::string host, std::uint32_t ttl) {
    std::string record;
    put16(record, preference);
    add(std::move(name), DnsType::mx, record + host, ttl);
}

void TestDnsServer::add_alias(std::string name, std::string target, std::uint32_t ttl) {
    add(std::move(name), DnsType::cname, std::move(target), ttl);
}

void TestDnsServer::clear() {
    const std::lock_guard lock(state_->mutex);
    state_->table.clear();
    state_->faults.clear();
}

void TestDnsServer::set_fault(
    std::string name, DnsFault fault, std::uint32_t count, std::chrono::milliseconds by
) {
    const std::lock_guard lock(state_->mutex);
    state_->faults.insert_or_assign(std::move(name), Fault{fault, count, by});
}

std::size_t TestDnsServer::asked(std::string_view name) const {
    const std::lock_guard lock(state_->mutex);
    return static_cast<std::size_t>(std::ranges::count_if(
        state_->questions, [&](const DnsQuestion& question) { return name == "*" || question.name == name; }
    ));
}

std::size_t TestDnsServer::asked_by_tcp() const {
    const std::lock_guard lock(state_->mutex);
    return state_->asked_by_tcp;
}

std::size_t TestDnsServer::asked_with_capitals() const {
    const std::lock_guard lock(state_->mutex);
    return state_->asked_with_capitals;
}

std::vector<DnsQuestion> TestDnsServer::questions() const {
    const std::lock_guard lock(state_->mutex);
    return state_->questions;
}

}  // namespace wicket
