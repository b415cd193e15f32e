#include "policy/record_story.hpp"

#include "base/log.hpp"
#include "base/sha256.hpp"
#include "mail/unknown_reasons.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <set>
#include <utility>

namespace wicket {
namespace {

// One value fills no more of the screen than this; --json has it whole.
constexpr std::size_t value_limit_octets = 300;

std::string shown(std::string_view value) {
    return escape_for_log(value, value_limit_octets);
}

std::string points_text(double points) {
    return fmt::format("{:+g}", points);
}

std::string reply_text(const SmtpReply& reply) {
    std::string text =
        fmt::format("{}{}{}", reply.code, reply.enhanced.empty() ? "" : " ", shown(reply.enhanced));
    std::string_view rest = reply.text;
    if (!rest.empty()) text += ' ';
    while (!rest.empty()) {
        const auto end = rest.find('\n');
        text += escape_for_log(rest.substr(0, end), 1000);
        if (end == std::string_view::npos) break;
        text += "\n           ";
        rest.remove_prefix(end + 1);
    }
    return text;
}

std::string_view headline_verb(Action action) {
    switch (action) {
        case Action::none: return "Nothing was decided about";
        case Action::accept: return "Accepted";
        case Action::junk: return "Delivered to Junk:";
        case Action::quarantine: return "Quarantined:";
        case Action::greylist: return "Greylisted:";
        case Action::defer: return "Deferred:";
        case Action::discard: return "Discarded:";
        case Action::reject: return "Rejected:";
        case Action::disconnect: return "Rejected and disconnected:";
    }
    return "Decided:";
}

class Story {
public:
    Story(const StoredRecord& stored, const StoryContext& context)
        : stored_(stored), context_(context), evidence_(stored, context.zones) {}

    std::string tell() {
        tell_head();
        tell_decision("Decision", record_.verdict, context_.basis);
        for (std::size_t at = 0; at < record_.recipients.size(); ++at)
            tell_recipient(record_.recipients[at], basis_of_recipient(at));
        tell_rules();
        tell_flips();
        tell_events();
        tell_facts("Facts", record_.facts);
        tell_unknown();
        tell_not_looked_at();
        tell_dns();
        text_ += record_aftermath_story(record_);
        tell_rest();
        tell_letter();
        return std::move(text_);
    }

private:
    template <class... Arguments>
    void add(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
        fmt::format_to(std::back_inserter(text_), format, std::forward<Arguments>(arguments)...);
        text_ += '\n';
    }

    std::string rule_text(const std::string& rule) const {
        const std::string origin = context_.origin_of ? context_.origin_of(rule) : std::string();
        return origin.empty() ? shown(rule) : fmt::format("{} ({})", shown(rule), shown(origin));
    }

    void tell_head() {
        const std::string sender =
            record_.has_from ? "mail from <" + shown(record_.from) + ">" : "a connection";
        add("{} {} by {}",
            headline_verb(record_.verdict.action),
            sender,
            record_.verdict.rule.empty() ? "no rule" : shown(record_.verdict.rule));
        add("");
        add("  id       {}", record_.id.to_string());
        add("  time     {}", to_rfc3339(record_.time));
        add("  client   {}[{}]:{}",
            record_.client_name.empty() ? "unknown" : shown(record_.client_name),
            is_client_known(record_) ? record_.client_ip.to_string() : "unknown",
            record_.client_port);
        if (!record_.helo.empty()) add("  helo     {}", shown(record_.helo));
        if (!record_.tls_version.empty())
            add("  tls      {} {}", shown(record_.tls_version), shown(record_.tls_cipher));
        if (!record_.listener.empty()) add("  listener {}", shown(record_.listener));
        for (const RecordRecipient& recipient : record_.recipients)
            add("  to       <{}>", shown(recipient.address));
        if (record_.size != 0) add("  size     {} octets", record_.size);
        if (!record_.reply.text.empty()) add("  reply    {}", reply_text(record_.reply));
        if (record_.policy_shadow)
            add("  The policy ran in shadow mode: the verdict was recorded, and the mail accepted.");
        for (const std::string& rule : record_.rules_in_shadow)
            add("  The circuit breaker had put the rule {} into shadow.", shown(rule));
        if (record_.is_open) add("  It had not ended when this was written.");
        if (record_.folded_count > 1) {
            add("  This row stands for {} equal refusals, the last at {}.",
                record_.folded_count,
                to_rfc3339(record_.folded_last));
        }
    }

    const VerdictBasis& basis_of_recipient(std::size_t at) const {
        return at < context_.of_recipients.size() ? context_.of_recipients[at] : context_.basis;
    }

    void tell_decision(std::string_view title, const Verdict& verdict, const VerdictBasis& basis) {
        add("");
        add("{}: {} at {}", title, to_string(verdict.action), to_string(verdict.stage));
        if (!verdict.rule.empty()) add("  decided by {}", rule_text(verdict.rule));
        if (basis.worst != Action::none)
            add("  {} no worse than {}",
                basis.worst_place.empty()
                    ? "postmaster must be reachable (RFC 5321 section 4.5.1), which allows"
                    : "the override " + shown(basis.worst_place) + " allows",
                to_string(basis.worst));
        std::string sum;
        std::size_t summands = 0;
        for (const RuleHit& hit : verdict.hits) {
            const bool counts = hit.mode == RuleMode::enforce;
            if (counts && hit.points != 0) {
                sum += summands == 0
                           ? fmt::format("{:g}", hit.points)
                           : fmt::format(" {} {:g}", hit.points < 0 ? '-' : '+', std::abs(hit.points));
                ++summands;
            }
            const std::string effect =
                hit.action != Action::none ? std::string(to_string(hit.action)) : points_text(hit.points);
            add("  {:>10}  {}{}", effect, rule_text(hit.rule), counts ? "" : "  [shadow: without effect]");
        }
        if (summands != 0 || verdict.points != 0) {
            if (summands > 1)
                add("  {:>10}  in total: {} = {:g}{}",
                    fmt::format("{:g}", verdict.points),
                    sum,
                    verdict.points,
                    thresholds_text(basis));
            else
                add("  {:>10}  in total{}", fmt::format("{:g}", verdict.points), thresholds_text(basis));
        }
        for (const std::string& rule : verdict.unknown_rules)
            add("  {:>10}  {}", "unknown", rule_text(rule));
    }

    static std::string thresholds_text(const VerdictBasis& basis) {
        if (!basis.thresholds) return {};
        return fmt::format(
            "; junk from {:g}, refused from {:g}", basis.thresholds->junk, basis.thresholds->reject
        );
    }

    void tell_rules() {
        if (!context_.basis.rule_text.empty() || !context_.rules_note.empty())
            tell_rule("The deciding rule", context_.basis, context_.rules_note);
        std::set<std::string> told = {context_.basis.rule_place};
        for (std::size_t at = 0; at < record_.recipients.size(); ++at) {
            const VerdictBasis& basis = basis_of_recipient(at);
            if (!basis.rule_text.empty() && told.insert(basis.rule_place).second)
                tell_rule("What decided for <" + shown(record_.recipients[at].address) + ">", basis, "");
        }
    }

    void tell_rule(std::string_view title, const VerdictBasis& basis, std::string_view note) {
        add("");
        add("{}{}{}", title, basis.rule_place.empty() ? "" : ", ", shown(basis.rule_place));
        if (!note.empty()) add("  ({})", note);
        std::string_view rest = basis.rule_text;
        while (!rest.empty()) {
            const std::size_t end = rest.find('\n');
            add("  | {}", escape_for_log(rest.substr(0, end), 1000));
            rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
        }
    }

    void tell_flips() {
        if (context_.flips.empty() && context_.flips_note.empty()) return;
        add("");
        add("The nearest flip: what alone would have changed it");
        for (const std::string& flip : context_.flips)
            add("  {}", shown(flip));
        if (context_.flips.empty()) add("  {}", context_.flips_note);
    }

    void tell_letter() {
        if (context_.letter.empty()) return;
        add("");
        add("For the sender");
        add("");
        text_ += context_.letter;
    }

    void tell_recipient(const RecordRecipient& recipient, const VerdictBasis& basis) {
        const std::string place = recipient.mailbox.empty() ? "" : " into " + shown(recipient.mailbox);
        if (recipient.verdict == record_.verdict && basis == context_.basis) {
            add("  the same for <{}>{}", shown(recipient.address), place);
        } else {
            tell_decision("For <" + shown(recipient.address) + ">" + place, recipient.verdict, basis);
            if (!recipient.verdict.reply.text.empty()) add("  reply {}", reply_text(recipient.verdict.reply));
        }
        if (recipient.facts != nullptr)
            tell_facts("Facts of <" + shown(recipient.address) + ">", *recipient.facts);
    }

    void tell_events() {
        if (record_.events.empty()) return;
        add("");
        add("Timeline (ms since the connection)");
        for (const RecordEvent& event : record_.events) {
            add("  {:>10.3f}  {:<7}  {}",
                static_cast<double>(event.micros) / 1000.0,
                to_string(event.stage),
                shown(event.what));
        }
    }

    void tell_facts(std::string_view title, const Facts& facts) {
        bool is_first = true;
        for (std::size_t at = 0; at < facts.size() && at < stored_.dictionary.rows().size(); ++at) {
            const FactValue& value = facts.get(static_cast<FactId>(at));
            if (std::holds_alternative<Absent>(value)) continue;
            const FactDeclaration& row = stored_.dictionary.rows()[at];
            const auto* unknown = std::get_if<Unknown>(&value);
            const bool was_asked = unknown == nullptr || unknown->reason != reason_not_looked_at;
            if (!was_asked)
                not_looked_at_.emplace_back(shown(row.name));
            else if (is_unknown(row, value))
                unknown_.push_back(fmt::format("{}: {}", shown(row.name), shown(fact_to_text(value))));
            if (std::exchange(is_first, false)) {
                add("");
                add("{}", title);
            }
            const auto* list = std::get_if<TextList>(&value);
            const bool is_empty = list != nullptr && list->items.empty() && list->missing.empty();
            add("  {:<24} {}", shown(row.name), is_empty ? "(nothing)" : shown(fact_to_text(value)));
            if (list != nullptr && !list->missing.empty()) {
                unknown_.push_back(fmt::format("{}: incomplete, {}", shown(row.name), shown(list->missing)));
            }
            tell_evidence(row.name);
        }
    }

    /// The questions behind a fact, under the first one that rests on them.
    void tell_evidence(std::string_view fact) {
        for (const std::size_t at : evidence_.of(fact))
            if (told_lookups_.insert(at).second) add("      {}", lookup_to_text(record_.lookups[at]));
    }

    void tell_unknown() {
        if (unknown_.empty()) return;
        add("");
        add("Not known (no rule hit because of these)");
        for (const std::string& line : unknown_)
            add("  {}", line);
    }

    void tell_not_looked_at() {
        if (not_looked_at_.empty()) return;
        add("");
        add("Not looked at (it ended before anybody asked)");
        for (const std::string& fact : not_looked_at_)
            add("  {}", fact);
    }

    void tell_dns() {
        bool is_first = true;
        for (std::size_t at = 0; at < record_.lookups.size(); ++at) {
            if (told_lookups_.contains(at)) continue;
            if (std::exchange(is_first, false)) {
                add("");
                add("Other DNS questions");
            }
            add("  {}", lookup_to_text(record_.lookups[at]));
        }
    }

    void tell_rest() {
        add("");
        if (!record_.message_sha256.empty()) add("message  sha256 {}", to_hex(record_.message_sha256));
        if (record_.scan_passes != 0)
            add("scan     {} pass{}", record_.scan_passes, record_.scan_passes == 1 ? "" : "es");
        if (!record_.rules_hash.empty()) add("rules    {}", shown(record_.rules_hash));
    }

    const StoredRecord& stored_;
    const DecisionRecord& record_ = stored_.record;
    const StoryContext& context_;
    FactEvidence evidence_;
    std::set<std::size_t> told_lookups_;
    std::string text_;
    std::vector<std::string> unknown_;
    std::vector<std::string> not_looked_at_;
};

}  // namespace

std::string record_to_story(const StoredRecord& stored, const StoryContext& context) {
    return Story(stored, context).tell();
}

}  // namespace wicket
