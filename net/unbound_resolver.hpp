// DnsResolver on libunbound, with a cache of its own in front. The libunbound context lives on the hub;
// lookups may be made from any loop, and a cached answer comes back without a hop.
#pragma once

#include "base/result.hpp"
#include "net/resolver.hpp"

#include <boost/asio/io_context.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace wicket {

struct ResolverOptions {
    std::vector<std::string>
        forward;  // "127.0.0.1:5353", "[::1]:53"; empty: recursive with DNSSEC validation
    std::string
        trust_anchor_file;  // empty with forward set: no validation; empty without: Debian's root anchor
    std::size_t cache_entries = 100000;
    /// Letters of a question in capitals at random, which a forged answer would have to guess beside port and
    /// id (draft-vixie-dnsext-dns0x20). Not given: unless all forwarders are on loopback.
    std::optional<bool> randomises_case = std::nullopt;
    /// Block lists do not see a public resolver, and `.test` zones are asked, not made up.
};

struct ResolverCounters {
    std::uint64_t questions = 0;  // asked of us
    std::uint64_t cached = 0;     // answered from our cache
    std::uint64_t sent = 0;       // given to libunbound
    std::uint64_t failed = 0;     // ended in try_again
};

class UnboundResolver : public DnsResolver {
public:
    static Result<std::unique_ptr<UnboundResolver>> create(
        boost::asio::io_context& hub, const Clock& clock, ResolverOptions options
    );
    /// Before the loops are destroyed; whoever still waits gets try_again.
    ~UnboundResolver() override;

    boost::asio::awaitable<DnsAnswer> lookup(DnsQuestion question, SteadyTime deadline) override;
    /// libunbound keeps the very last answer whatever it is told, so ask for another name in between. A
    /// forwarder may answer from a cache of its own; nobody can ask past that.
    boost::asio::awaitable<DnsAnswer> lookup_anew(DnsQuestion question, SteadyTime deadline) override;
    std::optional<DnsAnswer> recall(const DnsQuestion& question) override;
    ResolverCounters counters() const;
    void flush_cache();

private:
    struct State;
    explicit UnboundResolver(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

}  // namespace wicket
