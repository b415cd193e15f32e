// Asks the DNS. The interface that filters see; net/unbound_resolver.hpp is the real one, and tests have a
// table. Callable from any loop; the answer comes on the loop of the caller.
#pragma once

#include "base/clock.hpp"
#include "base/dns.hpp"

#include <boost/asio/awaitable.hpp>

#include <optional>
#include <utility>

namespace wicket {

class DnsResolver {
public:
    virtual ~DnsResolver() = default;

    /// Never fails and never throws: what goes wrong is DnsStatus::try_again with a reason, at `deadline` at
    /// the latest. Retries inside. Equal questions under way at the same time are asked once.
    virtual boost::asio::awaitable<DnsAnswer> lookup(DnsQuestion question, SteadyTime deadline) = 0;

    /// The same, but it is asked though the answer is known; the new answer is what lookup() says from then
    /// on. For questions whose very point is whether the answer is still the same. A resolver that remembers
    /// nothing asks every time anyway.
    virtual boost::asio::awaitable<DnsAnswer> lookup_anew(DnsQuestion question, SteadyTime deadline) {
        return lookup(std::move(question), deadline);
    }

    /// What lookup() would say without asking anybody, if it is known.
    virtual std::optional<DnsAnswer> recall(const DnsQuestion& /*question*/) { return std::nullopt; }
};

}  // namespace wicket
