#include "filters/registry.hpp"

#include "filters/dnsbl.hpp"
#include "filters/helo.hpp"
#include "filters/iprev.hpp"

#include <algorithm>
#include <string_view>

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
    filters.push_back(std::make_shared<HeloDnsFilter>());
}

void add_spf(const FilterSetup& setup, Filters& filters) {
    filters.push_back(std::make_shared<SpfCheck>(setup.scans));
}

void add_dkim(const FilterSetup& setup, Filters& filters) {
    filters.push_back(std::make_shared<DkimCheck>(setup.scans));
}

void add_patterns(const FilterSetup& setup, Filters& filters) {
    if (setup.patterns) filters.push_back(std::make_shared<PatternCheck>(setup.scans, setup.patterns));
}

struct Row {
    std::string_view name;
    void (*add)(const FilterSetup&, Filters&);
};

constexpr Row registry[] = {
    {"dnsbl",   add_dns_lists},
    {"iprev",   add_iprev    },
    {"helo",    add_helo     },
    {"spf",     add_spf      },
    {"dkim",    add_dkim     },
    {"pattern", add_patterns },
};

}  // namespace

std::vector<std::string> filter_names() {
    std::vector<std::string> names;
    for (const Row& row : registry)
        names.emplace_back(row.name);
    return names;
}

std::vector<std::shared_ptr<const Filter>> make_filters(const FilterSetup& setup) {
    Filters filters;
    for (const Row& row : registry)
        if (std::ranges::find(setup.off, row.name) == setup.off.end()) row.add(setup, filters);
    return filters;
}

}  // namespace wicket
