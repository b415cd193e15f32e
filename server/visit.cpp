#include "base/log.hpp"
#include "base/random.hpp"
#include "server/server_visit.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace wicket {

using boost::asio::awaitable;

std::string_view stage_verb(Stage stage) {
    switch (stage) {
        case Stage::connect: return "CONNECT";
        case Stage::helo: return "HELO";
        case Stage::mail: return "MAIL";
        case Stage::rcpt: return "RCPT";
        case Stage::data: return "DATA";
        case Stage::end: return "END-OF-MESSAGE";
    }
    std::unreachable();
}

ServerVisit::ServerVisit(
    const VisitServices& services,
    std::size_t listener_index,
    const Peer& peer,
    const TlsDetails& tls,
    std::string listener_name,
    boost::asio::any_io_executor executor
)
    : services_(services),
      deferrals_(services.store.memory(), services.clock),
      policy_(services.policy.get()),
      listener_(policy_->config->listeners.at(listener_index)),
      listener_name_(std::move(listener_name)),
      executor_(std::move(executor)),
      peer_(peer),
      tls_(tls),
      connected_(services.clock.steady()),
      run_(policy_->chain, policy_->dictionary, services.dns, services.clock, executor_) {}

awaitable<StageAnswer> ServerVisit::connected() {
    begin_connection();
    co_return co_await answer_now(Stage::connect);
}

awaitable<StageAnswer> ServerVisit::helo(HeloArguments arguments) {
    run_.forget_from(Stage::helo);
    helo_ = std::move(arguments.name);
    is_esmtp_ = arguments.is_ehlo;
    run_.provide(id_of(CoreFact::helo_name), helo_);
    run_.begin(Stage::helo);
    co_return co_await answer_now(Stage::helo);
}

awaitable<StageAnswer> ServerVisit::mail(MailArguments arguments) {
    const WallTime now = services_.clock.wall();
    run_.forget_from(Stage::mail);
    run_.provide(id_of(CoreFact::time_now), now);
    transaction_ = std::make_unique<VisitTransaction>();
    transaction_->id = RecordId::make(now, services_.node, static_cast<std::uint32_t>(random_u64()));
    transaction_->began = now;
    transaction_->from = std::move(arguments.from);
    had_transaction_ = true;
    provide_mail_facts(arguments);
    // The design's promise that 250 means on disk: with a disk that refuses there is no use in beginning.
    if (const auto writable = services_.store.mail().writable(); !writable) {
        const SmtpReply reply =
            writable.error().code == ErrorCode::no_space
                ? SmtpReply{452, "4.3.1", "Insufficient system storage, try again later"}
                : SmtpReply{451, "4.3.0", "The mail store does not answer, try again later"};
        co_return refuse(builtin_verdict("store", Stage::mail, reply), "");
    }
    run_.begin(Stage::mail);
    co_return co_await answer_now(Stage::mail);
}

awaitable<StageAnswer> ServerVisit::rcpt(Mailbox recipient) {
    ++transaction_->asked_count;
    RecipientLookup found = look_up_recipient(*policy_->config, services_.store.accounts(), recipient);
    switch (found.standing) {
        case RecipientStanding::ours: break;
        case RecipientStanding::not_ours:
            co_return refuse(
                builtin_verdict(
                    "relay",
                    Stage::rcpt,
                    {550, "5.7.1", "Relaying denied: this server takes mail for its own domains only"}
                ),
                found.address
            );
        case RecipientStanding::unknown:
            ++unknown_recipients_;
            co_return refuse(
                builtin_verdict("unknown-user", Stage::rcpt, {550, "5.1.1", "There is no such user here"}),
                found.address
            );
        case RecipientStanding::temporary:
            co_return refuse(
                builtin_verdict(
                    "store",
                    Stage::rcpt,
                    {451, "4.3.0", "The user cannot be looked up for now, try again later"}
                ),
                found.address
            );
    }
    if (std::ranges::find(transaction_->accepted, found.address, &VisitRecipient::address) !=
        transaction_->accepted.end())
        co_return StageAnswer{};

    VisitRecipient added = new_recipient(recipient, std::move(found));
    added.policy_key = policy_key(*policy_->rules, facts_for(added));
    if (listener_.mixed == MixedVerdicts::split && !transaction_->accepted.empty() &&
        transaction_->accepted.front().policy_key != added.policy_key)
        co_return refuse(
            builtin_verdict(
                "limit",
                Stage::rcpt,
                {452, "4.5.3", "This recipient has other rules: send to it in a transaction of its own"}
            ),
            added.address
        );

    if (answers_before(Stage::data)) {
        co_await run_.settle(Stage::rcpt, services_.clock.steady() + recipient_budget);
        added.verdict = judge(added, Stage::rcpt);
        if (wakes_waiting_filters(added.verdict)) {
            co_await run_.settle(Stage::rcpt, services_.clock.steady() + recipient_budget);
            added.verdict = judge(added, Stage::rcpt);
        }
        if (!passes(added.verdict) && listener_.late == LateAnswers::rcpt) {
            count_try(added.verdict, added.address);
            co_return refuse(added.verdict, record_of(added));
        }
    }
    transaction_->accepted.push_back(std::move(added));
    if (transaction_->accepted.size() == 1) run_.foresee();
    co_return StageAnswer{};
}

awaitable<StageAnswer> ServerVisit::data() {
    if (!policy_->rules->answers_at(Stage::data)) co_return StageAnswer{};
    co_await run_.settle(Stage::data, services_.clock.steady() + recipient_budget);
    bool is_any_left = false;
    for (VisitRecipient& recipient : transaction_->accepted) {
        recipient.verdict = judge(recipient, Stage::data);
        if (wakes_waiting_filters(recipient.verdict)) {
            co_await run_.settle(Stage::data, services_.clock.steady() + recipient_budget);
            recipient.verdict = judge(recipient, Stage::data);
        }
        is_any_left |= passes(recipient.verdict) || listener_.late == LateAnswers::data;
    }
    if (is_any_left) co_return StageAnswer{};
    for (const VisitRecipient& recipient : transaction_->accepted)
        count_try(recipient.verdict, recipient.address);
    co_return refuse(transaction_->accepted.front().verdict, "");
}

SmtpReply ServerVisit::refused_by_session(Stage stage, std::string which, SmtpReply reply) {
    Verdict verdict = builtin_verdict(which, stage, std::move(reply));
    if (!transaction_) return refused_verdict_without_transaction(std::move(verdict));
    if (stage == Stage::end) {
        // The message was read to its end: a record of the first class, though nobody waits for it to be
        // synced.
        transaction_->took_data = true;
        const SmtpReply answer = finish_refused(std::move(verdict));
        keep_record_unwaited();
        return answer;
    }
    return *refuse(std::move(verdict), "").refusal;
}

void ServerVisit::abandon() {
    if (!transaction_) return;
    if (!transaction_->has_refusal || transaction_->has_unfolded_refusal)
        keep_refusal_record(make_record(*transaction_, context(), run_));
    transaction_.reset();
    run_.forget_from(Stage::mail);
}

void ServerVisit::tls_started(const TlsDetails& details) {
    abandon();
    tls_ = details;
    forget_greeting();
    provide_tls_facts();
}

void ServerVisit::peer_changed(const Peer& peer) {
    abandon();
    peer_ = peer;
    notices_.clear();
    forget_greeting();
    run_.forget_from(Stage::connect);
    begin_connection();
}

void ServerVisit::noticed(std::string what) {
    if (std::ranges::find(notices_, what) == notices_.end()) notices_.push_back(std::move(what));
    TextList list;
    list.items = notices_;
    run_.provide(id_of(CoreFact::client_behaviour), std::move(list));
}

void ServerVisit::ended() {
    abandon();
    if (had_transaction_) return;
    ConnectionRefusal last;
    if (connection_refusal_) last = std::move(*connection_refusal_);
    const RefusalKind kind{peer_.ip, last.verdict.rule, static_cast<std::uint8_t>(last.verdict.stage)};
    const RecordId id = connection_id();
    if (services_.store.decisions().fold(kind, id, id.time())) return;
    VisitTransaction nothing;
    nothing.id = id;
    nothing.began = id.time();
    nothing.last_verdict = std::move(last.verdict);
    nothing.last_reply = std::move(last.reply);
    DecisionRecord record = make_record(nothing, context(), run_);
    record.has_from = false;
    keep_refusal_record(record);
}

RecordContext ServerVisit::context() const {
    return {peer_, tls_, listener_name_, helo_, *policy_, connected_};
}

RecordId ServerVisit::connection_id() {
    if (connection_id_.is_null())
        connection_id_ =
            RecordId::make(services_.clock.wall(), services_.node, static_cast<std::uint32_t>(random_u64()));
    return connection_id_;
}

void ServerVisit::begin_connection() {
    run_.provide(id_of(CoreFact::time_now), services_.clock.wall());
    run_.provide(id_of(CoreFact::client_ip), peer_.ip);
    run_.provide(id_of(CoreFact::client_port), std::int64_t{peer_.port});
    run_.provide(id_of(CoreFact::listener_service), std::string(to_string(listener_.service)));
    run_.provide(id_of(CoreFact::listener_address), peer_.local_ip);
    run_.provide(id_of(CoreFact::client_behaviour), TextList{notices_, ""});
    provide_tls_facts();
    run_.begin(Stage::connect);
}

void ServerVisit::provide_tls_facts() {
    if (!tls_.is_on()) return;
    run_.provide(id_of(CoreFact::client_tls), tls_.version);
    run_.provide(id_of(CoreFact::client_cipher), tls_.cipher);
}

void ServerVisit::forget_greeting() {
    helo_.clear();
    run_.forget_from(Stage::helo);
}

void ServerVisit::provide_mail_facts(const MailArguments& arguments) {
    const std::optional<Mailbox>& from = transaction_->from;
    run_.provide(id_of(CoreFact::mail_from), from ? from->to_string() : std::string());
    if (from && !from->domain().starts_with('[')) run_.provide(id_of(CoreFact::mail_domain), from->domain());
    run_.provide(id_of(CoreFact::mail_is_null), !from.has_value());
    run_.provide(id_of(CoreFact::mail_size), static_cast<std::int64_t>(arguments.declared_size));
    run_.provide(id_of(CoreFact::mail_smtputf8), arguments.is_smtputf8);
}

VisitRecipient ServerVisit::new_recipient(const Mailbox& recipient, RecipientLookup found) const {
    VisitRecipient added;
    added.address = std::move(found.address);
    added.accounts = std::move(found.accounts);
    added.local_part = recipient.local_part();
    added.domain = added.address.substr(added.address.rfind('@') + 1);
    return added;
}

bool ServerVisit::answers_before(Stage end) const {
    for (int stage = 0; stage < static_cast<int>(end); ++stage)
        if (policy_->rules->answers_at(static_cast<Stage>(stage))) return true;
    return false;
}

bool ServerVisit::wakes_waiting_filters(const Verdict& verdict) {
    if (!run_.is_any_waiting()) return false;
    if (!verdict.hangs_on_unknown &&
        (verdict.lets_pass() || !services_.refusal_looks.take(services_.clock.steady())))
        return false;
    run_.begin_waiting();
    return true;
}

awaitable<StageAnswer> ServerVisit::answer_now(Stage stage) {
    if (!policy_->rules->has_immediate_answers(stage)) co_return StageAnswer{};
    co_await run_.settle(stage, services_.clock.steady() + recipient_budget);
    Verdict verdict = judge_connection(stage);
    if (wakes_waiting_filters(verdict)) {
        co_await run_.settle(stage, services_.clock.steady() + recipient_budget);
        verdict = judge_connection(stage);
    }
    if (!verdict.answer_now || passes(verdict)) co_return StageAnswer{};
    count_try(verdict, "");
    if (transaction_) co_return refuse(std::move(verdict), "");
    const SmtpReply reply = refused_verdict_without_transaction(std::move(verdict));
    co_return StageAnswer{
        reply, connection_refusal_->verdict.action == Action::disconnect || stage == Stage::connect
    };
}

SmtpReply ServerVisit::refused_verdict_without_transaction(Verdict verdict) {
    const SmtpReply reply = with_id(verdict.reply, connection_id());
    log_refusal(verdict.stage, reply, "", "");
    connection_refusal_ = std::make_unique<ConnectionRefusal>(std::move(verdict), reply);
    return reply;
}

StageAnswer ServerVisit::refuse(Verdict verdict, const std::string& recipient) {
    RecordRecipient refused{recipient, verdict, "", nullptr};
    return refuse(std::move(verdict), std::move(refused));
}

StageAnswer ServerVisit::refuse(Verdict verdict, RecordRecipient recipient) {
    VisitTransaction& transaction = *transaction_;
    const RefusalKind kind{peer_.ip, verdict.rule, static_cast<std::uint8_t>(verdict.stage)};
    const std::optional<RecordId> folded =
        services_.store.decisions().fold(kind, transaction.id, transaction.began);
    if (!folded) transaction.has_unfolded_refusal = true;
    transaction.has_refusal = true;
    const SmtpReply reply = with_id(verdict.reply, folded.value_or(transaction.id));
    transaction.last_verdict = verdict;
    transaction.last_reply = reply;
    log_refusal(
        verdict.stage, reply, transaction.from ? transaction.from->to_string() : "", recipient.address
    );
    if (!recipient.address.empty() && transaction.refused.size() < recorded_refusals_limit)
        transaction.refused.push_back(std::move(recipient));
    return {reply, verdict.action == Action::disconnect};
}

void ServerVisit::log_refusal(
    Stage stage, const SmtpReply& reply, const std::string& from, const std::string& to
) const {
    const auto* name = std::get_if<std::string>(&run_.facts().get(id_of(CoreFact::client_name)));
    const std::string message = fmt::format(
        "NOQUEUE: reject: {} from {}[{}]: {} {} {}",
        stage_verb(stage),
        name != nullptr ? *name : "unknown",
        peer_.ip.to_string(),
        reply.code,
        reply.enhanced,
        escape_for_log(reply.text)
    );
    const std::string id = transaction_ ? transaction_->id.to_string() : connection_id_.to_string();
    log_info(
        message,
        {
            {"from",  from                        },
            {"to",    to                          },
            {"proto", is_esmtp_ ? "ESMTP" : "SMTP"},
            {"helo",  helo_                       },
            {"id",    id                          }
    }
    );
}

std::unique_ptr<Visit> make_visit(
    const VisitServices& services,
    std::size_t listener_index,
    const Peer& peer,
    const TlsDetails& tls,
    std::string listener_name,
    boost::asio::any_io_executor executor
) {
    return std::make_unique<ServerVisit>(
        services, listener_index, peer, tls, std::move(listener_name), std::move(executor)
    );
}

}  // namespace wicket
