// `rules reset`: ends what the circuit breaker did to a rule.
#include "server/command_output.hpp"
#include "server/commands.hpp"
#include "server/exit_codes.hpp"
#include "server/request_json.hpp"
#include "server/rule_guard.hpp"
#include "server/store_request.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

namespace wicket {
namespace {

namespace json = boost::json;

/// As the server would answer, which does not run.
std::string reset_in(Store& store, const Config& config, const std::string& request) {
    Diagnostics ignored;
    auto state = std::make_shared<PolicyState>();
    state->rules = load_rules(config.rules, ignored);
    if (state->rules == nullptr)
        return error_answer(
            {ErrorCode::invalid, "the rules have mistakes and cannot be read; mailwicket check names them"}
        );
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
    const std::string request = json::serialize(json::object{
        {"do",   "reset_rule"},
        {"rule", rule        }
    });
    const auto answer =
        ask_or_open(*config, request, [&](Store& store) { return reset_in(store, *config, request); });
    if (!answer) return report_of_store(answer.error(), context.form);
    if (const auto read = read_answer(*answer); !read) return report(read.error(), context.form);
    if (context.form == OutputForm::json)
        fmt::print(
            "{}\n",
            json::serialize(json::object{
                {"rule",   rule   },
                {"result", "reset"}
        })
        );
    else
        fmt::print("{} is in force again\n", rule);
    return exit_ok;
}

}  // namespace wicket
