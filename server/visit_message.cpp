#include "base/log.hpp"
#include "policy/transaction_outcome.hpp"
#include "server/delivery.hpp"
#include "server/server_visit.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace wicket {

using boost::asio::awaitable;

awaitable<MessageAnswer> ServerVisit::message(SharedMessage message) {
    VisitTransaction& transaction = *transaction_;
    transaction.took_data = true;
    transaction.reached = Stage::end;
    transaction.size = message->size();
    transaction.message_sha256.assign(message->sha256().begin(), message->sha256().end());
    const MessageFacts found = examine_message(*message, policy_->config->hostname);
    provide_message_facts(found, message->size());
    run_.begin(Stage::end, message);
    co_await run_.settle(Stage::end, services_.clock.steady() + end_of_data_budget);

    if (std::optional<Verdict> refusal = invariant_refusal(found))
        co_return co_await refuse_message(std::move(*refusal));
    for (VisitRecipient& recipient : transaction.accepted)
        recipient.verdict = judge(recipient, Stage::end);

    if (!policy_->config->is_policy_shadow) {
        if (const auto refusing = refusing_recipient(verdicts_of(transaction.accepted))) {
            count_tries_at_end();
            const Verdict verdict = transaction.accepted[*refusing].verdict;
            // Who must come again brings the message again.
            if (defers(verdict)) co_return co_await refuse_message(verdict);
            co_return co_await refuse_and_keep(message, found, verdict);
        }
    }
    co_return MessageAnswer{co_await deliver(message, found)};
}

void ServerVisit::count_tries_at_end() {
    const auto& accepted = transaction_->accepted;
    const auto for_unknown = std::ranges::find_if(accepted, defers_for_unknown, &VisitRecipient::verdict);
    if (for_unknown != accepted.end()) count_try(for_unknown->verdict, "");
    for (const VisitRecipient& recipient : accepted)
        if (recipient.verdict.action == Action::greylist) count_try(recipient.verdict, recipient.address);
}

void ServerVisit::provide_message_facts(const MessageFacts& found, std::uint64_t size) {
    for (const auto& [fact, value] : found.facts)
        run_.provide(fact, value);
    run_.provide(id_of(CoreFact::message_size), static_cast<std::int64_t>(size));
}

std::optional<Verdict> ServerVisit::invariant_refusal(const MessageFacts& found) const {
    const auto* poison = std::get_if<bool>(&run_.facts().get(id_of(CoreFact::message_poisonous)));
    if (poison != nullptr && *poison)
        return builtin_verdict(
            "worker",
            Stage::end,
            {554,
             "5.6.0",
             "This message makes the scanner crash and cannot be taken; the postmaster has been told"}
        );
    const auto was_delivered_here = [&](const VisitRecipient& recipient) {
        return std::ranges::any_of(recipient.accounts, [&](const std::string& account) {
            return std::ranges::find(found.delivered_to, account) != found.delivered_to.end();
        });
    };
    // RFC 5321 section 6.3: simple counting, and our own marks.
    if (found.own_received > own_received_limit ||
        std::ranges::any_of(transaction_->accepted, was_delivered_here))
        return builtin_verdict(
            "protocol", Stage::end, {554, "5.4.6", "Mail loop: this message was here before"}
        );
    return std::nullopt;
}

SmtpReply ServerVisit::finish_refused(Verdict verdict) {
    VisitTransaction& transaction = *transaction_;
    transaction.is_open = false;
    transaction.last_reply = with_id(verdict.reply, transaction.id);
    transaction.last_verdict = std::move(verdict);
    tell_recipients(transaction, transaction.last_verdict);
    log_refusal(transaction.last_verdict, transaction.id, recipients_text(transaction));
    return transaction.last_reply;
}

Delivery ServerVisit::record_delivery(const DecisionRecord& record) const {
    services_.guard.decided(record);
    Delivery delivery;
    delivery.id = record.id;
    delivery.time = record.time;
    delivery.record = encode_record(record, *policy_->dictionary);
    delivery.record_keys = keys_of(record);
    return delivery;
}

void ServerVisit::keep_record_unwaited() {
    services_.store.mail().deliver(
        record_delivery(made_record(*transaction_)), [](const Result<std::vector<Uid>>&) {}
    );
    transaction_.reset();
    run_.forget_from(Stage::mail);
}

void ServerVisit::keep_refusal_record(VisitTransaction& transaction) {
    const DecisionRecord record = made_record(transaction);
    if (!record.is_open) services_.guard.decided(record);
    services_.store.decisions().refuse(
        record.id, record.time, encode_record(record, *policy_->dictionary), keys_of(record)
    );
}

awaitable<MessageAnswer> ServerVisit::refuse_message(Verdict verdict) {
    const bool disconnects = verdict.action == Action::disconnect;
    SmtpReply reply = finish_refused(std::move(verdict));
    co_await commit_record();
    transaction_.reset();
    run_.forget_from(Stage::mail);
    co_return MessageAnswer{std::move(reply), disconnects};
}

awaitable<void> ServerVisit::commit_record() {
    const auto stored = co_await commit(record_delivery(made_record(*transaction_)));
    if (!stored)
        log_error(
            "the record of a refused message could not be kept",
            {
                {"id",    transaction_->id.to_string()},
                {"error", stored.error().message      }
        }
        );
}

awaitable<MessageAnswer> ServerVisit::refuse_and_keep(
    SharedMessage message, const MessageFacts& found, Verdict verdict
) {
    VisitTransaction& transaction = *transaction_;
    transaction.quarantine = may_keep(message->size());
    if (transaction.quarantine.state != RecordQuarantine::State::kept)
        co_return co_await refuse_message(std::move(verdict));
    // The rows tell each recipient's own verdict, so they are made before the one reply is for all.
    std::vector<MailboxDelivery> rows = plan_rows(transaction, trace(), found.cuts, ShadowPolicy::off);
    const bool disconnects = verdict.action == Action::disconnect;
    SmtpReply reply = finish_refused(std::move(verdict));
    Delivery delivery = record_delivery(made_record(transaction));
    delivery.body = std::move(message);
    delivery.rows = std::move(rows);
    if (const auto stored = co_await commit(std::move(delivery)); !stored) {
        transaction.quarantine = {RecordQuarantine::State::not_kept, stored.error().message};
        co_await commit_record();
    }
    transaction_.reset();
    run_.forget_from(Stage::mail);
    co_return MessageAnswer{std::move(reply), disconnects};
}

RecordQuarantine ServerVisit::may_keep(std::uint64_t octets) const {
    using State = RecordQuarantine::State;
    if (const auto room = services_.store.quarantine().has_room(); !room)
        return {State::not_kept, room.error().message};
    if (!services_.quarantine_budget.take(peer_.ip, octets, services_.clock.steady()))
        return {State::not_kept, "too many refused messages came at once"};
    return {State::kept, ""};
}

DeliveryTrace ServerVisit::trace() const {
    return {peer_, tls_, policy_->config->hostname, helo_, is_esmtp_, *transaction_, run_.facts()};
}

awaitable<SmtpReply> ServerVisit::deliver(SharedMessage message, const MessageFacts& found) {
    VisitTransaction& transaction = *transaction_;
    const bool is_shadow = policy_->config->is_policy_shadow;
    std::vector<MailboxDelivery> rows =
        plan_rows(transaction, trace(), found.cuts, is_shadow ? ShadowPolicy::on : ShadowPolicy::off);
    if (std::ranges::find(rows, quarantine_account, &MailboxDelivery::account) != rows.end())
        transaction.quarantine.state = RecordQuarantine::State::kept;
    transaction.last_verdict =
        transaction.accepted[leading_recipient(verdicts_of(transaction.accepted))].verdict;
    transaction.is_open = false;
    transaction.last_reply = with_id({250, "2.0.0", "Message accepted"}, transaction.id);

    Delivery delivery = record_delivery(made_record(transaction));
    if (!rows.empty()) delivery.body = std::move(message);
    delivery.rows = std::move(rows);
    const auto stored = co_await commit(std::move(delivery));
    if (!stored) co_return store_refusal(stored.error());
    log_info(
        fmt::format(
            "{}: message accepted: {}", transaction.id.to_string(), to_string(transaction.last_verdict.action)
        ),
        {
            {"from",   transaction.from ? transaction.from->to_string() : ""},
            {"to",     recipients_text(transaction)                         },
            {"size",   std::to_string(transaction.size)                     },
            {"client", client_address()                                     },
            {"helo",   helo_                                                },
            {"rule",   transaction.last_verdict.rule                        }
    }
    );
    const SmtpReply reply = transaction.last_reply;
    transaction_.reset();
    run_.forget_from(Stage::mail);
    co_return reply;
}

SmtpReply ServerVisit::store_refusal(const Error& error) {
    log_error(
        "a message could not be stored",
        {
            {"id",    transaction_->id.to_string()},
            {"error", error.message               }
    }
    );
    const SmtpReply reply = error.code == ErrorCode::no_space
                                ? SmtpReply{452, "4.3.1", "Insufficient system storage, try again later"}
                                : SmtpReply{451, "4.3.0", "The message could not be stored, try again later"};
    for (VisitRecipient& recipient : transaction_->accepted)
        recipient.mailbox.clear();
    transaction_->quarantine = {};
    const SmtpReply answer = finish_refused(builtin_verdict("store", Stage::end, reply));
    keep_refusal_record(*transaction_);
    transaction_.reset();
    run_.forget_from(Stage::mail);
    return answer;
}

awaitable<Result<std::vector<Uid>>> ServerVisit::commit(Delivery delivery) {
    MailStore& store = services_.store.mail();
    const auto initiate = [&store, executor = executor_](auto handler, Delivery handed) {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        store.deliver(std::move(handed), [shared, executor](Result<std::vector<Uid>> result) {
            boost::asio::post(executor, [shared, result = std::move(result)]() mutable {
                (*shared)(std::move(result));
            });
        });
    };
    using Signature = void(Result<std::vector<Uid>>);
    co_return co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, Signature>(
        initiate, boost::asio::use_awaitable, std::move(delivery)
    );
}

}  // namespace wicket
