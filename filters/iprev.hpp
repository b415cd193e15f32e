// Reverse DNS with forward confirmation (RFC 8601 section 2.7.3): who the client's address says it is,
// believed only if that name has the address too.
#pragma once

#include "filters/filter.hpp"

namespace wicket {

// Addresses with thousands of PTR records exist. As many as RFC 7208 section 4.6.4 lets `ptr` look at.
inline constexpr std::size_t iprev_name_limit = 10;

class IprevFilter : public Filter {
public:
    std::string_view name() const override { return "iprev"; }
    std::vector<FactId> needs() const override { return {id_of(CoreFact::client_ip)}; }
    std::vector<FactId> makes() const override {
        return {id_of(CoreFact::client_name), id_of(CoreFact::iprev_result), id_of(CoreFact::iprev_names)};
    }
    std::chrono::milliseconds timeout() const override { return std::chrono::seconds(5); }
    boost::asio::awaitable<Observation> examine(FactsSnapshot facts, FilterTools tools) const override;
};

}  // namespace wicket
