// What a reload reads but does not apply.
#pragma once

#include "server/config.hpp"

#include <string>

namespace wicket {

/// The keys whose values differ between the configuration that the server was started with and the one that a
/// reload read, and that only a restart applies: "hostname, listen 127.0.0.1:25 limits.size". Empty: none.
std::string keys_for_restart(const Config& started, const Config& now);

}  // namespace wicket
