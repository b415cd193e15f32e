// mailwicket.toml as a value. Reading it reports every mistake with its place; a Config exists only if there
// was none. Relative paths are relative to the file. The program never writes it.
#pragma once

#include "base/diagnostic.hpp"
#include "net/acceptor.hpp"
#include "net/tls_context.hpp"
#include "receiver/options.hpp"
#include "server/alias_faults.hpp"
#include "server/alias_file.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace wicket {

enum class Service : std::uint8_t { smtp, pop3, pop3s };
std::string_view to_string(Service service);

enum class MixedVerdicts : std::uint8_t { split, quarantine };
/// How long something is kept, and how much of it at most: the oldest goes first.
struct RetentionConfig {
    std::chrono::seconds age = std::chrono::days(30);
    std::uint64_t octets = 10ULL << 30U;
    bool operator==(const RetentionConfig&) const = default;
};

/// [records] redact: what is not written down of addresses.
enum class Redaction : std::uint8_t { none, local_parts };

enum class LateAnswers : std::uint8_t { rcpt, data };

struct ListenerConfig {
    Service service = Service::smtp;
    std::string address;
    std::vector<IpNetwork> proxy;
    std::vector<IpNetwork> xclient;
    std::vector<IpNetwork> behind;
    MixedVerdicts mixed = MixedVerdicts::split;
    LateAnswers late = LateAnswers::rcpt;
    BareNewline bare_newline = BareNewline::refuse;
    ReceiverLimits limits;
    ConnectionLimits connections;
    SourcePlace place;
};

struct DomainConfig {
    std::string name;          // lower case
    std::string aliases_file;  // empty: none
    AliasTable aliases;
};

/// Where the files of a TlsIdentity are named.
struct TlsPlaces {
    SourcePlace certificate;
    SourcePlace key;
};

struct Config {
    std::string file;
    std::string hostname;
    std::string state;
    std::vector<std::string> rules;
    bool is_policy_shadow = false;
    std::vector<ListenerConfig> listeners;
    std::vector<TlsIdentity> tls;       // empty: no TLS
    std::vector<TlsPlaces> tls_places;  // as `tls`
    std::vector<std::string> dns_forward;
    std::string dns_trust_anchor;
    std::vector<DomainConfig> domains;
    std::vector<std::string> filters_off;  // [filters] off
    std::string process_user;
    SourcePlace process_user_place;
    std::string sandbox = "full";
    RetentionConfig records;     // of transactions that took DATA
    RetentionConfig refusals;    // of what was refused earlier; as `records` if it is not said
    RetentionConfig quarantine;  // messages that were kept back
    RetentionConfig labels;      // ham and spam
    Redaction redaction = Redaction::none;
    std::uint16_t relay_port = 25;
    std::shared_ptr<MissingTargets> missing_targets = std::make_shared<MissingTargets>();

    const DomainConfig* find_domain(std::string_view name) const;
};

/// nullptr if there was any error.
std::shared_ptr<const Config> load_config(const std::string& path, Diagnostics& diagnostics);

}  // namespace wicket
