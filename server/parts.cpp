#include "server/parts.hpp"

#include "access/pop3_driver.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "net/delay.hpp"
#include "net/listening_socket.hpp"
#include "net/unbound_resolver.hpp"
#include "policy/rule_set_record.hpp"
#include "receiver/byte_budget.hpp"
#include "receiver/driver.hpp"
#include "server/account_service.hpp"
#include "server/aftermath_service.hpp"
#include "server/control.hpp"
#include "server/descriptors.hpp"
#include "server/restart_keys.hpp"
#include "server/store_request.hpp"
#include "server/visit.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/json.hpp>

#include <algorithm>
#include <fmt/format.h>
#include <set>
#include <systemd/sd-daemon.h>

namespace wicket {
namespace {

using boost::asio::awaitable;

// Password hashing takes 30 ms of a core and 19 MiB each: two at a time, and a queue that a flood fills
// quickly.
constexpr std::size_t hashing_threads = 2;
constexpr std::size_t hashing_queue_limit = 64;
constexpr std::size_t reading_threads = 2;
constexpr std::size_t reading_queue_limit = 1024;
constexpr std::size_t control_queue_limit = 32;

std::string shed_line_of(Service service) {
    return service == Service::smtp ? "421 4.7.0 %REASON%, try again later\r\n"
                                    : "-ERR [SYS/TEMP] %REASON%, try again later\r\n";
}

/// `prefix` stands before the names: what is of IPv6 alone has names of its own.
void put_standing(
    boost::json::object& row, const std::string& prefix, const DnsListHealth::Standing& standing
) {
    row[prefix + "in_use"] = standing.trouble.empty();
    if (standing.since) row[prefix + "since"] = to_rfc3339(*standing.since);
    if (!standing.trouble.empty()) row[prefix + "reason"] = standing.trouble;
}

boost::json::array dns_lists_json(const PolicyState& policy) {
    boost::json::array rows;
    for (const auto& health : policy.dns_lists) {
        const DnsList& list = health->list();
        boost::json::object row{
            {"list", list.name      },
            {"zone", list.shown_zone}
        };
        const DnsListHealth::Standing standing = health->standing();
        put_standing(row, "", standing);
        if (list.asks_addresses && standing.trouble.empty())
            put_standing(row, "ipv6_", health->ipv6_standing());
        rows.push_back(std::move(row));
    }
    return rows;
}

}  // namespace

struct ServerParts::State {
    explicit State(std::shared_ptr<const Config> config_)
        : config(std::move(config_)),
          executable(own_executable),
          budget(ReceiverLimits{}.memory_octets, ReceiverLimits{}.spool_octets) {}

    std::shared_ptr<const Config> config;
    std::string executable;
    const Clock& clock = system_clock();
    std::unique_ptr<TlsContext> tls;
    EventLoops loops{0};
    std::unique_ptr<Acceptors> acceptors;
    std::vector<std::string> listening;
    std::vector<std::uint32_t> totals;              // as the listeners: what the descriptors allow
    std::vector<ReceiverOptions> receiver_options;  // as the listeners
    std::vector<Pop3Options> pop3_options;          // as the listeners
    ByteBudget budget;
    std::vector<ByteBudget> budgets;  // as the listeners: views of `budget` with limits of their own
    SurrogateSizes sizes;
    std::unique_ptr<OffloadPool> hashing, reading, control_pool;
    std::unique_ptr<Store> store;
    std::unique_ptr<StoreDirectory> directory;
    std::unique_ptr<Authenticator> authenticator;
    std::unique_ptr<UnboundResolver> dns;
    FilterServices filter_services;
    CurrentPolicy policy;
    std::unique_ptr<RuleGuard> guard;
    std::unique_ptr<ControlServer> control;
    std::uint16_t node = static_cast<std::uint16_t>(random_u64());
    RateBudget refusal_looks{refusal_looks_per_second};
    QuarantineBudget quarantine_budget;
    std::optional<Redactor> redactor;

    ListenerOptions listener_options(std::size_t index);
    awaitable<void> serve_connection(std::size_t index, std::shared_ptr<Connection> connection);
    int take_systemd_socket(const std::string& address);
    Result<> start_scan_pool();
    std::string answer_control(std::string request);
    std::string status_json();
    static awaitable<void> probe_list(
        std::shared_ptr<DnsListHealth> health, DnsResolver& dns, const Clock& clock
    );
    void start_probes(const PolicyState& now, const PolicyState* before);
    /// So that a decision can be told with the rules of its time. Mail does not wait for a disk that refuses
    /// it.
    void keep_rules(const PolicyState& in_force) {
        const auto kept = store->rule_sets().keep(in_force.rules->hash(), encode(record_of(*in_force.rules)));
        if (!kept)
            log_warning(
                "the rules could not be kept: explain will not show them as they are now",
                {
                    {"error", kept.error().message}
            }
            );
    }

    /// `before` is nullptr at the start.
    void check_aliases(const Config& now, const Config* before, Diagnostics& diagnostics) const;

    std::vector<int> systemd_sockets;
};

ServerParts::ServerParts(std::shared_ptr<const Config> config)
    : state_(std::make_unique<State>(std::move(config))) {}

ServerParts::~ServerParts() = default;

ListenerOptions ServerParts::State::listener_options(std::size_t index) {
    const ListenerConfig& listener = config->listeners[index];
    ListenerOptions options;
    options.service = to_string(listener.service);
    options.address = listener.address;
    options.proxy_networks = listener.proxy;
    options.limits = listener.connections;
    options.limits.total = totals[index];
    options.shed_line = shed_line_of(listener.service);
    if (listener.service == Service::pop3s)
        options.tls = TlsMode::implicit;
    else if (tls)
        options.tls = TlsMode::start_tls;
    options.inherited_fd = take_systemd_socket(listener.address);
    options.serve = [this, index](std::shared_ptr<Connection> connection) {
        return serve_connection(index, std::move(connection));
    };
    return options;
}

awaitable<void> ServerParts::State::serve_connection(
    std::size_t index, std::shared_ptr<Connection> connection
) {
    if (config->listeners[index].service != Service::smtp)
        return serve_pop3(
            std::move(connection),
            pop3_options[index],
            Pop3Parts{store->mail(), *authenticator, *hashing, *reading, sizes, clock}
        );
    const VisitServices services{
        policy,
        *store,
        *dns,
        clock,
        refusal_looks,
        *guard,
        quarantine_budget,
        redactor ? &*redactor : nullptr,
        node
    };
    auto visit = make_visit(
        services, index, connection->peer(), connection->tls(), connection->listener(), connection->executor()
    );
    return serve_smtp(
        std::move(connection), std::move(visit), receiver_options[index], budgets[index], clock
    );
}

int ServerParts::State::take_systemd_socket(const std::string& address) {
    const std::optional<SocketAddress> wanted = parse_socket_address(address);
    if (!wanted) return -1;
    for (int& fd : systemd_sockets)
        if (fd >= 0 && local_address(fd) == *wanted) return std::exchange(fd, -1);
    for (int& fd : systemd_sockets)
        if (fd >= 0 && serves_as_well(fd, *wanted)) return std::exchange(fd, -1);
    return -1;
}

Result<> ServerParts::bind() {
    State& state = *state_;
    const std::uint64_t descriptors = raise_descriptor_limit();
    for (const ListenerConfig& listener : state.config->listeners)
        state.totals.push_back(total_within(listener.connections.total, descriptors));
    if (!state.config->tls.empty()) {
        auto tls = TlsContext::load(state.config->tls);
        if (!tls) return std::unexpected(tls.error());
        state.tls = std::move(*tls);
    }
    const int count = ::sd_listen_fds(1);
    for (int i = 0; i < count; ++i)
        state.systemd_sockets.push_back(SD_LISTEN_FDS_START + i);
    state.acceptors = std::make_unique<Acceptors>(
        state.loops, state.tls.get(), state.clock, connections_within(descriptors)
    );
    for (std::size_t i = 0; i < state.config->listeners.size(); ++i) {
        const ListenerConfig& listener = state.config->listeners[i];
        ReceiverOptions receiver;
        receiver.hostname = state.config->hostname;
        receiver.limits = listener.limits;
        receiver.xclient_networks = listener.xclient;
        receiver.bare_newline = listener.bare_newline;
        receiver.offers_starttls = state.tls != nullptr;
        receiver.spool_folder = state.config->state + "/spool";
        state.receiver_options.push_back(std::move(receiver));
        state.budgets.push_back(
            state.budget.with_limits(listener.limits.memory_octets, listener.limits.spool_octets)
        );
        Pop3Options pop3;
        pop3.limits.errors = listener.limits.errors;
        pop3.hostname = state.config->hostname;
        pop3.offers_stls = state.tls != nullptr && listener.service == Service::pop3;
        state.pop3_options.push_back(std::move(pop3));
    }
    for (std::size_t i = 0; i < state.config->listeners.size(); ++i) {
        const auto bound = state.acceptors->add(state.listener_options(i));
        if (!bound) return std::unexpected(bound.error());
        state.listening.push_back(
            fmt::format("listening {} {}", to_string(state.config->listeners[i].service), *bound)
        );
    }
    for (const int fd : state.systemd_sockets)
        if (fd >= 0)
            log_warning(
                "a socket of systemd's fits no listener and is not used",
                {
                    {"address", local_address(fd).to_string()}
            }
            );
    return {};
}

Result<> ServerParts::State::start_scan_pool() {
    ScanPoolOptions options;
    options.executable = executable;
    options.hostname = config->hostname;
    options.workers = loops.size();
    options.sandbox = config->sandbox;
    options.poison_folder = config->state + "/poison";
    options.on_poison = [](const std::string& reason) {
        log_error("a message crashes the scan workers and is refused: " + reason);
    };
    auto pool = ScanPool::start(loops.hub(), *dns, std::move(options));
    if (!pool) return std::unexpected(pool.error());
    filter_services.scan_pool = std::move(*pool);
    return {};
}

Result<> ServerParts::start(const std::string& config_file, Diagnostics& diagnostics) {
    State& state = *state_;
    auto store = Store::open(store_options(*state.config));
    if (!store) return std::unexpected(store.error());
    state.store = std::move(*store);
    if (state.config->redaction == Redaction::local_parts) {
        auto key = state.store->quarantine().redaction_key();
        if (!key) return std::unexpected(key.error());
        state.redactor.emplace(std::move(*key));
    }
    state.directory = std::make_unique<StoreDirectory>(state.store->accounts());
    state.authenticator = std::make_unique<Authenticator>(*state.directory, state.clock);
    state.hashing = std::make_unique<OffloadPool>("hash", hashing_threads, hashing_queue_limit);
    state.reading = std::make_unique<OffloadPool>("read", reading_threads, reading_queue_limit);
    state.control_pool = std::make_unique<OffloadPool>("control", 1, control_queue_limit);

    auto dns = UnboundResolver::create(
        state.loops.hub(),
        state.clock,
        {.forward = state.config->dns_forward, .trust_anchor_file = state.config->dns_trust_anchor}
    );
    if (!dns) return std::unexpected(dns.error());
    state.dns = std::move(*dns);
    if (auto started = state.start_scan_pool(); !started) return started;
    auto policy =
        load_policy_state(config_file, state.filter_services, nullptr, diagnostics, PolicyLoading::start);
    if (!policy) return failure(ErrorCode::invalid, "the configuration is at fault");
    state.keep_rules(*policy);
    state.start_probes(*policy, nullptr);
    state.check_aliases(*policy->config, nullptr, diagnostics);
    state.guard = std::make_unique<RuleGuard>(state.policy, state.store->memory(), state.clock);
    state.guard->install(std::move(policy));

    auto control = ControlServer::start(
        state.config->state,
        state.loops,
        *state.control_pool,
        [&state](std::string request) { return state.answer_control(std::move(request)); }
    );
    if (!control) return std::unexpected(control.error());
    state.control = std::move(*control);
    state.acceptors->start();
    state.loops.start();
    return {};
}

std::vector<std::string> ServerParts::listening_lines() const {
    return state_->listening;
}

awaitable<void> ServerParts::State::probe_list(
    std::shared_ptr<DnsListHealth> health, DnsResolver& dns, const Clock& clock
) {
    // Ends with the last rule set that knows the list: this coroutine is the one other owner.
    while (health.use_count() > 1) {
        if (health->wants_probe(clock.steady())) co_await health->probe(dns, clock);
        // Never longer: an answer in between may have switched the list off.
        co_await delay(dns_list_retry_interval);
    }
}

void ServerParts::State::start_probes(const PolicyState& now, const PolicyState* before) {
    for (const auto& health : now.dns_lists) {
        if (!health->list().probes) continue;
        if (before != nullptr && std::ranges::find(before->dns_lists, health) != before->dns_lists.end())
            continue;
        boost::asio::co_spawn(loops.hub(), probe_list(health, *dns, clock), boost::asio::detached);
    }
}

void ServerParts::State::check_aliases(const Config& now, const Config* before, Diagnostics& diagnostics)
    const {
    const auto all = store->accounts().list();
    if (!all) return;
    std::vector<std::string> names;
    for (const Account& account : *all)
        names.push_back(account.address);
    if (before == nullptr)
        check_alias_targets(now, names, AliasCheck::mild, diagnostics);
    else
        check_alias_targets(now, names, *before, diagnostics);
}

std::string ServerParts::State::status_json() {
    namespace json = boost::json;
    const AcceptorCounters connections = acceptors->counters();
    const ResolverCounters questions = dns->counters();
    const ScanPoolStatus scans = filter_services.scan_pool->status();
    json::array in_shadow;
    for (const TrippedRule& one : guard->tripped())
        in_shadow.push_back(json::object{
            {"rule",   one.rule             },
            {"since",  to_rfc3339(one.since)},
            {"until",  to_rfc3339(one.until)},
            {"reason", one.reason           }
        });
    json::array pids;
    for (const int pid : scans.worker_pids)
        pids.push_back(pid);
    return json::serialize(json::object{
        {"ok",                    true                                          },
        {"front_pid",             ::getpid()                                    },
        {"worker_pids",           std::move(pids)                               },
        {"open",                  connections.open                              },
        {"accepted",              connections.accepted                          },
        {"shed",
         connections.shed_per_ip + connections.shed_per_network + connections.shed_total +
             connections.shed_rate + connections.shed_files                     },
        {"bad_proxy",             connections.bad_proxy                         },
        {"dns_questions",         questions.questions                           },
        {"dns_cached",            questions.cached                              },
        {"dns_sent",              questions.sent                                },
        {"dns_failed",            questions.failed                              },
        {"dns_lists",             dns_lists_json(*policy.get())                 },
        {"scan_jobs",             scans.jobs                                    },
        {"scan_passes",           scans.passes                                  },
        {"scan_crashes",          scans.crashes                                 },
        {"rules_hash",            policy.get()->rules->hash()                   },
        {"rules_in_shadow",       std::move(in_shadow)                          },
        {"missing_alias_targets", policy.get()->config->missing_targets->count()},
    });
}

std::string ServerParts::State::answer_control(std::string request) {
    if (request == R"({"do":"status"})") return status_json();
    if (auto answer = answer_rule_request(*guard, request)) return *std::move(answer);
    const auto on_ham = [this](const DecisionRecord& record) { guard->labelled_ham(record); };
    if (auto answered =
            answer_aftermath_request(*store, *policy.get()->config, request, clock.wall(), on_ham))
        return std::move(*answered);
    const auto now = std::chrono::duration_cast<std::chrono::seconds>(clock.wall().time_since_epoch());
    return answer_account_request(store->accounts(), request, now.count());
}

namespace {

/// What was refused to a running server may be there for a new one.
std::string confinement_hint(std::string_view refusal) {
    if (!refusal.contains(std::generic_category().message(EACCES))) return "";
    return "; if that is outside the folders that the server may read since its start: restart it";
}

std::string confinement_hint(const Diagnostics& diagnostics) {
    for (const Diagnostic& one : diagnostics.sorted())
        if (std::string hint = confinement_hint(one.message); !hint.empty()) return hint;
    return "";
}

}  // namespace

Result<std::string> ServerParts::reload(const std::string& config_file, Diagnostics& diagnostics) {
    State& state = *state_;
    const std::shared_ptr<const PolicyState> before = state.policy.get();
    auto now = load_policy_state(
        config_file, state.filter_services, before.get(), diagnostics, PolicyLoading::reload
    );
    if (now) state.check_aliases(*now->config, before->config.get(), diagnostics);
    if (!now || diagnostics.has_errors())
        return failure(
            ErrorCode::invalid,
            fmt::format(
                "{} mistake{}{}",
                diagnostics.error_count(),
                diagnostics.error_count() == 1 ? "" : "s",
                confinement_hint(diagnostics)
            )
        );
    if (now->config->listeners.size() != before->config->listeners.size() || !std::ranges::equal(
                                                                                 now->config->listeners,
                                                                                 before->config->listeners,
                                                                                 {},
                                                                                 &ListenerConfig::address,
                                                                                 &ListenerConfig::address
                                                                             ))
        return failure(
            ErrorCode::invalid, "listeners are fixed while the server runs: restart it to change them"
        );
    if (now->config->state != before->config->state)
        return failure(
            ErrorCode::invalid, "the state folder is fixed while the server runs: restart it to change it"
        );
    if (now->config->tls.empty() != (state.tls == nullptr))
        return failure(ErrorCode::invalid, "TLS is switched on or off by a restart");
    if (state.tls)
        if (auto swapped = state.tls->reload(now->config->tls); !swapped)
            return failure(
                swapped.error().code, swapped.error().message + confinement_hint(swapped.error().message)
            );
    state.keep_rules(*now);
    state.start_probes(*now, before.get());
    std::string fixed = keys_for_restart(*state.config, *now->config);
    state.guard->install(std::move(now));
    return fixed;
}

CurrentPolicy& ServerParts::policy() {
    return state_->policy;
}

std::size_t ServerParts::open_connections() const {
    return state_->acceptors->open_connections();
}

void ServerParts::drain() {
    state_->acceptors->drain();
}

void ServerParts::stop() {
    State& state = *state_;
    state.hashing->stop();
    state.reading->stop();
    state.control_pool->stop();
    state.loops.stop();
    state.filter_services.scan_pool->stop();
    if (state.guard) state.guard->save();
    state.store->close();
    state.control.reset();
}

}  // namespace wicket
