// Which checks there are: one row each in registry.cpp. A new check is a pair of files and a row there.
#pragma once

#include "filters/dns_list_health.hpp"
#include "filters/filter.hpp"
#include "filters/scan_check.hpp"

#include <memory>
#include <string>
#include <vector>

namespace wicket {

/// What checks are made with.
struct FilterSetup {
    std::vector<std::string> our_names;  // lower case
    std::vector<std::shared_ptr<DnsListHealth>> dns_lists;
    std::shared_ptr<const ScanTogether> scans;
    std::shared_ptr<const PatternSet> patterns = nullptr;  // nullptr: there are none
    std::vector<std::string> off = {};  // names of checks that are left out; their facts are absent
};

/// The names that `off` may hold.
std::vector<std::string> filter_names();

std::vector<std::shared_ptr<const Filter>> make_filters(const FilterSetup& setup);

}  // namespace wicket
