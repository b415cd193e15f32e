#include "server/policy_state.hpp"

#include "base/config_reader.hpp"
#include "base/text.hpp"
#include "base/unicode_names.hpp"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <optional>
#include <utility>

namespace wicket {
namespace {

bool is_same_list(const DnsList& a, const DnsList& b) {
    const auto same_codes = [](const std::vector<DnsListCode>& left, const std::vector<DnsListCode>& right) {
        return std::ranges::equal(left, right, [](const DnsListCode& x, const DnsListCode& y) {
            return x.name == y.name && x.first == y.first && x.last == y.last;
        });
    };
    return a.name == b.name && a.zone == b.zone && a.of == b.of && a.fact == b.fact && a.probes == b.probes &&
           a.timeout == b.timeout && a.asks_private == b.asks_private &&
           a.asks_addresses == b.asks_addresses && same_codes(a.listed, b.listed) &&
           same_codes(a.refused, b.refused);
}

std::shared_ptr<DnsListHealth> health_of(const DnsList& list, const PolicyState* previous) {
    if (previous != nullptr) {
        for (const auto& health : previous->dns_lists)
            if (is_same_list(health->list(), list)) return health;
    }
    return std::make_shared<DnsListHealth>(list);
}

void complain_of_test(const RuleTestResult& test, PolicyLoading loading, Diagnostics& diagnostics) {
    std::string message = fmt::format("the rules fail their test \"{}\": {}", test.name, test.difference);
    if (loading == PolicyLoading::start)
        diagnostics.warning(
            test.place, message + "; they are in force nevertheless, and no reload would take them"
        );
    else
        diagnostics.error(test.place, std::move(message));
}

/// A scope for nobody is no reason not to take mail at all.
ServedDomains served_domains(const Config& config, PolicyLoading loading) {
    ServedDomains domains;
    for (const DomainConfig& domain : config.domains)
        domains.names.push_back(domain.name);
    domains.severity = loading == PolicyLoading::start ? Severity::warning : Severity::error;
    return domains;
}

/// What a configuration that has mistakes says of its rules.
struct RulesOfBadConfig {
    std::vector<std::string> folders;
    std::optional<ServedDomains> domains;  // nullopt: some of them have mistakes
};

RulesOfBadConfig rules_of_bad_config(const std::string& config_file, const Diagnostics& told) {
    RulesOfBadConfig found;
    Diagnostics ignored;
    const auto document = ConfigDocument::load(config_file, ignored);
    if (!document) return found;
    ConfigTable root = document->root();
    const auto folders = root.texts("rules", ConfigTable::OneOrList::one_or_list);
    for (const ConfigValue& folder : folders.value_or(std::vector<ConfigValue>{}))
        found.folders.push_back((std::filesystem::path(config_file).parent_path() / folder.text).string());
    const std::vector<Diagnostic> mistakes = told.sorted();
    ServedDomains domains;
    for (ConfigTable& table : root.tables("domain")) {
        const auto name = table.text("name");
        const SourcePlace place = table.value_place("name");
        if (!name || std::ranges::find(mistakes, place, &Diagnostic::place) != mistakes.end()) return found;
        domains.names.push_back(ascii_domain(*name));
    }
    if (!domains.names.empty()) found.domains = std::move(domains);
    return found;
}

/// One run tells all mistakes.
void check_rules_of_bad_config(const std::string& config_file, Diagnostics& diagnostics) {
    const RulesOfBadConfig rules = rules_of_bad_config(config_file, diagnostics);
    Diagnostics of_rules;
    static_cast<void>(
        load_rules(rules.folders, of_rules, RuleReading::for_check, rules.domains ? &*rules.domains : nullptr)
    );
    for (Diagnostic& one : of_rules.sorted()) {
        // A folder that is not there has been told where it is named.
        const bool is_of_folder = std::ranges::find(rules.folders, one.place.file) != rules.folders.end();
        if (!is_of_folder || one.severity == Severity::warning) diagnostics.add(std::move(one));
    }
}

}  // namespace

std::shared_ptr<const PolicyState> load_policy_state(
    const std::string& config_file,
    const FilterServices& services,
    const PolicyState* previous,
    Diagnostics& diagnostics,
    PolicyLoading loading
) {
    auto state = std::make_shared<PolicyState>();
    state->config = load_config(config_file, diagnostics);
    const auto reading = loading == PolicyLoading::check ? RuleReading::for_check : RuleReading::for_use;
    if (!state->config) {
        if (loading == PolicyLoading::check) check_rules_of_bad_config(config_file, diagnostics);
        return nullptr;
    }
    const ServedDomains domains = served_domains(*state->config, loading);
    state->rules = load_rules(state->config->rules, diagnostics, reading, &domains);
    if (!state->rules) return nullptr;
    for (const RuleTestResult& test : run_rule_tests(*state->rules))
        if (!test.passed) complain_of_test(test, loading, diagnostics);

    state->dictionary = std::shared_ptr<const FactDictionary>(state->rules, &state->rules->dictionary());
    std::vector<std::string> our_names = {state->config->hostname};
    for (const TlsIdentity& identity : state->config->tls)
        if (!identity.host.empty()) our_names.push_back(lower_case(identity.host));
    FilterSetup setup{
        std::move(our_names),
        {},
        std::make_shared<const ScanTogether>(services.scan_pool, state->dictionary),
        state->rules->patterns(),
        state->config->filters_off
    };
    for (const DnsList& list : state->rules->dns_lists())
        state->dns_lists.push_back(health_of(list, previous));
    setup.dns_lists = state->dns_lists;
    state->chain = FilterChain::build(make_filters(setup), *state->dictionary, diagnostics);
    if (diagnostics.has_errors() || !state->chain) return nullptr;
    return state;
}

}  // namespace wicket
