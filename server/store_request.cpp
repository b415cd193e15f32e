#include "server/store_request.hpp"

#include "server/command_output.hpp"
#include "server/control.hpp"
#include "server/record_scan.hpp"
#include "server/state_folder.hpp"

#include <array>
#include <cstdlib>
#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

namespace wicket {

StoreOptions store_options(const Config& config) {
    return {
        .folder = config.state,
        .decision_quota_octets = config.records.octets,
        .refusal_quota_octets = config.refusals.octets,
        .retention = config.records.age,
        .refusal_retention = config.refusals.age,
        .quarantine_quota_octets = config.quarantine.octets,
        .quarantine_retention = config.quarantine.age,
        .label_quota_octets = config.labels.octets,
        .label_retention = config.labels.age,
    };
}

Result<std::unique_ptr<Store>> open_to_change(const Config& config, MissingStore missing) {
    // What root made here, a server that runs as somebody else could not open.
    const auto identity = store_identity(config);
    if (!identity) return std::unexpected(identity.error());
    if (missing == MissingStore::is_error && ::access((config.state + "/mail/CURRENT").c_str(), F_OK) != 0 &&
        errno == ENOENT)
        return failure(ErrorCode::not_found, "there is no store in " + config.state + " yet");
    if (auto prepared = prepare_state(config, *identity); !prepared) return std::unexpected(prepared.error());
    if (auto became = become(*identity); !became) return std::unexpected(became.error());
    return Store::open(store_options(config));
}

Result<std::string> ask_or_open(
    const Config& config, const std::string& request, const std::function<std::string(Store&)>& answer
) {
    auto answered = ask_server(config.state, request);
    if (answered || answered.error().code != ErrorCode::unavailable) return answered;
    auto store = open_to_change(config, MissingStore::is_error);
    if (!store) return std::unexpected(store.error());
    std::string line = answer(**store);
    (*store)->close();
    return line;
}

std::string caller_name() {
    const uid_t user = ::getuid();
    // Only read before any other thread exists.
    const char* behind_sudo = std::getenv("SUDO_USER");  // NOLINT(concurrency-mt-unsafe)
    if (user == 0 && behind_sudo != nullptr && *behind_sudo != '\0') return behind_sudo;
    std::array<char, 4096> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwuid_r(user, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr)
        return found->pw_name;
    return fmt::format("uid {}", user);
}

std::optional<RecordId> id_or_report(const std::string& text, OutputForm form) {
    const auto id = parse_id(text);
    if (id) return *id;
    print_error(id.error(), form);
    return std::nullopt;
}

}  // namespace wicket
