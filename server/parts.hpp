// The parts of a running server and their wiring: the only place that sees everything. Made in three steps,
// so that root can be dropped between binding the sockets and opening the store. Main thread.
#pragma once

#include "base/diagnostic.hpp"
#include "server/policy_state.hpp"

#include <memory>
#include <string>
#include <vector>

namespace wicket {

/// This very binary, which scan workers are started from: also where the user that the server became may not
/// enter the folder, and after the file was replaced by another version.
inline constexpr const char* own_executable = "/proc/self/exe";

class ServerParts {
public:
    explicit ServerParts(std::shared_ptr<const Config> config);
    ~ServerParts();

    /// Reads certificates, binds the listeners (or takes systemd's sockets).
    Result<> bind();
    /// Opens the store, starts loops, DNS, scan workers, and accepts.
    Result<> start(const std::string& config_file, Diagnostics& diagnostics);
    /// `listening SERVICE ADDRESS:PORT` for each listener.
    std::vector<std::string> listening_lines() const;

    /// All or nothing: configuration, rules, lists, certificates. Returns the keys that were changed but need
    /// a restart; "" if there are none.
    Result<std::string> reload(const std::string& config_file, Diagnostics& diagnostics);
    CurrentPolicy& policy();
    std::size_t open_connections() const;
    void drain();
    void stop();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace wicket
