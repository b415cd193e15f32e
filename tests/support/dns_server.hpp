// A small name server for tests, on a free loopback port, UDP and TCP: a table of answers, and faults on
// demand. It runs on a thread of its own; all functions may be called from any thread.
#pragma once

#include "base/dns.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

enum class DnsFault : std::uint8_t {
    drop,       // no answer at all
    delay,      // the right answer, late
    servfail,   // RCODE 2
    refused,    // RCODE 5
    truncated,  // TC over UDP; the right answer over TCP
    wrong_id,   // an answer to another question's id
    garbage,    // a header and then octets that are no message
};

class TestDnsServer {
public:
    TestDnsServer();
    ~TestDnsServer();

    /// "127.0.0.1:40123", as ResolverOptions::forward takes it.
    std::string address() const;

    /// Adds a record to the table; `record` has the form of DnsAnswer::records (base/dns.hpp). A name
    /// "*.zone" answers for every name below `zone` that has no row of its own. Names without rows do not
    /// exist.
    void add(std::string name, DnsType type, std::string record, std::uint32_t ttl = 300);
    void add_a(std::string name, std::string_view address, std::uint32_t ttl = 300);
    void add_aaaa(std::string name, std::string_view address, std::uint32_t ttl = 300);
    void add_txt(std::string name, std::string text, std::uint32_t ttl = 300);
    void add_ptr(std::string_view address, std::string host, std::uint32_t ttl = 300);
    void add_mx(std::string name, std::uint16_t preference, std::string host, std::uint32_t ttl = 300);
    void add_alias(std::string name, std::string target, std::uint32_t ttl = 300);
    void clear();

    /// The next `count` questions for `name` ("*": for any) meet `fault`; count 0 ends it. `by` is for delay.
    static constexpr std::uint32_t always = UINT32_MAX;
    void set_fault(
        std::string name,
        DnsFault fault,
        std::uint32_t count = always,
        std::chrono::milliseconds by = std::chrono::milliseconds(0)
    );

    /// Questions received for `name`; of all names with "*". Repetitions count.
    std::size_t asked(std::string_view name) const;
    std::size_t asked_by_tcp() const;
    /// Questions that were not all in lower case.
    std::size_t asked_with_capitals() const;
    std::vector<DnsQuestion> questions() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace wicket
