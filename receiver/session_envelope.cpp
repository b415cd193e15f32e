// MAIL and RCPT: who sends, and to whom.

#include "base/text.hpp"
#include "receiver/esmtp_parameters.hpp"
#include "receiver/session.hpp"

#include <algorithm>

namespace wicket {
namespace {

/// What follows `keyword` and the spaces after it; nullopt if `argument` begins otherwise.
/// Deviation from RFC 5321 section 3.3: spaces after the colon are passed over, for many devices send one.
/// They cannot be taken for anything else.
std::optional<std::string_view> path_after(std::string_view keyword, std::string_view argument) {
    if (!starts_with_ignoring_case(argument, keyword)) return std::nullopt;
    argument.remove_prefix(keyword.size());
    argument.remove_prefix(std::min(argument.find_first_not_of(' '), argument.size()));
    return argument;
}

}  // namespace

SmtpSession::NextStep SmtpSession::on_mail(std::string_view argument) {
    const auto path = path_after("FROM:", argument);
    if (!path) {
        refuse_recorded(Stage::mail, "protocol", {501, "5.5.4", "Syntax: MAIL FROM:<address>"});
        return std::nullopt;
    }
    // RFC 6531 section 3.4: SMTPUTF8 comes after the address that needs it.
    auto from = parse_reverse_path(*path, AddressCharset::utf8);
    if (!from) {
        refuse_address(Stage::mail, from.error());
        return std::nullopt;
    }
    const auto parameters = parse_mail_parameters(path->substr(from->length_octets));
    if (!parameters) {
        refuse_parameters(Stage::mail, parameters.error(), {true, std::move(from->mailbox)});
        return std::nullopt;
    }
    if (!parameters->is_smtputf8 && !std::ranges::all_of(path->substr(0, from->length_octets), is_ascii)) {
        refuse_address(
            Stage::mail,
            {.fault = AddressFault::needs_smtputf8, .position = 0},
            {true, std::move(from->mailbox)}
        );
        return std::nullopt;
    }
    // RFC 1870 section 6.1: 552 if it will never fit, 452 if it does not now.
    if (parameters->size_octets > options_.limits.size_octets) {
        refuse_recorded(
            Stage::mail, "limit", {552, "5.3.4", "Message too large"}, {true, std::move(from->mailbox)}
        );
        return std::nullopt;
    }
    if (!budget_.has_room_for(parameters->size_octets)) {
        refuse_recorded(
            Stage::mail, "limit", {452, "4.3.1", "No room for it now"}, {true, std::move(from->mailbox)}
        );
        return std::nullopt;
    }
    transaction_.emplace();
    transaction_->charset = parameters->is_smtputf8 ? AddressCharset::utf8 : AddressCharset::ascii;
    transaction_->declared_size_octets = parameters->size_octets;
    return ask(
        Asked::mail,
        AskMail{
            {.from = std::move(from->mailbox),
             .declared_size = parameters->size_octets,
             .is_smtputf8 = parameters->is_smtputf8,
             .is_8bit = parameters->is_8bit}
    }
    );
}

void SmtpSession::mail_accepted() {
    state_ = SessionState::mail_given;
    reply(250, "2.1.0", "Sender accepted");
}

SmtpSession::NextStep SmtpSession::on_rcpt(std::string_view argument) {
    // RFC 5321 section 4.5.3.1.10: 452 for too many recipients; the client sends the rest in another
    // transaction. Nothing is looked at or kept of those beyond.
    if (transaction_->recipients_tried >= options_.limits.recipients) {
        if (!transaction_->too_many)
            transaction_->too_many = std::make_unique<SmtpReply>(
                visit_.refused_by_session(Stage::rcpt, "limit", {452, "4.5.3", "Too many recipients"})
            );
        send(*transaction_->too_many);
        return std::nullopt;
    }
    const auto path = path_after("TO:", argument);
    if (!path) {
        refuse_recorded(Stage::rcpt, "protocol", {501, "5.5.4", "Syntax: RCPT TO:<address>"});
        return std::nullopt;
    }
    auto to = parse_forward_path(*path, transaction_->charset);
    if (!to) {
        refuse_address(Stage::rcpt, to.error());
        return std::nullopt;
    }
    if (const auto fault = check_rcpt_parameters(path->substr(to->length_octets))) {
        refuse_parameters(Stage::rcpt, *fault, {true, std::move(to->mailbox)});
        return std::nullopt;
    }
    ++transaction_->recipients_tried;
    return ask(Asked::rcpt, AskRcpt{std::move(to->mailbox)});
}

void SmtpSession::refuse_address(Stage stage, const AddressError& error, RefusedPath path) {
    SmtpReply reply{501, stage == Stage::mail ? "5.1.7" : "5.1.3", "Bad address: "};
    // RFC 6531 section 3.5: 553 5.6.7 for a non-ASCII address without SMTPUTF8.
    if (error.fault == AddressFault::needs_smtputf8) reply = {553, "5.6.7", "Bad address: "};
    reply.text += describe(error.fault);
    refuse_recorded(stage, "protocol", std::move(reply), std::move(path));
}

void SmtpSession::refuse_parameters(Stage stage, ParameterFault fault, RefusedPath path) {
    // RFC 5321 section 4.1.1.11: 555 for a parameter that is not known, 501 for one that makes no sense.
    if (fault == ParameterFault::unsupported)
        refuse_recorded(stage, "protocol", {555, "5.5.4", "Parameter not supported"}, std::move(path));
    else
        refuse_recorded(stage, "protocol", {501, "5.5.4", "Bad parameter"}, std::move(path));
}

}  // namespace wicket
