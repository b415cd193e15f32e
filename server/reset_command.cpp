// `rules reset`: ends what the circuit breaker did to a rule.
#include "policy/json_line.hpp"
#include "server/command_output.hpp"
#include "server/commands.hpp"
#include "server/exit_codes.hpp"
#include "server/request_json.hpp"
#include "server/rule_guard.hpp"
#include "server/store_request.hpp"

#include <boost/json.hpp>

#include <cstdio>
#include <fmt/format.h>
#include <memory>
#include <utility>

namespace wicket {
namespace {

namespace json = boost::json;

/// As the server would answer, which does not run.
std::string reset_in(Store& store, std::shared_ptr<const RuleSet> rules, const std::string& request) {
    auto state = std::make_shared<PolicyState>();
    state->rules = std::move(rules);
    state->dictionary = std::shared_ptr<const FactDictionary>(state->rules, &state->rules->dictionary());
    CurrentPolicy policy;
    RuleGuard guard(policy, store.memory(), system_clock());
    guard.install(std::move(state));
    return answer_rule_request(guard, request).value_or("");
}

}  // namespace

int rules_reset_command(const CommandContext& context, const std::string& rule) {
    const auto config = config_for(context);
    if (!config) return exit_config;
    const std::string request = json_line(json::object{
        {"do",   "reset_rule"},
        {"rule", rule        }
    });
    // Before the store is opened, as the user who may read them.
    Diagnostics mistakes;
    const auto rules = load_rules(config->rules, mistakes);
    bool are_rules_missed = false;
    const auto answer = ask_or_open(*config, request, [&](Store& store) {
        are_rules_missed = rules == nullptr;
        return are_rules_missed ? "{}" : reset_in(store, rules, request);
    });
    if (are_rules_missed) {
        print_diagnostics(mistakes, context.form, stderr);
        return exit_config;
    }
    if (!answer) return report_of_store(answer.error(), context.form);
    if (const auto read = read_answer(*answer); !read) return report(read.error(), context.form);
    if (context.form == OutputForm::json)
        fmt::print(
            "{}\n",
            json_line(json::object{
                {"rule",   rule   },
                {"result", "reset"}
        })
        );
    else
        fmt::print("{} is in force again\n", rule);
    return exit_ok;
}

}  // namespace wicket
