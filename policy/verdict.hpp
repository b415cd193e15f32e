// What policy says: an action, the reply, who decided, and how the points add up. Values; any thread.
#pragma once

#include "mail/smtp_reply.hpp"
#include "mail/stage.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wicket {

/// Ordered from the mildest to the hardest as far as `worst` of an override is concerned.
enum class Action : std::uint8_t {
    none,        // nothing was asked or decided yet
    accept,      // delivered to INBOX
    junk,        // delivered to Junk
    quarantine,  // kept for the administrator; the sender reads 250
    greylist,    // 451 4.7.1
    defer,       // 451
    discard,     // 250, and dropped
    reject,      // 5xx
    disconnect,  // 5xx or 421, and the connection is closed
};

std::string_view to_string(Action action);
std::optional<Action> parse_action(std::string_view word);

/// Whether what decided is an invariant, which no rule can change.
inline bool is_builtin_rule(std::string_view rule) {
    return rule.starts_with("builtin:");
}

enum class RuleMode : std::uint8_t { enforce, shadow, off };
std::string_view to_string(RuleMode mode);

/// A rule that hit. A shadow hit changes nothing, and its points are in no sum.
struct RuleHit {
    std::string rule;
    double points = 0;
    RuleMode mode = RuleMode::enforce;
    Action action = Action::none;  // of its `then`; none for points only

    bool operator==(const RuleHit&) const = default;
};

struct Verdict {
    Action action = Action::none;
    Stage stage = Stage::connect;
    std::string rule;   // a rule's id, threshold:junk, threshold:reject, builtin:..., default
    SmtpReply reply;    // as it goes out, but without the id at its end
    double points = 0;  // of the enforced hits
    std::vector<RuleHit> hits;
    std::vector<std::string> unknown_rules;                               // rules whose condition was unknown
    bool answer_now = false;                                              // not postponed to RCPT
    std::vector<std::pair<std::string, std::string>> added_headers = {};  // by add-header
    /// Before the end: whether it could have come out otherwise had every fact been known. Not recorded.
    bool hangs_on_unknown = false;

    bool operator==(const Verdict&) const = default;
    /// Whether SMTP goes on: nothing was decided, or the message is taken.
    bool lets_pass() const { return action <= Action::quarantine || action == Action::discard; }
};

}  // namespace wicket
