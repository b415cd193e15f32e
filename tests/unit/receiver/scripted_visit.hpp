// A Visit for tests: takes all mail but that of a few names, and writes down what it was told.
#pragma once

#include "receiver/gatekeeper.hpp"

#include <functional>
#include <string>
#include <vector>

namespace wicket {

class ScriptedVisit : public Visit {
public:
    /// What happened, in order: "helo mx", "mail a@b", "message 12", "abandon", "noticed http", ...
    std::vector<std::string> events;
    std::vector<std::string> messages;
    std::function<StageAnswer()> on_connected = [] { return StageAnswer{}; };
    std::function<SmtpReply()> on_message = [] { return SmtpReply{250, "2.0.0", "Kept id=X"}; };
    bool disconnects_after_message = false;
    StageAnswer helo_answer, data_answer;

    static StageAnswer refuse(int code, std::string enhanced, bool disconnect = false) {
        return {
            SmtpReply{code, std::move(enhanced), "Refused by the visit id=X"},
            disconnect
        };
    }

    StageAnswer answer_connected() {
        events.push_back("connected");
        return on_connected();
    }
    StageAnswer answer_helo(const HeloArguments& arguments) {
        events.push_back((arguments.is_ehlo ? "ehlo " : "helo ") + arguments.name);
        return helo_answer;
    }
    StageAnswer answer_mail(const MailArguments& arguments) {
        events.push_back("mail " + (arguments.from ? arguments.from->to_string() : "<>"));
        last_mail = arguments;
        return arguments.from && arguments.from->local_part() == "spammer" ? refuse(550, "5.7.1")
                                                                           : StageAnswer{};
    }
    StageAnswer answer_rcpt(const Mailbox& recipient) {
        events.push_back("rcpt " + recipient.to_string());
        if (recipient.local_part() == "nobody") return refuse(550, "5.1.1");
        if (recipient.local_part() == "later") return refuse(451, "4.3.0");
        if (recipient.local_part() == "trap") return refuse(550, "5.7.1", true);
        return {};
    }
    StageAnswer answer_data() {
        events.push_back("data");
        return data_answer;
    }
    MessageAnswer answer_message(const SharedMessage& message) {
        events.push_back("message " + std::to_string(message->size()));
        messages.push_back(message->read(0, message->size()).value());
        return {on_message(), disconnects_after_message};
    }

    boost::asio::awaitable<StageAnswer> connected() override { co_return answer_connected(); }
    boost::asio::awaitable<StageAnswer> helo(HeloArguments arguments) override {
        co_return answer_helo(arguments);
    }
    boost::asio::awaitable<StageAnswer> mail(MailArguments arguments) override {
        co_return answer_mail(arguments);
    }
    boost::asio::awaitable<StageAnswer> rcpt(Mailbox recipient) override { co_return answer_rcpt(recipient); }
    boost::asio::awaitable<StageAnswer> data() override { co_return answer_data(); }
    boost::asio::awaitable<MessageAnswer> message(SharedMessage message) override {
        co_return answer_message(message);
    }

    SmtpReply refused_by_session(Stage stage, std::string which, SmtpReply reply, RefusedPath path) override {
        events.push_back(
            "refused " + std::string(to_string(stage)) + " " + which + " " + std::to_string(reply.code)
        );
        if (path.is_read) events.back() += " <" + (path.mailbox ? path.mailbox->to_string() : "") + ">";
        reply.text += " id=X";
        return reply;
    }
    SmtpReply following_reply(SmtpReply reply) override {
        events.push_back("following " + std::to_string(reply.code));
        reply.text += " id=X";
        return reply;
    }
    void abandon() override { events.emplace_back("abandon"); }
    void tls_started(const TlsDetails& details) override { events.push_back("tls " + details.version); }
    void peer_changed(const Peer& peer) override {
        events.push_back("peer " + peer.ip.to_string());
        last_peer = peer;
    }
    void heard(std::string_view line) override { transcript += "C: " + std::string(line) + "\n"; }
    void said(const SmtpReply& reply) override { transcript += "S: " + std::to_string(reply.code) + "\n"; }
    void noticed(std::string what) override { events.push_back("noticed " + what); }
    void ended() override { events.emplace_back("ended"); }

    bool saw(const std::string& event) const {
        return std::find(events.begin(), events.end(), event) != events.end();
    }

    std::string transcript;
    MailArguments last_mail;
    Peer last_peer;
};

}  // namespace wicket
