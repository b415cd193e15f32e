#include "server/policy_state.hpp"

#include "base/config_reader.hpp"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
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

/// Those that a configuration names which has mistakes elsewhere.
std::vector<std::string> rule_folders_of(const std::string& config_file) {
    Diagnostics ignored;
    const auto document = ConfigDocument::load(config_file, ignored);
    if (!document) return {};
    ConfigTable root = document->root();
    const auto names = root.texts("rules", ConfigTable::OneOrList::one_or_list);
    std::vector<std::string> folders;
    if (!names) return folders;
    for (const ConfigValue& name : *names)
        folders.push_back((std::filesystem::path(config_file).parent_path() / name.text).string());
    return folders;
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
        // One run tells all mistakes.
        if (loading == PolicyLoading::check)
            static_cast<void>(load_rules(rule_folders_of(config_file), diagnostics, reading));
        return nullptr;
    }
    state->rules = load_rules(state->config->rules, diagnostics, reading);
    if (!state->rules) return nullptr;
    for (const RuleTestResult& test : run_rule_tests(*state->rules))
        if (!test.passed) complain_of_test(test, loading, diagnostics);

    state->dictionary = std::shared_ptr<const FactDictionary>(state->rules, &state->rules->dictionary());
    FilterSetup setup{
        {state->config->hostname},
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
