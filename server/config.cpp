#include "server/config.hpp"

#include "base/config_reader.hpp"
#include "base/file.hpp"
#include "base/source_lines.hpp"
#include "base/text.hpp"
#include "base/unicode_names.hpp"
#include "filters/registry.hpp"
#include "mail/address.hpp"
#include "server/listener_limits.hpp"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>

namespace wicket {
namespace {

namespace fs = std::filesystem;

/// What is not built yet is an error, and says so.
const std::vector<std::string> planned_services = {
    "submission", "submissions", "lmtp", "imap", "imaps", "metrics"
};

class ConfigLoader {
public:
    ConfigLoader(const std::string& path, Diagnostics& diagnostics) : diagnostics_(diagnostics) {
        config_->file = path;
        folder_ = fs::absolute(path).parent_path();
    }

    std::shared_ptr<const Config> load() {
        const auto document = ConfigDocument::load(config_->file, diagnostics_);
        if (!document) return nullptr;
        ConfigTable root = document->root();
        read_general(root);
        if (auto policy = root.table("policy")) {
            config_->is_policy_shadow = policy->word("mode", {"enforce", "shadow"}) == "shadow";
            policy->finish();
        }
        read_tls(root);
        read_dns(root);
        read_domains(root);
        for (ConfigTable& listener : root.tables("listen"))
            read_listener(listener);
        if (config_->listeners.empty())
            root.error(root.place(), "there is no [[listen]]: nobody could connect");
        read_filters(root);
        read_process(root);
        read_retention(root);
        if (auto relay = root.table("relay")) {
            config_->relay_port = static_cast<std::uint16_t>(relay->integer("port", 1, 65535).value_or(25));
            relay->finish();
        }
        root.finish();
        if (diagnostics_.has_errors()) return nullptr;
        return config_;
    }

private:
    std::string absolute(const std::string& path) const {
        return (folder_ / path).lexically_normal().string();
    }

    void require_file(ConfigTable& table, std::string_view key, const std::string& path) {
        std::error_code error;
        if (!fs::is_regular_file(path, error))
            table.error(table.value_place(key), fmt::format("there is no file {}", path), nearest_path(path));
    }

    /// As it would stand in the file, with the first name on the way that does not exist set right: "" if
    /// nothing there is like it.
    std::string nearest_path(const std::string& path) const {
        std::error_code error;
        fs::path made;
        const fs::path wanted(path);
        for (auto part = wanted.begin(); part != wanted.end(); ++part) {
            if (fs::exists(made / *part, error)) {
                made /= *part;
                continue;
            }
            std::vector<std::string> names;
            for (const auto& entry : fs::directory_iterator(made, error))
                names.push_back(entry.path().filename().string());
            const std::string near = nearest_word(part->string(), names);
            if (near.empty()) return {};
            made /= near;
            for (++part; part != wanted.end(); ++part)
                made /= *part;
            return made.lexically_relative(folder_).string();
        }
        return {};
    }

    void read_general(ConfigTable& root) {
        const auto hostname = root.text("hostname");
        root.need(
            {"hostname"}, root.place(), "hostname is missing: the name that other servers know this one by"
        );
        const bool is_good = hostname && !hostname->starts_with('[') &&
                             parse_mailbox("postmaster@" + *hostname, AddressCharset::ascii);
        if (is_good)
            config_->hostname = lower_case(*hostname);
        else if (hostname)
            root.error(root.value_place("hostname"), fmt::format("\"{}\" is no host name", *hostname));
        config_->state = absolute(root.text("state").value_or("state"));
        auto rules = root.texts("rules", ConfigTable::OneOrList::one_or_list);
        root.need(
            {"rules"}, root.place(), "rules is missing: the folder of rule files, or a list of folders"
        );
        for (const ConfigValue& folder : rules.value_or(std::vector<ConfigValue>{})) {
            const std::string path = absolute(folder.text);
            std::error_code error;
            if (!fs::is_directory(path, error))
                root.error(folder.place, fmt::format("there is no folder {}", path), nearest_path(path));
            const bool is_repeated = std::ranges::any_of(config_->rules, [&](const std::string& one) {
                return one == path || fs::equivalent(one, path, error);
            });
            if (is_repeated)
                root.error(folder.place, fmt::format("the folder {} stands in this list already", path));
            else
                config_->rules.push_back(path);
        }
    }

    void read_identity(ConfigTable& table, const std::string& host) {
        const auto certificate = table.text("certificate");
        const auto key = table.text("key");
        for (const std::string_view name : {"certificate", "key"})
            table.need({std::string(name)}, table.place(), fmt::format("{} is missing", name));
        if (!certificate || !key) return;
        config_->tls.push_back({host, absolute(*certificate), absolute(*key)});
        config_->tls_places.push_back({table.value_place("certificate"), table.value_place("key")});
        require_file(table, "certificate", absolute(*certificate));
        require_file(table, "key", absolute(*key));
    }

    /// As clients say it: RFC 6066 section 3 has A-labels, no trailing dot and no addresses. `*.` in front is
    /// for one label.
    std::string read_tls_host(ConfigTable& table) {
        const auto written = table.text("host");
        if (!written) {
            table.need({"host"}, table.place(), "host is missing");
            return "";
        }
        const bool is_wild = written->starts_with("*.");
        const std::string name = ascii_domain(is_wild ? std::string_view(*written).substr(2) : *written);
        if (!parse_mailbox("postmaster@" + name, AddressCharset::ascii) || name.starts_with('[') ||
            IpAddress::parse(name)) {
            table.error(
                table.value_place("host"),
                fmt::format(
                    "\"{}\" is no host name; for all that have no [[tls.name]] there is [tls]", *written
                )
            );
            return "";
        }
        std::string host = (is_wild ? "*." : "") + name;
        if (std::ranges::find(config_->tls, host, &TlsIdentity::host) != config_->tls.end())
            table.error(table.value_place("host"), fmt::format("the name {} stands here twice", host));
        return host;
    }

    void read_tls(ConfigTable& root) {
        auto tls = root.table("tls");
        if (!tls) return;
        read_identity(*tls, "");
        for (ConfigTable& name : tls->tables("name")) {
            read_identity(name, read_tls_host(name));
            name.finish();
        }
        tls->finish();
    }

    void read_dns(ConfigTable& root) {
        auto dns = root.table("dns");
        if (!dns) return;
        for (const ConfigValue& server : dns->texts("forward").value_or(std::vector<ConfigValue>{})) {
            if (!is_address_and_port(server.text))
                dns->error(server.place, fmt::format("\"{}\" is not ADDRESS:PORT", server.text));
            else if (split_address(server.text).second == 0)
                dns->error(server.place, fmt::format("\"{}\": nobody answers at port 0", server.text));
            config_->dns_forward.push_back(server.text);
        }
        if (const auto anchor = dns->text("trust_anchor")) {
            config_->dns_trust_anchor = absolute(*anchor);
            require_file(*dns, "trust_anchor", config_->dns_trust_anchor);
        }
        dns->finish();
    }

    static bool is_address_and_port(std::string_view text) {
        const std::size_t colon = text.rfind(':');
        if (colon == std::string_view::npos) return false;
        std::string_view host = text.substr(0, colon);
        const std::string_view port = text.substr(colon + 1);
        if (host.starts_with('[') && host.ends_with(']'))
            host = host.substr(1, host.size() - 2);
        else if (host.contains(':'))
            return false;
        const bool is_number = !port.empty() && port.size() <= 5 && std::ranges::all_of(port, is_digit);
        return is_number && std::stoul(std::string(port)) <= 65535 && IpAddress::parse(host);
    }

    void read_domains(ConfigTable& root) {
        std::vector<ConfigTable> tables = root.tables("domain");
        std::vector<std::string> names;
        for (ConfigTable& table : tables) {
            DomainConfig domain;
            const auto name = table.text("name");
            table.need({"name"}, table.place(), "name is missing");
            domain.name = ascii_domain(name.value_or(""));
            if (name && (!parse_mailbox("postmaster@" + domain.name, AddressCharset::utf8) ||
                         domain.name.starts_with('[')))
                table.error(table.value_place("name"), fmt::format("\"{}\" is no domain", *name));
            if (std::ranges::find(names, domain.name) != names.end())
                table.error(
                    table.value_place("name"), fmt::format("the domain {} stands here twice", domain.name)
                );
            names.push_back(domain.name);
            if (const auto deliver = table.text("deliver"); deliver && *deliver != "store")
                table.error(
                    table.value_place("deliver"),
                    fmt::format("deliver = \"{}\" is not built yet", *deliver),
                    "store"
                );
            if (const auto aliases = table.text("aliases")) domain.aliases_file = absolute(*aliases);
            config_->domains.push_back(std::move(domain));
        }
        for (std::size_t i = 0; i < tables.size(); ++i) {
            DomainConfig& domain = config_->domains[i];
            if (!domain.aliases_file.empty()) {
                const auto text = read_file(domain.aliases_file, alias_file_limit_octets);
                if (text)
                    domain.aliases =
                        parse_aliases(*text, domain.aliases_file, domain.name, names, diagnostics_);
                else
                    tables[i].error(
                        tables[i].value_place("aliases"),
                        text.error().message,
                        nearest_path(domain.aliases_file)
                    );
            }
            tables[i].finish();
        }
        for (const DomainConfig& domain : config_->domains)
            check_chains(domain);
        constexpr std::string_view none = "there is no [[domain]]: no mail would be ours";
        root.need({"domain"}, root.place(), std::string(none));
        if (tables.empty() && root.has("domain")) root.error(root.place(), std::string(none));
    }

    /// Targets are accounts. One that is an alias, too, is not followed: either it is no account, and its
    /// mail goes nowhere, or the account wins, and that alias is never used.
    void check_chains(const DomainConfig& domain) {
        SourceLines lines;
        for (const AliasTarget& target : domain.aliases.targets) {
            const std::size_t at = target.address.rfind('@');
            const DomainConfig* of = config_->find_domain(std::string_view(target.address).substr(at + 1));
            if (of == nullptr) continue;
            const auto alias = of->aliases.places.find(target.address.substr(0, at));
            if (alias == of->aliases.places.end()) continue;
            const bool is_itself =
                alias->second.file == target.place.file && alias->second.line == target.place.line;
            diagnostics_.error(
                target.place,
                is_itself ? fmt::format("the alias {} leads to itself", target.address)
                          : fmt::format(
                                "the target {} is an alias ({}): targets are accounts",
                                target.address,
                                alias->second.to_string()
                            ),
                {},
                lines.line_at(target.place)
            );
        }
    }

    std::vector<IpNetwork> read_networks(ConfigTable& table, std::string_view key) {
        std::vector<IpNetwork> networks;
        for (const ConfigValue& value : table.texts(key).value_or(std::vector<ConfigValue>{})) {
            if (const auto network = IpNetwork::parse(value.text))
                networks.push_back(*network);
            else
                table.error(
                    value.place, fmt::format("\"{}\" is no network such as 192.0.2.0/24", value.text)
                );
        }
        return networks;
    }

    void read_listener(ConfigTable& table) {
        ListenerConfig listener;
        listener.place = table.place();
        read_service(table, listener);
        const auto address = table.text("address");
        table.need({"address"}, table.place(), "address is missing: ADDRESS:PORT");
        if (address && !is_address_and_port(*address))
            table.error(
                table.value_place("address"),
                fmt::format("\"{}\" is not ADDRESS:PORT, such as 127.0.0.1:2525 or [::1]:2525", *address)
            );
        listener.address = address.value_or("");
        listener.proxy = read_networks(table, "proxy");
        listener.xclient = read_networks(table, "xclient");
        listener.behind = read_networks(table, "behind");
        if (!listener.behind.empty()) table.error(table.value_place("behind"), "behind is not built yet");
        if (table.word("mixed", {"split", "quarantine"}) == "quarantine")
            listener.mixed = MixedVerdicts::quarantine;
        if (table.word("late", {"rcpt", "data"}) == "data") listener.late = LateAnswers::data;
        if (table.word("bare_newline", {"refuse", "normalize"}) == "normalize")
            listener.bare_newline = BareNewline::normalize;
        if (listener.service != Service::smtp) refuse_smtp_keys(table);
        if (auto limits = table.table("limits")) read_limits(*limits, listener);
        if (address) check_address_is_free(table, listener.address);
        table.finish();
        config_->listeners.push_back(std::move(listener));
    }

    static void refuse_smtp_keys(const ConfigTable& table) {
        for (const std::string_view key : {"xclient", "behind", "mixed", "late", "bare_newline"})
            if (table.has(key))
                table.error(
                    table.place_of(key), fmt::format("{} has no effect here: it is about receiving mail", key)
                );
    }

    /// Two listeners cannot share a port, unless the kernel chooses it; one on all addresses takes it on
    /// each.
    void check_address_is_free(const ConfigTable& table, std::string_view address) const {
        if (!is_address_and_port(address)) return;
        const auto [ip, port] = split_address(address);
        if (port == 0) return;
        for (const ListenerConfig& other : config_->listeners) {
            if (!is_address_and_port(other.address)) continue;
            const auto [other_ip, other_port] = split_address(other.address);
            const bool is_wild = ip.is_ipv4() == other_ip.is_ipv4() && (is_any(ip) || is_any(other_ip));
            if (port != other_port || (ip != other_ip && !is_wild)) continue;
            table.error(
                table.value_place("address"),
                fmt::format("{} is taken already by the listener at {}", address, other.place.to_string())
            );
            return;
        }
    }

    static bool is_any(const IpAddress& ip) {
        return std::ranges::all_of(ip.octets(), [](char c) { return c == 0; });
    }

    /// Of a text for which is_address_and_port() holds.
    static std::pair<IpAddress, unsigned long> split_address(std::string_view text) {
        const std::size_t colon = text.rfind(':');
        std::string_view host = text.substr(0, colon);
        if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
        return {*IpAddress::parse(host), std::stoul(std::string(text.substr(colon + 1)))};
    }

    void read_service(ConfigTable& table, ListenerConfig& listener) {
        std::vector<std::string> words = {"smtp", "pop3", "pop3s"};
        words.insert(words.end(), planned_services.begin(), planned_services.end());
        table.need({"service"}, table.place(), "service is missing: smtp, pop3 or pop3s");
        const auto word = table.word("service", words);
        if (!word) return;
        if (std::ranges::find(planned_services, *word) != planned_services.end())
            return table.error(
                table.value_place("service"), fmt::format("service = \"{}\" is not built yet", *word)
            );
        listener.service = *word == "smtp" ? Service::smtp : *word == "pop3" ? Service::pop3 : Service::pop3s;
        if (listener.service == Service::pop3s && config_->tls.empty())
            table.error(table.value_place("service"), "pop3s needs [tls] with certificate and key");
    }

    void read_filters(ConfigTable& root) {
        auto filters = root.table("filters");
        if (!filters) return;
        const std::vector<std::string> names = filter_names();
        for (const ConfigValue& value : filters->texts("off").value_or(std::vector<ConfigValue>{})) {
            if (std::ranges::find(names, value.text) == names.end())
                filters->error(
                    value.place,
                    fmt::format("there is no check \"{}\"", value.text),
                    nearest_word(value.text, names)
                );
            config_->filters_off.push_back(value.text);
        }
        filters->finish();
    }

    void read_process(ConfigTable& root) {
        auto process = root.table("process");
        if (!process) return;
        config_->process_user = process->text("user").value_or("");
        config_->process_user_place = process->value_place("user");
        config_->sandbox = process->word("sandbox", {"full", "reduced"}).value_or("full");
        process->finish();
    }

    void read_retention(ConfigTable& root) {
        if (auto records = root.table("records")) {
            if (records->word("redact", {"none", "local-parts"}) == "local-parts")
                config_->redaction = Redaction::local_parts;
            records->finish();
        }
        auto retention = root.table("retention");
        if (!retention) return;
        read_kind(*retention, "records", config_->records);
        config_->refusals = config_->records;
        read_kind(*retention, "refusals", config_->refusals);
        read_kind(*retention, "quarantine", config_->quarantine);
        read_kind(*retention, "labels", config_->labels);
        retention->finish();
    }

    /// More than nothing, also a part of one.
    static std::optional<double> amount(ConfigTable& table, std::string_view key, double most) {
        constexpr double least = 0.0001;
        const auto number = table.number(key);
        if (!number || (*number >= least && *number <= most)) return number;
        table.error(table.value_place(key), fmt::format("{} must be from {} to {}", key, least, most));
        return std::nullopt;
    }

    static void read_kind(ConfigTable& retention, std::string_view name, RetentionConfig& kind) {
        auto table = retention.table(name);
        if (!table) return;
        if (const auto days = amount(*table, "days", 36500))
            kind.age =
                std::chrono::duration_cast<std::chrono::seconds>(std::chrono::duration<double>(*days * 86400)
                );
        if (const auto gigabytes = amount(*table, "gigabytes", 1 << 20))
            kind.octets = static_cast<std::uint64_t>(*gigabytes * (1U << 30U));
        table->finish();
    }

    Diagnostics& diagnostics_;
    fs::path folder_;
    std::shared_ptr<Config> config_ = std::make_shared<Config>();
};

}  // namespace

std::string_view to_string(Service service) {
    switch (service) {
        case Service::smtp: return "smtp";
        case Service::pop3: return "pop3";
        case Service::pop3s: return "pop3s";
    }
    std::unreachable();
}

const DomainConfig* Config::find_domain(std::string_view name) const {
    const auto found = std::ranges::find(domains, ascii_domain(name), &DomainConfig::name);
    return found == domains.end() ? nullptr : &*found;
}

std::shared_ptr<const Config> load_config(const std::string& path, Diagnostics& diagnostics) {
    return ConfigLoader(path, diagnostics).load();
}

}  // namespace wicket
