// `rules show`: what is in force, where it comes from, and what the circuit breaker has done to it.
#include "base/log.hpp"
#include "policy/json_line.hpp"
#include "policy/rule_table.hpp"
#include "policy/time_text.hpp"
#include "server/command_output.hpp"
#include "server/commands.hpp"
#include "server/control.hpp"
#include "server/exit_codes.hpp"
#include "server/rule_guard.hpp"
#include "store/store.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <vector>

namespace wicket {
namespace {

namespace json = boost::json;

struct RuleColumn {
    std::string_view name;
    std::string RuleTableRow::* value;
};

constexpr std::array rule_columns = {
    RuleColumn{"kind",   &RuleTableRow::kind  },
    RuleColumn{"check",  &RuleTableRow::check },
    RuleColumn{"stage",  &RuleTableRow::stage },
    RuleColumn{"points", &RuleTableRow::points},
    RuleColumn{"action", &RuleTableRow::action},
    RuleColumn{"mode",   &RuleTableRow::mode  },
    RuleColumn{"scope",  &RuleTableRow::scope },
    RuleColumn{"origin", &RuleTableRow::origin},
    RuleColumn{"detail", &RuleTableRow::detail},
};

/// The rules in shadow of the server's status; what is none of it is passed over.
std::vector<TrippedRule> tripped_of_status(std::string_view status) {
    std::vector<TrippedRule> made;
    boost::system::error_code error;
    const json::value parsed = json::parse(json::string_view(status.data(), status.size()), error);
    const auto* object = error ? nullptr : parsed.if_object();
    const auto* rows = object != nullptr ? object->if_contains("rules_in_shadow") : nullptr;
    if (rows == nullptr || !rows->is_array()) return made;
    for (const json::value& row : rows->get_array()) {
        if (!row.is_object()) continue;
        const auto text_at = [&row](std::string_view key) {
            const json::value* value = row.get_object().if_contains(key);
            return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
        };
        made.push_back(
            {text_at("rule"),
             parse_time(text_at("since")).value_or(WallTime{}),
             parse_time(text_at("until")).value_or(WallTime{}),
             text_at("reason")}
        );
    }
    return made;
}

/// What the circuit breaker holds in shadow: asked of the server, or read from what it left.
Result<std::vector<TrippedRule>> tripped_now(const Config& config, const RuleSet& rules) {
    const auto status = ask_server(config.state, R"({"do":"status"})");
    if (status) return tripped_of_status(*status);
    if (status.error().code != ErrorCode::unavailable) return std::unexpected(status.error());
    auto store = open_reader(config);
    if (!store) {
        if (store.error().code == ErrorCode::not_found) return std::vector<TrippedRule>();
        return std::unexpected(store.error());
    }
    return tripped_in((*store)->memory(), rules, system_clock().wall());
}

const TrippedRule* tripped_rule(const RuleTableRow& row, const std::vector<TrippedRule>& tripped) {
    if (row.kind != "rule") return nullptr;
    const auto found = std::ranges::find(tripped, row.check, &TrippedRule::rule);
    return found == tripped.end() ? nullptr : &*found;
}

std::string reset_words(const TrippedRule& rule) {
    return "mailwicket rules reset " + rule.rule;
}

void print_json(const std::vector<RuleTableRow>& rows, const std::vector<TrippedRule>& tripped) {
    for (const RuleTableRow& row : rows) {
        json::object object;
        for (const RuleColumn& column : rule_columns)
            object[column.name] = row.*column.value;
        if (const TrippedRule* one = tripped_rule(row, tripped); one != nullptr) {
            object["mode"] = to_string(RuleMode::shadow);
            object["breaker"] = json::object{
                {"since",  to_rfc3339(one->since)},
                {"until",  to_rfc3339(one->until)},
                {"reason", one->reason           },
                {"reset",  reset_words(*one)     }
            };
        }
        fmt::print("{}\n", json_line(object));
    }
}

void print_table(std::vector<RuleTableRow> rows, const std::vector<TrippedRule>& tripped) {
    for (RuleTableRow& row : rows)
        if (tripped_rule(row, tripped) != nullptr) row.mode = "shadow (breaker)";
    std::vector<std::size_t> widths;
    for (const RuleColumn& column : rule_columns) {
        std::size_t width = column.name.size();
        for (const RuleTableRow& row : rows)
            width = std::max(width, (row.*column.value).size());
        widths.push_back(width);
    }
    const auto print_row = [&widths](auto&& text_of) {
        std::string line;
        for (std::size_t at = 0; at < rule_columns.size(); ++at)
            line += fmt::format("{:<{}}  ", text_of(rule_columns[at]), widths[at]);
        line.erase(line.find_last_not_of(' ') + 1);
        fmt::print("{}\n", line);
    };
    print_row([](const RuleColumn& column) { return std::string(column.name); });
    for (const RuleTableRow& row : rows)
        print_row([&row](const RuleColumn& column) { return row.*column.value; });
    if (tripped.empty()) return;
    fmt::print("\nPut into shadow by the circuit breaker:\n");
    for (const TrippedRule& one : tripped)
        fmt::print(
            "  {} since {} until {}: {}\n    `{}` ends that\n",
            escape_for_log(one.rule),
            to_rfc3339(one.since),
            to_rfc3339(one.until),
            escape_for_log(one.reason),
            escape_for_log(reset_words(one))
        );
}

}  // namespace

int rules_show_command(const CommandContext& context) {
    const auto config = config_for(context);
    if (!config) return exit_config;
    Diagnostics diagnostics;
    const auto rules = load_rules(config->rules, diagnostics);
    print_diagnostics(diagnostics, context.form, stderr);
    if (!rules) return exit_config;
    std::vector<RuleTableRow> rows = rule_table(*rules);
    const auto tripped = tripped_now(*config, *rules);
    const std::vector<TrippedRule> in_shadow = tripped ? *tripped : std::vector<TrippedRule>();
    if (context.form == OutputForm::json)
        print_json(rows, in_shadow);
    else
        print_table(std::move(rows), in_shadow);
    // The table is right but for what only the server's state knows.
    if (!tripped)
        print_error(
            {tripped.error().code,
             "which rules the circuit breaker has put into shadow is not known: " + tripped.error().message},
            context.form
        );
    return exit_ok;
}

}  // namespace wicket
