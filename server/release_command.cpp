// `release`, `feedback`: what people do about a decision.
#include "base/clock.hpp"
#include "policy/json_line.hpp"
#include "server/aftermath_service.hpp"
#include "server/command_output.hpp"
#include "server/commands.hpp"
#include "server/exit_codes.hpp"
#include "server/request_json.hpp"
#include "server/store_request.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

namespace wicket {
namespace {

namespace json = boost::json;

/// The answer to a request, once its mistake, if there is one, is told.
struct Performed {
    json::object answer;
    int exit = exit_ok;
};

Performed perform_aftermath(const Config& config, const json::object& request, OutputForm form) {
    const std::string line = json_line(request);
    const auto answer = ask_or_open(config, line, [&](Store& store) {
        return answer_aftermath_request(store, config, line, system_clock().wall()).value_or("");
    });
    if (!answer) return {{}, report_of_store(answer.error(), form)};
    auto object = read_answer(*answer);
    if (!object) return {{}, report(object.error(), form)};
    return {std::move(*object), exit_ok};
}

std::string joined(const json::value& texts) {
    std::string made;
    for (const json::value& text : texts.get_array())
        made += (made.empty() ? "" : ", ") + std::string(text.get_string());
    return made;
}

std::string_view text_at(const json::object& object, std::string_view key) {
    return object.at(key).get_string();
}

/// Without what only says that it is none of an error.
void print_answer(json::object answer) {
    answer.erase("ok");
    fmt::print("{}\n", json_line(answer));
}

}  // namespace

int release_command(const CommandContext& context, const std::string& id_text, const std::string& to) {
    const auto config = config_for(context);
    if (!config) return exit_config;
    const auto id = id_or_report(id_text, context.form);
    if (!id) return exit_failed;
    json::object request{
        {"do", "release"      },
        {"id", id->to_string()},
        {"by", caller_name()  }
    };
    if (!to.empty()) request["to"] = to;
    const auto [answer, exit] = perform_aftermath(*config, request, context.form);
    if (exit != exit_ok) return exit;
    if (context.form == OutputForm::json) {
        print_answer(answer);
        return exit_ok;
    }
    const json::object& released = answer.at("released").get_object();
    if (answer.at("delivered").get_array().empty())
        fmt::print(
            "{} was released by {} at {} to {}: nothing is delivered again\n",
            id->to_string(),
            text_at(released, "by"),
            text_at(released, "time"),
            joined(released.at("to"))
        );
    else
        fmt::print("{} is released to {}\n", id->to_string(), joined(answer.at("delivered")));
    return exit_ok;
}

int feedback_command(const CommandContext& context, const FeedbackOptions& options) {
    const auto config = config_for(context);
    if (!config) return exit_config;
    const auto id = id_or_report(options.id, context.form);
    if (!id) return exit_failed;
    const json::object request{
        {"do",    "feedback"                              },
        {"id",    id->to_string()                         },
        {"label", options.is_undo ? "undo" : options.label},
        {"by",    caller_name()                           }
    };
    const auto [answer, exit] = perform_aftermath(*config, request, context.form);
    if (exit != exit_ok) return exit;
    if (context.form == OutputForm::json) {
        print_answer(answer);
    } else if (answer.at("label").is_null()) {
        fmt::print("{} has no label\n", id->to_string());
    } else {
        fmt::print(
            "{} is {}, says {} at {}\n",
            id->to_string(),
            text_at(answer, "label"),
            text_at(answer, "by"),
            text_at(answer, "time")
        );
    }
    return exit_ok;
}

}  // namespace wicket
