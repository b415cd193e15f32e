// What the commands share: reading the configuration with its mistakes told, and telling errors.
#pragma once

#include "base/diagnostic.hpp"
#include "base/result.hpp"
#include "server/commands.hpp"
#include "server/config.hpp"

#include <memory>
#include <string>

namespace wicket {

/// Each on standard error as text, or on standard output as JSON.
void print_diagnostics(const Diagnostics& diagnostics, OutputForm form);
/// nullptr after the mistakes were printed: the command ends with exit_config.
std::shared_ptr<const Config> config_for(const CommandContext& context);
/// Prints `error`; returns the exit code that fits.
int report(const Error& error);

}  // namespace wicket
