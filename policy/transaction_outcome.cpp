#include "policy/transaction_outcome.hpp"

#include <algorithm>

namespace wicket {

std::optional<std::size_t> refusing_recipient(const std::vector<const Verdict*>& verdicts) {
    // If one must come again, all do, and nothing is kept.
    const auto deferred = std::ranges::find_if(verdicts, [](const Verdict* one) { return defers(*one); });
    if (deferred != verdicts.end()) return static_cast<std::size_t>(deferred - verdicts.begin());
    const bool is_taken = std::ranges::any_of(verdicts, [](const Verdict* one) { return one->lets_pass(); });
    if (is_taken || verdicts.empty()) return std::nullopt;
    return 0;
}

std::size_t leading_recipient(const std::vector<const Verdict*>& verdicts) {
    const auto taker = std::ranges::find_if(verdicts, [](const Verdict* one) { return one->lets_pass(); });
    return taker != verdicts.end() ? static_cast<std::size_t>(taker - verdicts.begin()) : 0;
}

void tell(Verdict& recipient, const Verdict& told) {
    if (recipient.action == Action::none) {
        recipient = told;
    } else if (recipient.action != told.action) {
        recipient.action = told.action;
        recipient.stage = told.stage;
        recipient.rule = told.rule;
    }
    recipient.reply = told.reply;
}

}  // namespace wicket
