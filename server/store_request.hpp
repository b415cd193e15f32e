// How commands change the store: by a request to the running server, which has it, or else by opening it
// themselves; the same function answers in both. Blocking; the commands' side has one thread.
#pragma once

#include "base/record_id.hpp"
#include "base/result.hpp"
#include "server/commands.hpp"
#include "server/config.hpp"
#include "store/store.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace wicket {

/// As the configuration wants it kept, whoever opens it: what another retention would drop is gone.
StoreOptions store_options(const Config& config);

enum class MissingStore : std::uint8_t { is_made, is_error };
/// For a command, while no server runs; becomes the user whose store it is. not_found if there is none and
/// none is to be made.
Result<std::unique_ptr<Store>> open_to_change(const Config& config, MissingStore missing);

/// The line that the server answers, or `answer` on the store opened for writing, if no server runs.
/// not_found if there is no store yet: none is made.
Result<std::string> ask_or_open(
    const Config& config, const std::string& request, const std::function<std::string(Store&)>& answer
);

/// Who has called this command, for the ledger: the login name, behind sudo too; "uid 1000" without one.
std::string caller_name();

/// nullopt after the mistake was told: the command ends with exit_failed.
std::optional<RecordId> id_or_report(const std::string& text, OutputForm form);

}  // namespace wicket
