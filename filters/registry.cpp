#include "filters/registry.hpp"

#include "filters/dnsbl.hpp"
#include "filters/helo.hpp"
#include "filters/iprev.hpp"

namespace wicket {
namespace {

using Filters = std::vector<std::shared_ptr<const Filter>>;

void add_dns_lists(const FilterSetup& setup, Filters& filters) {
    for (const auto& health : setup.dns_lists)
        filters.push_back(std::make_shared<DnsblFilter>(health));
}

void add_iprev(const FilterSetup& /*setup*/, Filters& filters) {
    filters.push_back(std::make_shared<IprevFilter>());
}

void add_helo(const FilterSetup& setup, Filters& filters) {
    filters.push_back(std::make_shared<HeloFilter>(setup.our_names));
}

void add_spf(const FilterSetup& setup, Filters& filters) {
    filters.push_back(std::make_shared<SpfCheck>(setup.scan_pool, setup.scan_totals));
}

void add_dkim(const FilterSetup& setup, Filters& filters) {
    filters.push_back(std::make_shared<DkimCheck>(setup.scan_pool, setup.scan_totals));
}

constexpr void (*registry[])(const FilterSetup&, Filters&) = {
    add_dns_lists,  // dnsbl.<list>
    add_iprev,      // iprev
    add_helo,       // helo
    add_spf,        // spf
    add_dkim,       // dkim
};

}  // namespace

std::vector<std::shared_ptr<const Filter>> make_filters(const FilterSetup& setup) {
    Filters filters;
    for (const auto add : registry)
        add(setup, filters);
    return filters;
}

}  // namespace wicket
