// [listen.limits]: one table of all limits of a listener, with their keys, bounds and reasons. The defaults
// stand where the limits are kept (receiver/options.hpp, net/limit_table.hpp).
#pragma once

#include "base/config_reader.hpp"
#include "server/config.hpp"

namespace wicket {

/// Reads [listen.limits]; a key that means nothing to the listener's service is a mistake.
void read_limits(ConfigTable& limits, ListenerConfig& listener);

/// One row of `check --limits`.
struct LimitRow {
    std::string name;  // the key in [listen.limits]
    std::string value;
    std::string reason;
};
/// Those that apply to the listener's service.
std::vector<LimitRow> limit_rows(const ListenerConfig& listener);

}  // namespace wicket
