// From verdicts for each recipient to what a transaction is answered: there is one reply for all at the end
// of data (RFC 5321 section 4.2.5). The server and a replay ask the same functions. Pure; any thread.
#pragma once

#include "policy/verdict.hpp"

#include <cstddef>
#include <optional>
#include <vector>

namespace wicket {

inline bool defers(const Verdict& verdict) {
    return verdict.action == Action::defer || verdict.action == Action::greylist;
}

/// Which recipient's verdict refuses the whole message: one that must come again, for all must then; or the
/// first, if nobody takes it. nullopt: it is delivered to those who take it. Not for policy in shadow mode,
/// where everybody does.
std::optional<std::size_t> refusing_recipient(const std::vector<const Verdict*>& verdicts);

/// Whose verdict is that of the delivered transaction: the first who takes it, else the first.
std::size_t leading_recipient(const std::vector<const Verdict*>& verdicts);

/// What a recipient was told when all were answered `told`, whatever was decided for it alone.
void tell(Verdict& recipient, const Verdict& told);

}  // namespace wicket
