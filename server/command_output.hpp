// What the commands share: reading the configuration with its mistakes told, and telling errors. What was
// asked for goes to standard output, errors to standard error: as text, or under --json as objects {"error",
// "code"}, one a line. Standard output that cannot be written is an exception, which
// server/command_line.cpp catches.
#pragma once

#include "base/diagnostic.hpp"
#include "base/result.hpp"
#include "policy/rules.hpp"
#include "server/commands.hpp"
#include "server/config.hpp"
#include "store/store.hpp"

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

/// Each on standard error as text, or on `json_output` as JSON.
void print_diagnostics(const Diagnostics& diagnostics, OutputForm form, std::FILE* json_output);
/// nullptr after the mistakes were printed: the command ends with exit_config.
std::shared_ptr<const Config> config_for(const CommandContext& context);

/// Of these folders; nullptr after their mistakes were printed: the command ends with exit_config.
std::shared_ptr<const RuleSet> rules_for(const std::vector<std::string>& folders, OutputForm form);

/// On standard error, whether or not that can be written.
void print_error(const Error& error, OutputForm form);
/// Prints `error`; returns the exit code that fits.
int report(const Error& error, OutputForm form);
/// For reading only. not_found if there is no store yet; unavailable if this user may not read it.
Result<std::unique_ptr<Store>> open_reader(const Config& config);
Result<std::unique_ptr<Store>> open_snapshot(const Config& config);
/// As report(), of an error in opening the store: no store is `unavailable`, and one that a newer version
/// wrote is a fault of the installation.
int report_of_store(const Error& error, OutputForm form);

/// "not_found", "exists" ...: the code of an error in JSON, and back; what is unknown is `unavailable`.
std::string_view error_word(ErrorCode code);
ErrorCode error_of_word(std::string_view word);

/// Writes what standard output holds; throws std::system_error if it cannot.
void flush_output();

}  // namespace wicket
