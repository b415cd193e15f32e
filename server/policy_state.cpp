#include "server/policy_state.hpp"

#include <algorithm>
#include <fmt/format.h>

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

}  // namespace

std::shared_ptr<const PolicyState> load_policy_state(
    const std::string& config_file,
    const FilterServices& services,
    const PolicyState* previous,
    Diagnostics& diagnostics
) {
    auto state = std::make_shared<PolicyState>();
    state->config = load_config(config_file, diagnostics);
    if (!state->config) return nullptr;
    state->rules = load_rules(state->config->rules, diagnostics);
    if (!state->rules) return nullptr;
    for (const RuleTestResult& test : run_rule_tests(*state->rules))
        if (!test.passed)
            diagnostics.error(
                test.place, fmt::format("the rules fail their test \"{}\": {}", test.name, test.difference)
            );

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
