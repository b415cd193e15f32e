#include "policy/json_line.hpp"
#include "server/command_output.hpp"
#include "server/commands.hpp"
#include "server/config_check.hpp"
#include "server/control.hpp"
#include "server/descriptors.hpp"
#include "server/exit_codes.hpp"
#include "server/listener_limits.hpp"
#include "server/policy_state.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fmt/format.h>

namespace wicket {
namespace {

namespace json = boost::json;

/// A number where it is one: some have a unit.
json::value json_limit(const std::string& text) {
    std::int64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, number);
    if (read.ec == std::errc() && read.ptr == end) return number;
    return json::value(text);
}

/// The total that the listener would have if the server were started from here.
void show_effective_total(LimitRow& row, std::uint32_t total) {
    const std::string effective = std::to_string(total);
    if (row.name != "total" || row.value == effective) return;
    row.reason = fmt::format(
        "connections of this listener at a time, instead of {}: half of the {} descriptors that the process "
        "may have; all listeners together have {}",
        row.value,
        descriptor_limit(),
        connections_within(descriptor_limit())
    );
    row.value = effective;
}

void print_limits(const Config& config, OutputForm form) {
    for (const ListenerConfig& listener : config.listeners) {
        const std::string name = fmt::format("{} {}", to_string(listener.service), listener.address);
        if (form == OutputForm::text) fmt::print("{}\n", name);
        for (LimitRow& row : limit_rows(listener)) {
            show_effective_total(row, total_within(listener.connections.total, descriptor_limit()));
            if (form == OutputForm::text)
                fmt::print("  {:<22} {:>12}  {}\n", row.name, row.value, row.reason);
            else
                fmt::print(
                    "{}\n",
                    json_line(json::object{
                        {"listener", name                 },
                        {"limit",    row.name             },
                        {"value",    json_limit(row.value)},
                        {"reason",   row.reason           }
                })
                );
        }
    }
}

void warn_of_missing_postmaster(const Config& config, Diagnostics& diagnostics) {
    for (const DomainConfig& domain : config.domains) {
        if (domain.aliases.by_local_part.contains("postmaster") || !domain.aliases.catch_all.empty())
            continue;
        diagnostics.warning(
            {config.file, 0, 0},
            fmt::format(
                "postmaster@{} has no alias: unless it is an account, its mail is kept until an account of "
                "that name is added",
                domain.name
            )
        );
    }
}

/// `state` is nullptr if there were errors.
void print_check_summary(const Diagnostics& diagnostics, const PolicyState* state) {
    json::object summary{
        {"errors",   diagnostics.error_count()                              },
        {"warnings", diagnostics.sorted().size() - diagnostics.error_count()}
    };
    if (state != nullptr) {
        summary["rules"] = state->rules->rule_count();
        summary["dns_lists"] = state->dns_lists.size();
        summary["rules_hash"] = state->rules->hash();
    }
    fmt::print(
        "{}\n",
        json_line(json::object{
            {"summary", std::move(summary)}
    })
    );
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words)
        text += (text.empty() ? "" : "|") + word;
    return text;
}

}  // namespace

int check_command(const CommandContext& context, bool shows_limits) {
    Diagnostics diagnostics;
    const auto state = load_policy_state(context.config_file, {}, nullptr, diagnostics, PolicyLoading::check);
    if (state) {
        warn_of_missing_postmaster(*state->config, diagnostics);
        check_process_user(*state->config, diagnostics);
        check_certificates(*state->config, diagnostics);
        check_aliases(*state->config, diagnostics);
    }
    print_diagnostics(diagnostics, context.form, stdout);
    const bool is_good = !diagnostics.has_errors();
    if (is_good && shows_limits) print_limits(*state->config, context.form);
    if (context.form == OutputForm::json)
        print_check_summary(diagnostics, is_good ? state.get() : nullptr);
    else if (!is_good)
        std::fprintf(
            stderr,
            "%s: %zu %s\n",
            context.config_file.c_str(),
            diagnostics.error_count(),
            diagnostics.error_count() == 1 ? "mistake" : "mistakes"
        );
    else if (!shows_limits)
        fmt::print(
            "{}: good; {} rules, {} DNS lists, rules hash {}\n",
            context.config_file,
            state->rules->rule_count(),
            state->dns_lists.size(),
            state->rules->hash()
        );
    return is_good ? exit_ok : exit_config;
}

int facts_command(const CommandContext& context) {
    Diagnostics diagnostics;
    const auto state = load_policy_state(context.config_file, {}, nullptr, diagnostics, PolicyLoading::start);
    const FactDictionary core;
    const FactDictionary& dictionary = state ? *state->dictionary : core;
    std::vector<FactDeclaration> rows = dictionary.rows();
    std::ranges::sort(rows, {}, &FactDeclaration::name);
    for (const FactDeclaration& row : rows) {
        if (context.form == OutputForm::json) {
            json::array words;
            for (const std::string& word : row.words)
                words.emplace_back(word);
            fmt::print(
                "{}\n",
                json_line(json::object{
                    {"name",    row.name            },
                    {"type",    to_string(row.type) },
                    {"stage",   to_string(row.stage)},
                    {"filter",  row.filter          },
                    {"meaning", row.meaning         },
                    {"words",   std::move(words)    }
            })
            );
            continue;
        }
        const std::string type(to_string(row.type));
        fmt::print(
            "{:<26} {:<16} {:<8} {:<10} {}{}\n",
            row.name,
            type,
            to_string(row.stage),
            row.filter,
            row.meaning,
            row.words.empty() ? "" : " (" + joined(row.words) + ")"
        );
    }
    // Nobody has configured anything yet: that is no mistake, and the dictionary is what was asked for.
    const bool is_unconfigured =
        context.config_file == usual_config_file && !std::filesystem::exists(usual_config_file);
    if (state || is_unconfigured) return exit_ok;
    print_diagnostics(diagnostics, context.form, stderr);
    print_error(
        {ErrorCode::invalid,
         context.config_file + " cannot be read, so these are the facts without its block lists"},
        context.form
    );
    return exit_config;
}

int rules_test_command(const CommandContext& context) {
    const auto config = config_for(context);
    if (!config) return exit_config;
    Diagnostics diagnostics;
    const auto rules = load_rules(config->rules, diagnostics);
    print_diagnostics(diagnostics, context.form, stdout);
    if (!rules) return exit_config;
    std::size_t failed = 0;
    const std::vector<RuleTestResult> results = run_rule_tests(*rules);
    for (const RuleTestResult& result : results) {
        failed += result.passed ? 0 : 1;
        if (context.form == OutputForm::json)
            fmt::print(
                "{}\n",
                json_line(json::object{
                    {"name",       result.name             },
                    {"place",      result.place.to_string()},
                    {"passed",     result.passed           },
                    {"difference", result.difference       }
            })
            );
        else if (!result.passed)
            fmt::print("{}: FAILED: {}: {}\n", result.place.to_string(), result.name, result.difference);
    }
    if (context.form == OutputForm::text)
        fmt::print("{} tests passed, {} failed\n", results.size() - failed, failed);
    else
        fmt::print(
            "{}\n",
            json_line(json::object{
                {"summary", json::object{{"passed", results.size() - failed}, {"failed", failed}}}
        })
        );
    return failed == 0 ? exit_ok : exit_failed;
}

namespace {

void print_status_line(std::string_view name, std::string_view value) {
    fmt::print("{:<16} {}\n", name, value);
}

std::string text_at(const json::object& row, const std::string& name) {
    const json::value* text = row.if_contains(name);
    return text != nullptr && text->is_string() ? std::string(text->get_string()) : std::string();
}

/// `prefix` as the server's answer has it.
std::string standing_words(const json::object& row, const std::string& prefix) {
    const std::string since = text_at(row, prefix + "since");
    const std::string reason = text_at(row, prefix + "reason");
    return (reason.empty() ? "in use" : "off") + (since.empty() ? "" : " since " + since) +
           (reason.empty() ? "" : ": " + reason);
}

void print_dns_lists(const json::array& rows) {
    for (const json::value& value : rows) {
        if (!value.is_object()) continue;
        const json::object& row = value.get_object();
        const std::string list = fmt::format("{} ({})", text_at(row, "list"), text_at(row, "zone"));
        print_status_line("dns_list", list + " is " + standing_words(row, ""));
        if (row.contains("ipv6_reason"))
            print_status_line("dns_list", list + ", IPv6, is " + standing_words(row, "ipv6_"));
    }
}

}  // namespace

int status_command(const CommandContext& context) {
    const auto config = config_for(context);
    if (!config) return exit_config;
    const auto answer = ask_server(config->state, R"({"do":"status"})");
    if (!answer) return report(answer.error(), context.form);
    if (context.form == OutputForm::json) {
        fmt::print("{}\n", *answer);
        return exit_ok;
    }
    boost::system::error_code error;
    const json::value parsed = json::parse(*answer, error);
    if (error || !parsed.is_object())
        return report({ErrorCode::io, "the server's answer cannot be read"}, context.form);
    for (const auto& [name, value] : parsed.get_object()) {
        if (name == "ok") continue;
        if (name == "dns_lists" && value.is_array())
            print_dns_lists(value.get_array());
        else
            print_status_line(name, json_line(value));
    }
    return exit_ok;
}

}  // namespace wicket
