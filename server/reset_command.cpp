#include "server/command_output.hpp"
#include "server/commands.hpp"
#include "server/control.hpp"
#include "server/exit_codes.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

namespace wicket {
namespace {

namespace json = boost::json;

}  // namespace

int rules_reset_command(const CommandContext& context, const std::string& rule) {
    const auto config = config_for(context);
    if (!config) return exit_config;
    const std::string request = json::serialize(json::object{
        {"do",   "reset_rule"},
        {"rule", rule        }
    });
    const auto answer = ask_server(config->state, request);
    if (!answer) return report(answer.error(), context.form);
    boost::system::error_code error;
    const json::value parsed = json::parse(*answer, error);
    const auto* object = error ? nullptr : parsed.if_object();
    if (object == nullptr) return report({ErrorCode::io, "the server's answer cannot be read"}, context.form);
    if (const json::value* told = object->if_contains("error"); told != nullptr && told->is_string()) {
        const json::value* code = object->if_contains("code");
        const std::string word =
            code != nullptr && code->is_string() ? std::string(code->get_string()) : std::string();
        return report({error_of_word(word), std::string(told->get_string())}, context.form);
    }
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
