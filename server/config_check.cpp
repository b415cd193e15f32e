#include "server/config_check.hpp"

#include "server/control.hpp"
#include "store/store.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

namespace wicket {
namespace {

/// The names of all accounts as the running server tells them.
Result<std::vector<std::string>> accounts_of_server(const Config& config) {
    namespace json = boost::json;
    const auto answer = ask_server(config.state, R"({"do":"list"})");
    if (!answer) return std::unexpected(answer.error());
    boost::system::error_code error;
    const json::value parsed = json::parse(*answer, error);
    const json::object* object = parsed.if_object();
    const json::value* rows = object == nullptr ? nullptr : object->if_contains("accounts");
    if (error || rows == nullptr || !rows->is_array())
        return failure(ErrorCode::io, "the server's answer cannot be read");
    std::vector<std::string> names;
    for (const json::value& row : rows->get_array())
        names.emplace_back(std::string_view(row.at("address").as_string()));
    return names;
}

Result<std::vector<std::string>> accounts_of_store(const Config& config) {
    auto store = Store::open_reader(config.state);
    if (!store) return std::unexpected(store.error());
    const auto accounts = (*store)->accounts().list();
    if (!accounts) return std::unexpected(accounts.error());
    std::vector<std::string> names;
    for (const Account& account : *accounts)
        names.push_back(account.address);
    return names;
}

bool is_readable(const std::string& path) {
    return ::access(path.c_str(), R_OK) == 0;
}

}  // namespace

void check_process_user(const Config& config, Diagnostics& diagnostics) {
    if (config.process_user.empty()) return;
    std::vector<char> buffer(1U << 14U);
    passwd entry{};
    passwd* found = nullptr;
    const int error = ::getpwnam_r(config.process_user.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (error == 0 && found == nullptr)
        diagnostics.error(config.process_user_place, fmt::format("there is no user {}", config.process_user));
    else if (error != 0)
        diagnostics.warning(
            config.process_user_place, fmt::format("the user {} cannot be looked up now", config.process_user)
        );
}

void check_certificates(const Config& config, Diagnostics& diagnostics) {
    for (std::size_t at = 0; at < config.tls.size(); ++at) {
        const TlsIdentity& identity = config.tls[at];
        const SourcePlace& place = config.tls_key_places[at];
        if (!is_readable(identity.certificate_file) || !is_readable(identity.key_file)) {
            diagnostics.warning(place, "certificate and key were not looked at: this user may not read them");
            continue;
        }
        if (const auto loaded = TlsContext::load({identity}); !loaded)
            diagnostics.error(place, loaded.error().message);
    }
}

void check_aliases(const Config& config, Diagnostics& diagnostics) {
    const bool has_aliases = std::ranges::any_of(config.domains, [](const DomainConfig& one) {
        return !one.aliases.targets.empty();
    });
    if (!has_aliases) return;
    auto accounts = accounts_of_server(config);
    if (!accounts && accounts.error().code == ErrorCode::unavailable) accounts = accounts_of_store(config);
    if (accounts) return check_alias_targets(config, *accounts, Severity::error, diagnostics);
    for (const DomainConfig& domain : config.domains)
        if (!domain.aliases.targets.empty())
            diagnostics.warning(
                {domain.aliases_file, 0, 0},
                fmt::format(
                    "whether the accounts that these aliases name exist was not looked at: {}",
                    accounts.error().message
                )
            );
}

}  // namespace wicket
