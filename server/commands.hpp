// The commands besides `serve`, one function each; server/command_line.cpp reads the words they are called
// with. Each returns its exit code (server/exit_codes.hpp), writes what was asked for to standard output and
// everything else to standard error.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

enum class OutputForm : bool { text, json };

// Where a package puts it; neither -c nor the environment has to name it.
inline constexpr std::string_view usual_config_file = "/etc/mailwicket/mailwicket.toml";

struct CommandContext {
    std::string config_file;
    OutputForm form = OutputForm::text;
};

int check_command(const CommandContext& context, bool shows_limits);
/// `verb`: add, passwd, list, delete. add and passwd read the password as one line from standard input.
int account_command(const CommandContext& context, const std::string& verb, const std::string& address);
struct LogOptions {
    std::vector<std::string> query;
    std::string since;  // a duration, or an RFC 3339 date or time; empty: everything
    bool follows = false;
    std::string by;       // of RecordGroups; empty: no groups
    bool charts = false;  // counts over time
};
int log_command(const CommandContext& context, const LogOptions& options);
struct SuspectsOptions {
    std::vector<std::string> query;
    std::string since = "14d";
    std::size_t count = 20;
    bool deferred_too = false;
    bool judged_too = false;  // those that were labelled or released
};
/// Refusals ranked by signs that they were mistakes.
int suspects_command(const CommandContext& context, const SuspectsOptions& options);
struct AllowOptions {
    std::string id;
    std::string since = "14d";
    std::string file;  // to append to; empty: nothing is written
    int days = 90;
    std::size_t count = 20;
};
/// Proposes the narrowest exception that would have let a refused message in.
int allow_command(const CommandContext& context, const AllowOptions& options);
int explain_command(const CommandContext& context, const std::string& id);
/// Delivers a message of the quarantine; `to`: an address in place of its own recipients, or empty.
int release_command(const CommandContext& context, const std::string& id, const std::string& to);
struct QuarantineOptions {
    std::vector<std::string> query;
    std::string since;
};
/// The messages of the quarantine, newest last.
int quarantine_command(const CommandContext& context, const QuarantineOptions& options);
/// Removes every record in which the address is sender or recipient, with the messages kept of them.
int forget_command(const CommandContext& context, const std::string& address);
struct FeedbackOptions {
    std::string id;
    std::string label;  // ham, spam
    bool is_undo = false;
};
int feedback_command(const CommandContext& context, const FeedbackOptions& options);
struct ExportOptions {
    std::string id;
    std::string output;  // empty: standard output
    bool with_message = false;
};
int export_command(const CommandContext& context, const ExportOptions& options);
struct WhatIfOptions {
    std::vector<std::string> rules;  // folders, in place of the configuration's
    std::vector<std::string> query;
    std::string since;
    std::optional<std::uint64_t> budget;  // exit_failed if more change
    std::optional<std::uint64_t>
        budget_lost_ham;    // exit_failed if more that was accepted does not reach INBOX
    bool is_exact = false;  // under the rules of the time: any difference counts, in points and replies too
    bool tells_undecidable = false;  // each of them under --json, too
    bool reexamines = false;         // checks run again for facts that the records lack
};
/// What other rules would have decided of the past.
int whatif_command(const CommandContext& context, const WhatIfOptions& options);
int facts_command(const CommandContext& context);
/// Runs the [[test]] blocks.
int rules_test_command(const CommandContext& context);
/// Ends what the circuit breaker did to a rule.
int rules_reset_command(const CommandContext& context, const std::string& rule);
/// Per rule and per block list: how often it hit, decided, and decided alone.
int rules_hits_command(const CommandContext& context, const std::string& since);
/// Rules, thresholds, overrides and lists in force, with their places.
int rules_show_command(const CommandContext& context);
/// Reads every message and row of the store and names what is damaged.
int verify_command(const CommandContext& context);
/// What the running server counts, and the ids of its processes.
int status_command(const CommandContext& context);

}  // namespace wicket
