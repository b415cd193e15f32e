#include "base/log.hpp"
#include "base/random.hpp"
#include "base/text.hpp"
#include "base/unicode_names.hpp"
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
      greylist_(services.store.memory(), services.clock),
      policy_(services.policy.get()),
      listener_index_(listener_index),
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
    // Lists and rules know names without it.
    run_.provide(id_of(CoreFact::helo_name), std::string(without_end_dot(helo_)));
    run_.begin(Stage::helo);
    co_return co_await answer_now(Stage::helo);
}

awaitable<StageAnswer> ServerVisit::mail(MailArguments arguments) {
    const WallTime now = services_.clock.wall();
    run_.forget_from(Stage::mail);
    run_.provide(id_of(CoreFact::time_now), now);
    transaction_ = std::make_unique<VisitTransaction>();
    transaction_->id = transaction_->told_id = new_id(now);
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
    transaction_->reached = Stage::rcpt;
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
            transaction_->unknown_recipients = ++unknown_recipients_;
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
    transaction_->unknown_recipients = unknown_recipients_;
    if (std::ranges::find(transaction_->accepted, found.address, &VisitRecipient::address) !=
        transaction_->accepted.end())
        co_return StageAnswer{};

    VisitRecipient added = new_recipient(recipient, std::move(found));
    added.policy_key = policy_key(*policy_->rules, facts_for(added));
    if (listener().mixed == MixedVerdicts::split && !transaction_->accepted.empty() &&
        transaction_->accepted.front().policy_key != added.policy_key)
        co_return refuse(
            builtin_verdict(
                "limit",
                Stage::rcpt,
                {452, "4.5.3", "This recipient has other rules: send to it in a transaction of its own"}
            ),
            added.address
        );

    if (listener().late == LateAnswers::rcpt && answers_before(Stage::data)) {
        co_await run_.settle(Stage::rcpt, services_.clock.steady() + recipient_budget);
        added.verdict = judge(added, Stage::rcpt);
        if (wakes_waiting_filters(added.verdict)) {
            co_await run_.settle(Stage::rcpt, services_.clock.steady() + recipient_budget);
            added.verdict = judge(added, Stage::rcpt);
        }
        if (!passes(added.verdict)) {
            count_try(added.verdict, added.address);
            co_return refuse(added.verdict, record_of(added, facts_for(added)));
        }
    }
    added.at_rcpt = changing_facts();
    transaction_->accepted.push_back(std::move(added));
    if (transaction_->accepted.size() == 1) run_.foresee();
    co_return StageAnswer{};
}

awaitable<StageAnswer> ServerVisit::data() {
    transaction_->reached = Stage::data;
    // With late = "data" the message is taken first, so that it too can be looked at.
    if (listener().late == LateAnswers::data || !policy_->rules->answers_at(Stage::data))
        co_return StageAnswer{};
    co_await run_.settle(Stage::data, services_.clock.steady() + recipient_budget);
    bool is_any_left = false;
    for (VisitRecipient& recipient : transaction_->accepted) {
        recipient.verdict = judge(recipient, Stage::data);
        if (wakes_waiting_filters(recipient.verdict)) {
            co_await run_.settle(Stage::data, services_.clock.steady() + recipient_budget);
            recipient.verdict = judge(recipient, Stage::data);
        }
        is_any_left |= passes(recipient.verdict);
    }
    if (is_any_left) co_return StageAnswer{};
    for (const VisitRecipient& recipient : transaction_->accepted)
        count_try(recipient.verdict, recipient.address);
    co_return refuse(transaction_->accepted.front().verdict, "");
}

SmtpReply ServerVisit::refused_by_session(Stage stage, std::string which, SmtpReply reply, RefusedPath path) {
    Verdict verdict = builtin_verdict(which, stage, std::move(reply));
    if (stage == Stage::mail && path.is_read) {
        // No transaction comes of it, but whose mail it was is asked for later.
        VisitTransaction& refused = current();
        refused.from = std::move(path.mailbox);
        refused.has_mail = true;
        return *refuse(std::move(verdict), "").refusal;
    }
    if (!transaction_ || stage != Stage::end)
        return *refuse(std::move(verdict), path.mailbox ? path.mailbox->to_string() : "").refusal;
    // The message was read to its end: a record of the first class, though nobody waits for it to be synced.
    transaction_->took_data = true;
    const SmtpReply answer = finish_refused(std::move(verdict));
    keep_record_unwaited();
    return answer;
}

SmtpReply ServerVisit::following_reply(SmtpReply reply) {
    return transaction_ ? with_id(std::move(reply), transaction_->told_id) : reply;
}

void ServerVisit::abandon() {
    if (!transaction_) return;
    transaction_->is_open = false;
    // Where every refusal was folded, the samples are the record.
    if (!transaction_->has_refusal || transaction_->has_own_record) keep_refusal_record(*transaction_);
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
    end_connection_record();
    peer_ = peer;
    had_transaction_ = false;
    unknown_recipients_ = 0;
    notices_.clear();
    helo_.clear();
    is_esmtp_ = false;
    // A new session, so the rules in force now are its rules.
    policy_ = services_.policy.get();
    transcript_.begin_anew();
    run_.begin_anew(policy_->chain, policy_->dictionary);
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
    if (outside_ || had_transaction_) return end_connection_record();
    VisitTransaction& nothing = current();
    const RefusalKind kind{peer_.ip, "", static_cast<std::uint8_t>(nothing.reached)};
    nothing.has_own_record = !services_.store.decisions().fold(kind, nothing.id, nothing.began);
    end_connection_record();
}

void ServerVisit::end_connection_record() {
    if (!outside_) return;
    outside_->is_open = false;
    if (outside_->has_own_record) keep_refusal_record(*outside_);
    outside_.reset();
}

VisitTransaction& ServerVisit::current() {
    if (transaction_) return *transaction_;
    if (!outside_) {
        const WallTime now = services_.clock.wall();
        outside_ = std::make_unique<VisitTransaction>();
        outside_->id = outside_->told_id = new_id(now);
        outside_->began = now;
        outside_->has_mail = false;
    }
    outside_->reached = greeting_stage();
    return *outside_;
}

Stage ServerVisit::greeting_stage() const {
    return helo_.empty() ? Stage::connect : Stage::helo;
}

std::uint32_t ServerVisit::milliseconds() const {
    const auto since =
        std::chrono::duration_cast<std::chrono::milliseconds>(services_.clock.steady() - connected_);
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(since.count(), 0, UINT32_MAX));
}

void ServerVisit::heard(std::string_view line) {
    transcript_.heard(milliseconds(), line);
}

void ServerVisit::said(const SmtpReply& reply) {
    transcript_.said(milliseconds(), reply);
}

void ServerVisit::take_back_fold(VisitTransaction& transaction) {
    if (transaction.folded_into) services_.store.decisions().unfold(*transaction.folded_into);
    transaction.folded_into.reset();
}

DecisionRecord ServerVisit::made_record(VisitTransaction& transaction) {
    take_back_fold(transaction);
    DecisionRecord record = make_record(transaction, context(), run_);
    record.transcript = transcript_.text();
    record.transcript_left_out = transcript_.left_out();
    // The reply to the message goes out after its record is kept.
    if (transaction.took_data && transcript_.is_reply_awaited())
        record.transcript += fmt::format("{}{}\n", static_cast<char>(Speaker::server), milliseconds());
    if (services_.redactor != nullptr) services_.redactor->redact(record, *policy_->dictionary);
    return record;
}

RecordContext ServerVisit::context() const {
    return {peer_, tls_, listener_name_, helo_, *policy_, connected_, listener().late == LateAnswers::data};
}

RecordId ServerVisit::new_id(WallTime now) const {
    return RecordId::make(now, services_.node, static_cast<std::uint32_t>(random_u64()));
}

void ServerVisit::begin_connection() {
    run_.provide(id_of(CoreFact::time_now), services_.clock.wall());
    switch (peer_.ip_known) {
        case AddressKnown::yes: run_.provide(id_of(CoreFact::client_ip), peer_.ip); break;
        case AddressKnown::no: run_.provide(id_of(CoreFact::client_ip), Absent{}); break;
        case AddressKnown::not_for_now:
            run_.provide(id_of(CoreFact::client_ip), Unknown{"XCLIENT did not tell it for now"});
            break;
    }
    // What stands beside the address in XCLIENT comes from who has seen the client; iprev.result is our own.
    if (!peer_.claimed_name.empty() && !peer_.claimed_name.starts_with('['))
        run_.overrule(id_of(CoreFact::client_name), peer_.claimed_name);
    run_.provide(id_of(CoreFact::client_port), std::int64_t{peer_.port});
    run_.provide(id_of(CoreFact::listener_service), std::string(to_string(listener().service)));
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
    is_esmtp_ = false;
    run_.forget_from(Stage::helo);
}

void ServerVisit::provide_mail_facts(const MailArguments& arguments) {
    const std::optional<Mailbox>& from = transaction_->from;
    run_.provide(id_of(CoreFact::mail_from), from ? ascii_domain_address(from->to_string()) : std::string());
    if (from && !from->domain().starts_with('['))
        run_.provide(id_of(CoreFact::mail_domain), ascii_domain(from->domain()));
    run_.provide(id_of(CoreFact::mail_is_null), !from.has_value());
    if (arguments.declared_size != 0)
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
    // RFC 5321 section 3.1: 554 in place of the banner, and the session waits for QUIT; 421 closes.
    if (stage == Stage::connect) verdict.reply.code = verdict.reply.code < 500 ? 421 : 554;
    co_return refuse(std::move(verdict), "");
}

StageAnswer ServerVisit::refuse(Verdict verdict, const std::string& recipient) {
    RecordRecipient refused{recipient, verdict, "", nullptr};
    return refuse(std::move(verdict), std::move(refused));
}

StageAnswer ServerVisit::refuse(Verdict verdict, RecordRecipient recipient) {
    VisitTransaction& transaction = current();
    // Once it has a record of its own, its id serves for all that follows.
    if (!transaction.has_own_record) {
        const RefusalKind kind{peer_.ip, verdict.rule, static_cast<std::uint8_t>(verdict.stage)};
        const std::optional<RecordId> folded =
            services_.store.decisions().fold(kind, transaction.id, services_.clock.wall());
        take_back_fold(transaction);
        transaction.folded_into = folded;
        transaction.has_own_record = !folded;
        transaction.told_id = folded.value_or(transaction.id);
    }
    transaction.has_refusal = true;
    if (verdict.stage >= Stage::data) {
        transaction.reached = std::max(transaction.reached, verdict.stage);
        tell_recipients(transaction, verdict);
    }
    const bool is_for_all = recipient.address.empty() && verdict.stage >= Stage::data;
    const std::string to = is_for_all ? recipients_text(transaction) : recipient.address;
    if (!recipient.address.empty() && transaction.refused.size() < recorded_refusals_limit)
        transaction.refused.push_back(std::move(recipient));
    transaction.last_reply = with_id(verdict.reply, transaction.told_id);
    transaction.last_verdict = std::move(verdict);
    if (transaction.has_own_record) keep_refusal_record(transaction);
    log_refusal(transaction.last_verdict, transaction.told_id, to);
    return {transaction.last_reply, transaction.last_verdict.action == Action::disconnect};
}

std::string ServerVisit::client_address() const {
    return peer_.ip_known == AddressKnown::yes ? peer_.ip.to_string() : "unknown";
}

void ServerVisit::log_refusal(const Verdict& verdict, const RecordId& told, const std::string& to) const {
    const auto* name = std::get_if<std::string>(&run_.facts().get(id_of(CoreFact::client_name)));
    const std::string message = fmt::format(
        "NOQUEUE: reject: {} from {}[{}]: {} {} {}",
        stage_verb(verdict.stage),
        name != nullptr ? *name : "unknown",
        client_address(),
        verdict.reply.code,
        verdict.reply.enhanced,
        escape_for_log(verdict.reply.text)
    );
    const VisitTransaction* const about = transaction_ ? transaction_.get() : outside_.get();
    const std::string from = about != nullptr && about->from ? about->from->to_string() : std::string();
    log_info(
        message,
        {
            {"from",  from,                         LogShape::bracketed},
            {"to",    to,                           LogShape::bracketed},
            {"proto", is_esmtp_ ? "ESMTP" : "SMTP", LogShape::plain    },
            {"helo",  helo_,                        LogShape::bracketed},
            {"id",    told.to_string(),             LogShape::plain    }
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
