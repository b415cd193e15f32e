#include "server/delivery.hpp"

#include "mail/authentication_results.hpp"
#include "mail/field_writer.hpp"
#include "mail/trace_headers.hpp"
#include "server/directory.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <optional>

namespace wicket {
namespace {

/// The word of a result, also where the fact is unknown; nullopt if it is absent.
std::optional<std::string> word_of(const Facts& facts, CoreFact fact) {
    const FactValue& value = facts.get(id_of(fact));
    if (const auto* word = std::get_if<std::string>(&value)) return *word;
    if (std::holds_alternative<Unknown>(value)) return "temperror";
    return std::nullopt;
}

std::string field_of(const ResultRow& row, std::string_view name) {
    const auto found = std::ranges::find(row, name, &std::pair<std::string, std::string>::first);
    return found == row.end() ? std::string() : found->second;
}

void add_dkim(const Facts& facts, std::vector<AuthenticationResult>& results) {
    const auto* list = std::get_if<ResultList>(&facts.get(id_of(CoreFact::dkim_results)));
    if (list == nullptr) return;
    for (const ResultRow& row : list->rows)
        results.push_back({
            "dkim",
            field_of(row, "result"),
            field_of(row, "reason"),
            {{"header.d", field_of(row, "domain")}, {"header.s", field_of(row, "selector")}}
        });
    // RFC 8601 section 2.7.1: "none" if the message was not signed.
    if (list->rows.empty() && list->missing.empty()) results.push_back({"dkim", "none", "", {}});
}

std::string verdict_field(const VisitTransaction& transaction, const Verdict& verdict) {
    std::string rules;
    for (const RuleHit& hit : verdict.hits)
        if (hit.mode == RuleMode::enforce)
            rules += fmt::format("{}{}({:g})", rules.empty() ? "" : ",", hit.rule, hit.points);
    return text_field(
        "X-Mailwicket",
        fmt::format(
            "verdict={} points={:g} rule={} rules={} id={}",
            to_string(verdict.action),
            verdict.points,
            verdict.rule,
            rules.empty() ? "none" : rules,
            transaction.id.to_string()
        )
    );
}

std::string received(const DeliveryTrace& trace, const std::string& recipient) {
    ReceivedTrace received;
    received.helo = trace.helo;
    received.client_ip = trace.peer.ip;
    if (const auto* name = std::get_if<std::string>(&trace.facts.get(id_of(CoreFact::client_name))))
        received.client_name = *name;
    received.hostname = trace.hostname;
    received.protocol = trace.is_esmtp ? TraceProtocol::esmtp : TraceProtocol::smtp;
    received.tls_version = trace.tls.version;
    received.tls_cipher = trace.tls.cipher;
    if (const auto* is_utf8 = std::get_if<bool>(&trace.facts.get(id_of(CoreFact::mail_smtputf8))))
        received.is_smtputf8 = *is_utf8;
    received.id = trace.transaction.id.to_string();
    received.recipient = recipient;
    received.time = trace.transaction.began;
    return received_field(received);
}

/// The rows that are being planned: one for each account and mailbox.
class RowPlan {
public:
    RowPlan(const DeliveryTrace& trace, const std::vector<CutRange>& cuts) : trace_(trace), cuts_(cuts) {
        from_ = trace.transaction.from ? trace.transaction.from->to_string() : std::string();
        results_ = results_field(trace);
    }

    void add(std::string_view account, std::string_view mailbox, const VisitRecipient& recipient) {
        const auto same = std::ranges::find_if(rows_, [&](const MailboxDelivery& row) {
            return row.account == account && row.mailbox == mailbox;
        });
        const bool is_kept = account == quarantine_account;
        if (same != rows_.end()) {
            if (is_kept) same->kept_from.push_back(recipient.address);
            return;
        }
        const bool is_alone = trace_.transaction.accepted.size() == 1;
        std::string prefix = return_path_field(from_);
        if (!is_kept) prefix += text_field("Delivered-To", account);
        prefix += received(trace_, is_alone ? recipient.address : std::string());
        prefix += results_;
        prefix += verdict_field(trace_.transaction, recipient.verdict);
        for (const auto& [name, value] : recipient.verdict.added_headers)
            prefix += text_field(name, value);
        const bool needs_nobody = is_kept || is_postmaster_account(account);
        rows_.push_back(
            {std::string(account),
             std::string(mailbox),
             std::move(prefix),
             cuts_,
             needs_nobody ? MailboxOwner::nobody : MailboxOwner::account}
        );
        if (is_kept) rows_.back().kept_from.push_back(recipient.address);
    }

    std::vector<MailboxDelivery> take() { return std::move(rows_); }

private:
    const DeliveryTrace& trace_;
    const std::vector<CutRange>& cuts_;
    std::string from_;
    std::string results_;
    std::vector<MailboxDelivery> rows_;
};

}  // namespace

std::string results_field(const DeliveryTrace& trace) {
    std::vector<AuthenticationResult> results;
    const std::string from =
        trace.transaction.from ? trace.transaction.from->to_string() : "postmaster@" + trace.helo;
    if (auto result = word_of(trace.facts, CoreFact::spf_result))
        results.push_back({"spf", *result, "", {{"smtp.mailfrom", from}}});
    if (auto result = word_of(trace.facts, CoreFact::spf_helo_result))
        results.push_back({"spf", *result, "", {{"smtp.helo", trace.helo}}});
    add_dkim(trace.facts, results);
    if (auto result = word_of(trace.facts, CoreFact::iprev_result))
        results.push_back({"iprev", *result, "", {{"policy.iprev", trace.peer.ip.to_string()}}});
    return authentication_results_field(trace.hostname, results);
}

std::vector<MailboxDelivery> plan_rows(
    VisitTransaction& transaction,
    const DeliveryTrace& trace,
    const std::vector<CutRange>& cuts,
    ShadowPolicy shadow
) {
    RowPlan plan(trace, cuts);
    for (VisitRecipient& recipient : transaction.accepted) {
        const Action action = shadow == ShadowPolicy::on ? Action::accept : recipient.verdict.action;
        if (action == Action::discard) continue;
        // Where others take the message, its sender reads 250: what these refuse is kept for the
        // administrator. Where nobody does, so that a mistake can be mended.
        const bool is_kept_back =
            action == Action::quarantine || action == Action::reject || action == Action::disconnect;
        if (is_kept_back) {
            plan.add(quarantine_account, quarantine_mailbox, recipient);
            continue;
        }
        recipient.mailbox = action == Action::junk ? "Junk" : "INBOX";
        for (const std::string& account : recipient.accounts)
            plan.add(account, recipient.mailbox, recipient);
    }
    return plan.take();
}

}  // namespace wicket
