// Customers' keys in the zones of DNS lists ("KEY.zen.dq.spamhaus.net"): they are asked for, and neither
// shown nor kept. Pure; any thread.
#pragma once

#include "policy/rules.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace wicket {

/// The labels of a zone (in lower case) that are keys: the first before the list's name in zones that are
/// known to have one, whatever looks like one, and `named`, which may be empty.
std::vector<std::string> customer_keys(std::string_view zone, std::string_view named);
/// The zone with "(key)" in place of those labels.
std::string zone_without_keys(std::string_view zone, const std::vector<std::string>& keys);

/// The sources with a word that stands for a key in place of each of `keys`: they compile to the same rules,
/// whose zones show "(key)". Lines stay where they are. Without keys, the sources as they are.
std::vector<RuleSource> sources_without_keys(
    const std::vector<RuleSource>& sources, const std::vector<std::string>& keys
);

}  // namespace wicket
