// The line of `log`: one decision as a person reads it in a terminal.
#include "base/log.hpp"
#include "policy/record.hpp"

#include <fmt/format.h>

namespace wicket {
namespace {

// Lines are for reading: what does not fit is in `explain`.
constexpr std::size_t address_limit_octets = 80;
constexpr std::size_t reply_limit_octets = 160;
constexpr std::size_t shown_recipients = 3;

std::string recipients_text(const DecisionRecord& record) {
    std::string text;
    for (std::size_t at = 0; at < record.recipients.size() && at < shown_recipients; ++at) {
        text += fmt::format(
            "{}<{}>",
            at == 0 ? "" : ",",
            escape_between_angles(record.recipients[at].address, address_limit_octets)
        );
    }
    if (record.recipients.size() > shown_recipients) {
        text += fmt::format(",+{}", record.recipients.size() - shown_recipients);
    }
    return text;
}

}  // namespace

std::string record_to_line(const StoredRecord& stored) {
    const DecisionRecord& record = stored.record;
    std::string line = fmt::format("{} {:<10} ", to_rfc3339(record.time), to_string(record.verdict.action));
    const std::string name =
        record.client_name.empty() ? "unknown" : escape_for_log(record.client_name, address_limit_octets);
    line += fmt::format("{}[{}]", name, is_client_known(record) ? record.client_ip.to_string() : "unknown");
    if (record.has_from)
        line += fmt::format(" from=<{}>", escape_between_angles(record.from, address_limit_octets));
    if (!record.recipients.empty()) line += " to=" + recipients_text(record);
    if (!record.helo.empty())
        line += fmt::format(" helo=<{}>", escape_between_angles(record.helo, address_limit_octets));
    if (!record.verdict.rule.empty()) line += " rule=" + escape_for_log(record.verdict.rule);
    if (record.verdict.points != 0) line += fmt::format(" points={:g}", record.verdict.points);
    if (record.folded_count > 1) line += fmt::format(" times={}", record.folded_count);
    if (record.is_open) line += " open";
    if (record.policy_shadow) line += " policy=shadow";
    if (record.label) line += " label=" + record.label->what;
    if (record.released) line += " released";
    if (!record.reply.text.empty()) {
        line += fmt::format(
            " reply=\"{}{}{} {}\"",
            record.reply.code,
            record.reply.enhanced.empty() ? "" : " ",
            escape_for_log(record.reply.enhanced),
            escape_for_log(record.reply.text, reply_limit_octets)
        );
    }
    return line + " id=" + record.id.to_string();
}

}  // namespace wicket
