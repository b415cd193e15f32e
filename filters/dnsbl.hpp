// The filter of one DNS block or allow list (RFC 5782): asks about an address or a domain, and gives the
// names of the codes that hit. A refusal, a hijack or a dead list is unknown, never a listing.
#pragma once

#include "filters/dns_list_health.hpp"
#include "filters/filter.hpp"

namespace wicket {

class DnsblFilter : public Filter {
public:
    explicit DnsblFilter(std::shared_ptr<DnsListHealth> health);

    std::string_view name() const override { return name_; }
    std::vector<FactId> needs() const override { return {health_->list().of}; }
    std::vector<FactId> makes() const override { return {health_->list().fact}; }
    std::chrono::milliseconds timeout() const override { return health_->list().timeout; }
    boost::asio::awaitable<Observation> examine(FactsSnapshot facts, FilterTools tools) const override;

private:
    std::shared_ptr<DnsListHealth> health_;
    std::string name_;
};

}  // namespace wicket
