#include "server/command_line.hpp"

#include "base/diagnostic.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "policy/record_groups.hpp"
#include "server/command_output.hpp"
#include "server/commands.hpp"
#include "server/exit_codes.hpp"
#include "server/serve.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <exception>
#include <new>
#include <system_error>

namespace wicket {
namespace {

/// `.`, `/etc/...`: without -c the environment and then the usual place say which file.
std::string default_config_file() {
    // Only read before any other thread exists.
    const char* named = std::getenv("MAILWICKET_CONFIG");  // NOLINT(concurrency-mt-unsafe)
    return named != nullptr && *named != '\0' ? std::string(named) : std::string(usual_config_file);
}

// A negative number that is read as an unsigned one would be no limit at all.
constexpr std::int64_t budget_limit = 1'000'000'000'000;

struct Words {
    CommandContext context{default_config_file(), OutputForm::text};
    bool is_json = false;  // as CLI11 read it; `context` has it before that, for errors of reading
    bool shows_limits = false;
    std::string verb, address, id;
    std::string log_format = "text";
    LogOptions log;
    SuspectsOptions suspects;
    WhatIfOptions whatif;
    AllowOptions allow;
    std::string since;
    std::vector<std::string> negated_terms;
    FeedbackOptions feedback;
    ExportOptions exported;
    std::string release_to;
    QuarantineOptions quarantine;
};

CLI::App* add_command(
    CLI::App& app,
    Words& words,
    const std::string& name,
    const std::string& description,
    const std::string& example
) {
    CLI::App* command = app.add_subcommand(name, description);
    command->add_option("-c,--config", words.context.config_file, "the configuration file")
        ->capture_default_str();
    command->add_flag("--json", words.is_json, "JSON, one object a line");
    command->footer("Example:\n  " + example);
    return command;
}

std::string joined_fields() {
    std::string text;
    for (const std::string& field : RecordGroups::fields())
        text += field + ", ";
    return text + "fact:NAME";
}

// The query language in short; docs/tuning.md tells it.
constexpr const char* query_terms =
    "verdict: from: to: ip: rule: helo: id: stage: fact:NAME=PATTERN 'fact:NAME>NUMBER' 'score>N' since: "
    "until: label:spam|ham|none released:yes|no|WHO";

/// What people do about a decision.
void add_aftermath_commands(CLI::App& app, Words& words) {
    CLI::App* quarantine = add_command(
        app,
        words,
        "quarantine",
        "The messages that are kept for people to look at, newest last: from whom, whom they were kept from, "
        "why, and until when; terms as of log",
        "mailwicket quarantine --since 7d to:alice@example.test released:no\n"
        "  mailwicket quarantine verdict:quarantine --json"
    );
    quarantine->add_option("query", words.quarantine.query, query_terms);
    quarantine->add_option("--since", words.quarantine.since, "90m, 2h, 7d, or 2026-01-31");
    CLI::App* release = add_command(
        app,
        words,
        "release",
        "Deliver a message of the quarantine into the INBOX of its recipients, once",
        "mailwicket release 1OMP6CV5GK5G2H8A0000 --to alice@example.test"
    );
    release->add_option("id", words.id, "the last word of a reply: id=ID")->required();
    release->add_option("--to", words.release_to, "an address of ours, in place of its own recipients");
    CLI::App* feedback = add_command(
        app,
        words,
        "feedback",
        "Label a decision ham or spam; --undo takes the last label back",
        "mailwicket feedback 1OMP6CV5GK5G2H8A0000 ham"
    );
    feedback->add_option("id", words.feedback.id, "the last word of a reply: id=ID")->required();
    feedback->add_option("label", words.feedback.label, "ham or spam")->check(CLI::IsMember({"ham", "spam"}));
    feedback->add_flag("--undo", words.feedback.is_undo, "take the last label back");
    add_command(
        app,
        words,
        "forget",
        "Delete all records in which an address is sender or recipient, and the messages kept of them",
        "mailwicket forget somebody@example.org"
    )
        ->add_option("address", words.address, "user@domain, in any case of letters")
        ->required();
    CLI::App* exported = add_command(
        app,
        words,
        "export",
        "Write a record, and its message, to a file that `rules test` reads",
        "mailwicket export 1OMP6CV5GK5G2H8A0000 --message --output rules/lost.json"
    );
    exported->add_option("id", words.exported.id, "the last word of a reply: id=ID")->required();
    exported->add_option("--output", words.exported.output, "a new file; else standard output");
    exported->add_flag("--message", words.exported.with_message, "the message too, as received: FILE.eml");
}

void add_commands(CLI::App& app, Words& words) {
    add_command(
        app,
        words,
        "serve",
        "Run the server; SIGHUP reloads, SIGTERM drains",
        "mailwicket serve -c mailwicket.toml"
    )
        ->add_option("--log", words.log_format, "text or json")
        ->check(CLI::IsMember({"text", "json"}));
    add_command(
        app,
        words,
        "check",
        "Check configuration, rules and lists; exit 78 if there is a mistake",
        "mailwicket check --limits"
    )
        ->add_flag("--limits", words.shows_limits, "show every limit with its reason");
    CLI::App* account = add_command(
        app,
        words,
        "account",
        "Add, change, list or delete accounts; a password is one line on standard input",
        "printf '%s\\n' 'correct horse' | mailwicket account add alice@example.test\n"
        "Exit codes besides those of all commands: 67 there is no such account, 73 it exists already"
    );
    account->add_option("verb", words.verb, "add, passwd, list or delete")
        ->required()
        ->check(CLI::IsMember({"add", "passwd", "list", "delete"}));
    account->add_option("address", words.address, "user@domain");
    CLI::App* log = add_command(
        app,
        words,
        "log",
        "Decisions, newest last; terms FIELD:PATTERN must all hold, a leading - negates one",
        "mailwicket log verdict:reject -from:*@example.org ip:192.0.2.0/24 --since 1h\n"
        "  mailwicket log 'score>8' fact:spf.result=fail --by sender-domain\n"
        "  mailwicket log verdict:reject label:ham --since 30d\n"
        "  mailwicket log verdict:reject --since 7d --chart"
    );
    log->add_option("query", words.log.query, query_terms);
    log->add_option("--since", words.log.since, "90m, 2h, 7d, or 2026-01-31");
    log->add_flag("-f,--follow", words.log.follows, "wait for more");
    log->add_option("--by", words.log.by, "count by " + joined_fields());
    log->add_flag("--chart", words.log.charts, "count over time");
    log->prefix_command(false);
    CLI::App* suspects = add_command(
        app,
        words,
        "suspects",
        "Refusals ranked by signs that they were mistakes; terms as of log",
        "mailwicket suspects --since 7d rule:spamhaus-zen"
    );
    suspects->add_option("query", words.suspects.query, "terms as of log");
    suspects->add_option("--since", words.suspects.since, "2h, 7d, or 2026-01-31")->capture_default_str();
    suspects->add_option("-n,--count", words.suspects.count, "so many")
        ->capture_default_str()
        ->check(CLI::Range(1, 100'000));
    suspects->add_flag("--deferred", words.suspects.deferred_too, "greylisted and deferred ones too");
    suspects->add_flag(
        "--judged", words.suspects.judged_too, "those that have a label or were released, too"
    );
    CLI::App* allow = add_command(
        app,
        words,
        "allow",
        "Propose the narrowest exception for a message that was refused, with what else it would have let in",
        "mailwicket allow --from 1OMP6CV5GK5G2H8A0000 --days 30\n"
        "  mailwicket allow --from 1OMP6CV5GK5G2H8A0000 --write rules/90-exceptions.toml"
    );
    allow->add_option("--from", words.allow.id, "the id of the refusal")->required();
    allow->add_option("--days", words.allow.days, "until it expires")
        ->capture_default_str()
        ->check(CLI::Range(1, 3650));
    allow->add_option("--since", words.allow.since, "how far back to look for what else it would let in")
        ->capture_default_str();
    allow->add_option("-n,--count", words.allow.count, "so many of those are named")
        ->capture_default_str()
        ->check(CLI::Range(0, 100'000));
    allow->add_option("--write", words.allow.file, "append it to this file, which is read with the rules");
    add_command(
        app,
        words,
        "explain",
        "The whole story of one decision; --json prints its record",
        "mailwicket explain 1OMP6CV5GK5G2H8A0000"
    )
        ->add_option("id", words.id, "the last word of a reply: id=ID")
        ->required();
    CLI::App* whatif = add_command(
        app,
        words,
        "whatif",
        "What other rules would have decided of recorded mail; never asks the network",
        "mailwicket whatif --rules rules.new --since 14d --budget 20 verdict:reject"
    );
    whatif->add_option("--rules", words.whatif.rules, "a folder in place of all rule folders; may come again")
        ->allow_extra_args(false);
    whatif->add_option("query", words.whatif.query, "as of log");
    whatif->add_option("--since", words.whatif.since, "90m, 2h, 7d, or 2026-01-31");
    whatif->add_option("--budget", words.whatif.budget, "exit 1 if more decisions change")
        ->check(CLI::Range(std::int64_t{0}, budget_limit));
    whatif
        ->add_option(
            "--budget-lost-ham",
            words.whatif.budget_lost_ham,
            "exit 1 if more accepted mail would not reach INBOX"
        )
        ->check(CLI::Range(std::int64_t{0}, budget_limit));
    whatif->add_flag(
        "--exact", words.whatif.is_exact, "exit 1 if anything differs, in points or replies too"
    );
    whatif->add_flag(
        "--undecidable", words.whatif.tells_undecidable, "under --json, also what cannot be decided"
    );
    whatif->add_flag(
        "--reexamine",
        words.whatif.reexamines,
        "run checks again for facts that the records lack, from recorded DNS answers and kept messages"
    );
    add_command(
        app, words, "facts", "The dictionary of all facts that rules can speak of", "mailwicket facts --json"
    );
    CLI::App* rules = add_command(
        app,
        words,
        "rules",
        "test: run the [[test]] blocks; show: what is in force, and where it stands; hits: how often each "
        "rule hit and decided; reset: end what the circuit breaker has done to a rule",
        "mailwicket rules test\n  mailwicket rules show --json\n  mailwicket rules hits --since 7d\n  "
        "mailwicket rules reset spamhaus-zen"
    );
    rules->add_option("verb", words.verb, "test, show, hits or reset")
        ->required()
        ->check(CLI::IsMember({"test", "show", "hits", "reset"}));
    rules->add_option("rule", words.id, "of reset: the rule that the circuit breaker put into shadow");
    rules->add_option("--since", words.since, "of hits: 2h, 7d, or 2026-01-31; default: everything");
    add_command(app, words, "verify", "Read the whole store and name what is damaged", "mailwicket verify");
    add_command(
        app, words, "status", "Counters and process ids of the running server", "mailwicket status --json"
    );
    add_aftermath_commands(app, words);
    app.require_subcommand(1);
    app.footer(
        "Every command takes -c FILE, --json (errors too are objects then, on standard error) and --help.\n"
        "Exit codes: 0 done; 1 the id is unknown, a test failed, the store is damaged; 64 wrong usage; 69 "
        "no\n"
        "server, no store; 70 a bug of mailwicket; 75 try again, or the output cannot be written; 78 a "
        "mistake in\nthe configuration, or a store of a newer version"
    );
}

int run(const std::string& command, Words& words) {
    if (command == "serve") {
        const bool is_json = words.is_json || words.log_format == "json";
        configure_log(is_json ? LogFormat::json : LogFormat::text, LogLevel::info);
        return run_server(words.context.config_file, words.context.form);
    }
    configure_log(LogFormat::text, LogLevel::warning);
    if (command == "check") return check_command(words.context, words.shows_limits);
    if (command == "account") {
        if (words.verb != "list" && words.address.empty()) {
            return report(
                {ErrorCode::invalid, "account " + words.verb + ": ADDRESS is missing"}, words.context.form
            );
        }
        return account_command(words.context, words.verb, words.address);
    }
    for (std::vector<std::string>* query :
         {&words.log.query, &words.suspects.query, &words.whatif.query, &words.quarantine.query})
        query->insert(query->end(), words.negated_terms.begin(), words.negated_terms.end());
    if (command == "log") return log_command(words.context, words.log);
    if (command == "whatif") return whatif_command(words.context, words.whatif);
    if (command == "explain") return explain_command(words.context, words.id);
    if (command == "quarantine") return quarantine_command(words.context, words.quarantine);
    if (command == "release") return release_command(words.context, words.id, words.release_to);
    if (command == "feedback") {
        if (words.feedback.label.empty() != words.feedback.is_undo)
            return report(
                {ErrorCode::invalid, "feedback ID: one of ham, spam and --undo is wanted"}, words.context.form
            );
        return feedback_command(words.context, words.feedback);
    }
    if (command == "forget") return forget_command(words.context, words.address);
    if (command == "export") return export_command(words.context, words.exported);
    if (command == "facts") return facts_command(words.context);
    if (command == "allow") return allow_command(words.context, words.allow);
    if (command == "suspects") return suspects_command(words.context, words.suspects);
    if (command == "rules" && words.verb != "reset" && !words.id.empty())
        return report(
            {ErrorCode::invalid, "rules " + words.verb + " takes no rule: \"" + words.id + '"'},
            words.context.form
        );
    if (command == "rules" && words.verb == "reset") {
        if (words.id.empty())
            return report({ErrorCode::invalid, "rules reset: the rule's id is missing"}, words.context.form);
        return rules_reset_command(words.context, words.id);
    }
    if (command == "rules" && words.verb == "hits") return rules_hits_command(words.context, words.since);
    if (command == "rules" && words.verb == "show") return rules_show_command(words.context);
    if (command == "rules") return rules_test_command(words.context);
    if (command == "verify") return verify_command(words.context);
    return status_command(words.context);
}

/// "-verdict:accept" and "-score>5" are terms that are turned round, though they look like options.
bool is_negated_term(std::string_view word) {
    const std::size_t end = word.find_first_of(":<>=");
    if (!word.starts_with('-') || end == std::string_view::npos || end < 2) return false;
    return std::ranges::all_of(word.substr(1, end - 1), [](char c) { return is_letter_or_digit(c); });
}

/// Takes such terms out of the arguments, which are left for the reader of options.
std::vector<std::string> split_negated_terms(int argc, char** argv, Words& words) {
    std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
    constexpr std::array<std::string_view, 4> asking = {"log", "suspects", "whatif", "quarantine"};
    if (arguments.empty() || std::ranges::find(asking, arguments.front()) == asking.end()) return arguments;
    std::vector<std::string> rest;
    for (std::string& word : arguments)
        (is_negated_term(word) ? words.negated_terms : rest).push_back(std::move(word));
    return rest;
}

/// A reader that has gone wanted no more, and nothing is wrong.
int output_failed(const std::system_error& error, OutputForm form) {
    if (error.code() == std::errc::broken_pipe) return exit_ok;
    return report({ErrorCode::io, error.what()}, form);
}

/// What no command expects; their outputs are whole, or they fail.
int run_guarded(const std::string& command, Words& words) {
    const OutputForm form = words.context.form;
    try {
        const int code = run(command, words);
        if (command != "serve") flush_output();
        return code;
    } catch (const std::system_error& error) {
        return output_failed(error, form);
    } catch (const std::bad_alloc&) {
        return report({ErrorCode::busy, "out of memory"}, form);
    } catch (const std::exception& error) {
        print_error(
            {ErrorCode::unavailable, std::string("this is a bug of mailwicket: ") + error.what()}, form
        );
        return exit_software;
    }
}

/// What is wrong with the word that stands where the command is expected; "" if it is one, or if there is
/// none.
std::string command_fault(const CLI::App& app, const std::vector<std::string>& arguments) {
    const auto first =
        std::ranges::find_if(arguments, [](const std::string& word) { return !word.starts_with('-'); });
    if (first == arguments.end() || std::find(arguments.begin(), first, "-c") != first) return {};
    const std::string& word = *first;
    std::vector<std::string> names;
    for (const CLI::App* command : app.get_subcommands(nullptr))
        names.push_back(command->get_name());
    if (std::ranges::find(names, word) != names.end()) return {};
    const std::string near = nearest_word(word, names);
    return "there is no command \"" + word + '"' +
           (near.empty() ? "; mailwicket --help lists them" : "; did you mean \"" + near + "\"?");
}

/// Help, or what is wrong with the words.
int exit_of_parsing(const CLI::App& app, const CLI::ParseError& error, OutputForm form) {
    if (error.get_exit_code() != 0 && form == OutputForm::json)
        return report({ErrorCode::invalid, error.what()}, form);
    if (app.exit(error) != 0) return exit_usage;
    try {
        flush_output();
    } catch (const std::system_error& failed) {
        return output_failed(failed, form);
    }
    return exit_ok;
}

}  // namespace

int run_command_line(int argc, char** argv) {
    CLI::App app("Mailwicket: the mail server that can explain its decisions", "mailwicket");
    Words words;
    add_commands(app, words);
    std::vector<std::string> arguments = split_negated_terms(argc, argv, words);
    if (std::ranges::find(arguments, "--json") != arguments.end()) words.context.form = OutputForm::json;
    if (const std::string fault = command_fault(app, arguments); !fault.empty())
        return report({ErrorCode::invalid, fault}, words.context.form);
    std::ranges::reverse(arguments);  // as CLI11 wants them
    try {
        app.parse(std::move(arguments));
    } catch (const CLI::ParseError& error) {
        return exit_of_parsing(app, error, words.context.form);
    }
    return run_guarded(app.get_subcommands().front()->get_name(), words);
}

}  // namespace wicket
