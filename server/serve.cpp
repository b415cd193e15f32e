#include "server/serve.hpp"

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/private_folder.hpp"
#include "base/random.hpp"
#include "server/config_check.hpp"
#include "server/confine.hpp"
#include "server/exit_codes.hpp"
#include "server/file_watch.hpp"
#include "server/parts.hpp"
#include "server/policy_state.hpp"
#include "server/state_folder.hpp"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <fmt/format.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

namespace wicket {
namespace {

int complain(const Error& error) {
    log_error(error.message);
    switch (error.code) {
        case ErrorCode::invalid: return exit_config;
        case ErrorCode::busy:
        case ErrorCode::timed_out:
        case ErrorCode::no_space:
        case ErrorCode::io: return exit_temporary;
        default: return exit_unavailable;
    }
}

/// One line of the log each: what reads the log of a running server knows no carets.
void log_diagnostics(const Diagnostics& diagnostics) {
    for (const Diagnostic& diagnostic : diagnostics.sorted())
        log_line(
            diagnostic.severity == Severity::error ? LogLevel::error : LogLevel::warning,
            render_line(diagnostic)
        );
}

sigset_t handled_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP})
        sigaddset(&signals, signal);
    return signals;
}

void reload(ServerParts& parts, const std::string& config_file) {
    // sd_notify(3): with the time of its beginning, lest an earlier READY=1 be taken for its end.
    const auto now =
        std::chrono::duration_cast<std::chrono::microseconds>(system_clock().steady().time_since_epoch());
    const std::string notice = fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.count());
    ::sd_notify(0, notice.c_str());
    Diagnostics diagnostics;
    const auto done = parts.reload(config_file, diagnostics);
    log_diagnostics(diagnostics);
    if (!done)
        log_error("not reloaded, the old rules stay in force: " + done.error().message);
    else if (done->empty())
        log_info(
            "reloaded",
            {
                {"rules", parts.policy().get()->rules->hash()}
        }
        );
    else
        log_warning(
            "reloaded, but what only a restart changes stays as it was",
            {
                {"rules", parts.policy().get()->rules->hash()},
                {"keys",  *done                              }
        }
        );
    ::sd_notify(0, "READY=1");
}

/// So often it is looked whether a list has changed: what an administrator adds counts before he wonders.
constexpr timespec list_watch_interval{2, 0};

/// Until SIGTERM or SIGINT. Lists are read again when they have changed, all or nothing, as by SIGHUP.
void wait_for_signals(ServerParts& parts, const std::string& config_file) {
    const sigset_t signals = handled_signals();
    FileWatch lists;
    lists.settle(parts.policy().get()->rules->list_files());
    while (true) {
        const int signal = sigtimedwait(&signals, nullptr, &list_watch_interval);
        if (signal == SIGTERM || signal == SIGINT)
            return log_info(
                "draining",
                {
                    {"open", std::to_string(parts.open_connections())}
            }
            );
        if (signal != SIGHUP && !lists.has_changed(parts.policy().get()->rules->list_files())) continue;
        reload(parts, config_file);
        lists.settle(parts.policy().get()->rules->list_files());
    }
}

/// Waits until the last session has ended, a second signal, or the end of patience.
void drain(ServerParts& parts) {
    ::sd_notify(0, "STOPPING=1");
    parts.drain();
    const sigset_t signals = handled_signals();
    constexpr timespec step{0, 100'000'000};
    for (int tenths = 0; tenths < drain_seconds * 10 && parts.open_connections() != 0; ++tenths) {
        const int signal = sigtimedwait(&signals, nullptr, &step);
        if (signal == SIGTERM || signal == SIGINT) break;
    }
    if (const std::size_t left = parts.open_connections(); left != 0)
        log_warning(
            "sessions are cut off",
            {
                {"open", std::to_string(left)}
        }
        );
}

void tell_ready(const ServerParts& parts, OutputForm form) {
    for (const std::string& line : parts.listening_lines()) {
        // listening SERVICE ADDRESS:PORT
        const std::size_t first = line.find(' '), second = line.find(' ', first + 1);
        const std::string object = fmt::format(
            R"({{"event":"listening","service":"{}","address":"{}"}})",
            line.substr(first + 1, second - first - 1),
            line.substr(second + 1)
        );
        std::printf("%s\n", form == OutputForm::json ? object.c_str() : line.c_str());
    }
    std::printf("%s\n", form == OutputForm::json ? R"({"event":"ready"})" : "ready");
}

}  // namespace

int run_server(const std::string& config_file, OutputForm form) {
    ::signal(SIGPIPE, SIG_IGN);
    const sigset_t signals = handled_signals();
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::setvbuf(stdout, nullptr, _IOLBF, 0);

    Diagnostics diagnostics;
    const auto config = load_config(config_file, diagnostics);
    if (config) check_process_user(*config, diagnostics);
    if (diagnostics.has_errors()) {
        log_diagnostics(diagnostics);
        return exit_config;
    }
    const auto identity = store_identity(*config);
    if (!identity) return complain(identity.error());
    if (auto prepared = prepare_state(*config, *identity); !prepared) return complain(prepared.error());

    // Sockets and certificates may need root, everything after them must not have it.
    ServerParts parts(config);
    if (auto bound = parts.bind(); !bound) return complain(bound.error());
    if (auto dropped = drop_root(*config, *identity); !dropped) return complain(dropped.error());
    for (const char* folder : {"/spool", "/poison"})
        if (auto made = make_private_folder(config->state + folder); !made) return complain(made.error());
    if (auto confined = confine_files(*config, own_executable); !confined) return complain(confined.error());
    if (auto started = parts.start(config_file, diagnostics); !started) {
        log_diagnostics(diagnostics);
        return diagnostics.has_errors() ? exit_config : complain(started.error());
    }
    log_diagnostics(diagnostics);
    tell_ready(parts, form);
    ::sd_notify(0, "READY=1");

    wait_for_signals(parts, config_file);
    drain(parts);
    parts.stop();
    log_info("stopped");
    return exit_ok;
}

}  // namespace wicket
