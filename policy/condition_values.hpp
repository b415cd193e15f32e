// Sets of values of one fact, as tests leave them. Values; only policy/ includes this.
#pragma once

#include "base/ip.hpp"

#include <limits>
#include <string>
#include <vector>

namespace wicket {

/// Numbers or times between two of them. A long double holds every 64-bit integer.
struct ConditionRange {
    long double least = -std::numeric_limits<long double>::infinity();
    long double most = std::numeric_limits<long double>::infinity();
    bool has_least = true;  // else the values above it
    bool has_most = true;

    bool is_empty() const { return least > most || (least == most && !(has_least && has_most)); }
    bool contains(const ConditionRange& other) const;
};

/// A set of values that a fact, or what is computed from facts, may have. Made of nothing it has them all; a
/// fact has texts, numbers or addresses, and of the other kinds nothing is said.
struct ConditionValues {
    bool absent = true;
    bool unknown = true;
    bool all_but_texts = true;            // `texts` are those that it does not have
    std::vector<std::string> texts = {};  // in lower case
    bool all_but_networks = true;
    std::vector<IpNetwork> networks = {};
    std::vector<ConditionRange> ranges = {ConditionRange{}};

    void intersect(const ConditionValues& other);
    bool is_subset_of(const ConditionValues& other) const;

private:
    bool has_no_value() const;
};

/// Those that stand in none of the ranges, which are in order and apart.
std::vector<ConditionRange> outside_of(const std::vector<ConditionRange>& ranges);

/// Whether all addresses of `inner` are in `outer`.
bool covers(const IpNetwork& outer, const IpNetwork& inner);

}  // namespace wicket
