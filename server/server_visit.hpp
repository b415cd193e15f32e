// The Visit of a running server, as declared for its sources: visit.cpp (what each stage asks and answers),
// visit_verdicts.cpp (decide() with what it depends on), visit_message.cpp (the finished message: delivery,
// records). Private to them; others use visit.hpp.
#pragma once

#include "policy/transcript.hpp"
#include "server/deferrals.hpp"
#include "server/delivery.hpp"
#include "server/directory.hpp"
#include "server/greylist.hpp"
#include "server/message_facts.hpp"
#include "server/visit.hpp"
#include "server/visit_transaction.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace wicket {

class ServerVisit : public Visit {
public:
    ServerVisit(
        const VisitServices& services,
        std::size_t listener_index,
        const Peer& peer,
        const TlsDetails& tls,
        std::string listener_name,
        boost::asio::any_io_executor executor
    );
    boost::asio::awaitable<StageAnswer> connected() override;
    boost::asio::awaitable<StageAnswer> helo(HeloArguments arguments) override;
    boost::asio::awaitable<StageAnswer> mail(MailArguments arguments) override;
    boost::asio::awaitable<StageAnswer> rcpt(Mailbox recipient) override;
    boost::asio::awaitable<StageAnswer> data() override;
    boost::asio::awaitable<MessageAnswer> message(SharedMessage message) override;
    SmtpReply refused_by_session(Stage stage, std::string which, SmtpReply reply, RefusedPath path) override;
    SmtpReply following_reply(SmtpReply reply) override;
    void abandon() override;
    void tls_started(const TlsDetails& details) override;
    void peer_changed(const Peer& peer) override;
    void noticed(std::string what) override;
    void heard(std::string_view line) override;
    void said(const SmtpReply& reply) override;
    void ended() override;

private:
    const ListenerConfig& listener() const { return policy_->config->listeners.at(listener_index_); }
    RecordContext context() const;
    RecordId new_id(WallTime now) const;
    std::uint32_t milliseconds() const;
    /// What is kept of it: it is counted nowhere else from here on.
    DecisionRecord made_record(VisitTransaction& transaction);
    void take_back_fold(VisitTransaction& transaction);
    /// The transaction, or what stands for the connection outside of one.
    VisitTransaction& current();
    Stage greeting_stage() const;
    void end_connection_record();
    void begin_connection();
    void provide_tls_facts();
    void forget_greeting();
    void provide_mail_facts(const MailArguments& arguments);
    void provide_message_facts(const MessageFacts& found, std::uint64_t size);
    VisitRecipient new_recipient(const Mailbox& recipient, RecipientLookup found) const;
    Facts facts_for(const VisitRecipient& recipient) const;
    /// Of those, what the session may count or notice anew until the end.
    FactsSnapshot changing_facts() const;
    /// decide() for a recipient; where that defers for something unknown, with the count of earlier tries.
    Verdict judge(VisitRecipient& recipient, Stage stage);
    /// The same before there is a recipient.
    Verdict judge_connection(Stage stage);
    std::string sender_text() const;
    /// The verdict goes out as a reply: if it deferred for something unknown, that is one try more; if it
    /// greylisted, the sender's time runs.
    void count_try(const Verdict& verdict, std::string_view recipient);
    /// The same for all recipients of a message that is refused at its end.
    void count_tries_at_end();
    std::string message_try_key() const;
    /// Whether a verdict lets SMTP go on; in shadow mode every verdict of policy does.
    bool passes(const Verdict& verdict) const;
    bool answers_before(Stage end) const;
    /// Whether filters that wait for the end of data must not, because this verdict hangs on their facts or
    /// is a refusal whose record should hold them; they begin then.
    bool wakes_waiting_filters(const Verdict& verdict);
    /// Rules with answer = "now": the only ones that are not answered at RCPT.
    boost::asio::awaitable<StageAnswer> answer_now(Stage stage);
    /// A refusal before the message. Its record is kept at once, for the id is told, and again when the
    /// transaction or the connection ends.
    StageAnswer refuse(Verdict verdict, const std::string& recipient);
    StageAnswer refuse(Verdict verdict, RecordRecipient recipient);
    std::string client_address() const;
    void log_refusal(const Verdict& verdict, const RecordId& told, const std::string& to) const;
    /// What no rule can allow: loops, and messages that crash the scanner.
    std::optional<Verdict> invariant_refusal(const MessageFacts& found) const;
    SmtpReply finish_refused(Verdict verdict);
    Delivery record_delivery(const DecisionRecord& record) const;
    void keep_record_unwaited();
    void keep_refusal_record(VisitTransaction& transaction);
    /// A refused message: the record is synced before the reply, as every record of a transaction that took
    /// DATA.
    boost::asio::awaitable<MessageAnswer> refuse_message(Verdict verdict);
    /// The same of a message that all recipients refuse: it is kept for people to look at, if it may be.
    boost::asio::awaitable<MessageAnswer> refuse_and_keep(
        SharedMessage message, const MessageFacts& found, Verdict verdict
    );
    DeliveryTrace trace() const;
    RecordQuarantine may_keep(std::uint64_t octets) const;
    boost::asio::awaitable<void> commit_record();
    boost::asio::awaitable<SmtpReply> deliver(SharedMessage message, const MessageFacts& found);
    SmtpReply store_refusal(const Error& error);
    boost::asio::awaitable<Result<std::vector<Uid>>> commit(Delivery delivery);

    VisitServices services_;
    Deferrals deferrals_;
    Greylist greylist_;
    std::shared_ptr<const PolicyState> policy_;
    std::size_t listener_index_;
    std::string listener_name_;
    boost::asio::any_io_executor executor_;
    Peer peer_;
    TlsDetails tls_;
    SteadyTime connected_;
    ChainRun run_;
    std::string helo_;
    bool is_esmtp_ = false;
    std::vector<std::string> notices_;
    std::unique_ptr<VisitTransaction> transaction_;  // a session without one is to be small
    std::unique_ptr<VisitTransaction> outside_;      // once something was refused without a transaction
    bool had_transaction_ = false;
    std::uint64_t unknown_recipients_ = 0;
    Transcript transcript_;
};

/// "MAIL", "RCPT", ...: the word of a log line.
std::string_view stage_verb(Stage stage);

}  // namespace wicket
