// The paragraph of `explain` that can be sent to whoever was refused: what became of the message, when, why,
// the remedy and the id, in plain words. It names nobody but the sender and, if there was only one, the
// recipient, and gives no more reasons than the reply gave. Pure; any thread.
#pragma once

#include "policy/record.hpp"

#include <string>

namespace wicket {

/// Lines of at most 76 columns; no control characters whatever peers said.
std::string sender_letter(const DecisionRecord& record);

}  // namespace wicket
