#include "server/config_check.hpp"

#include "base/source_lines.hpp"
#include "server/control.hpp"
#include "store/store.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
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

/// By who is neither the file's owner nor of its group, which may be there for keys alone.
bool is_readable_by_others(const std::string& path) {
    struct stat status{};
    return ::stat(path.c_str(), &status) == 0 && (status.st_mode & S_IROTH) != 0;
}

}  // namespace

void check_process_user(const Config& config, Diagnostics& diagnostics) {
    if (config.process_user.empty()) return;
    std::vector<char> buffer(1U << 14U);
    passwd entry{};
    passwd* found = nullptr;
    const int error = ::getpwnam_r(config.process_user.c_str(), &entry, buffer.data(), buffer.size(), &found);
    const SourcePlace& place = config.process_user_place;
    SourceLines lines;
    if (error == 0 && found == nullptr)
        diagnostics.error(
            place, fmt::format("there is no user {}", config.process_user), {}, lines.line_at(place)
        );
    else if (error != 0)
        diagnostics.warning(
            place,
            fmt::format("the user {} cannot be looked up now", config.process_user),
            {},
            lines.line_at(place)
        );
}

void check_certificates(const Config& config, Diagnostics& diagnostics) {
    SourceLines lines;
    for (std::size_t at = 0; at < config.tls.size(); ++at) {
        const TlsIdentity& identity = config.tls[at];
        const TlsPlaces& places = config.tls_places[at];
        const bool has_certificate = is_readable(identity.certificate_file);
        if (!has_certificate || !is_readable(identity.key_file)) {
            const SourcePlace& place = has_certificate ? places.key : places.certificate;
            diagnostics.warning(
                place,
                "certificate and key were not looked at: this user may not read them",
                {},
                lines.line_at(place)
            );
            continue;
        }
        const auto loaded = TlsContext::load({identity});
        if (loaded) {
            if (is_readable_by_others(identity.key_file))
                diagnostics.warning(
                    places.key,
                    fmt::format("every user of this machine may read {}: chmod o= it", identity.key_file),
                    {},
                    lines.line_at(places.key)
                );
            continue;
        }
        // The message names the file at fault first.
        const std::string& message = loaded.error().message;
        const bool is_of_key = message.find(identity.key_file) < message.find(identity.certificate_file);
        const SourcePlace& place = is_of_key ? places.key : places.certificate;
        diagnostics.error(place, message, {}, lines.line_at(place));
    }
}

void check_aliases(const Config& config, Diagnostics& diagnostics) {
    const bool has_aliases = std::ranges::any_of(config.domains, [](const DomainConfig& one) {
        return !one.aliases.targets.empty();
    });
    if (!has_aliases) return;
    auto accounts = accounts_of_server(config);
    if (!accounts && accounts.error().code == ErrorCode::unavailable) accounts = accounts_of_store(config);
    if (accounts) return check_alias_targets(config, *accounts, AliasCheck::strict, diagnostics);
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
