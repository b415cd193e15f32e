// An SmtpSession without sockets: octets in, octets out, and a ScriptedVisit that is asked at once.
#pragma once

#include "receiver/session.hpp"
#include "tests/unit/receiver/scripted_visit.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace wicket {

class Dialog {
public:
    explicit Dialog(ReceiverOptions with = default_options(), std::string_view client_ip = "192.0.2.1")
        : options(std::move(with)),
          session(options, budget, visit, peer_at(client_ip), SmtpSession::Tls::off) {
        greeting = say("");
    }

    static ReceiverOptions default_options() {
        ReceiverOptions options;
        options.hostname = "mx.example.test";
        options.offers_starttls = true;
        options.spool_folder = "/tmp";
        return options;
    }
    static Peer peer_at(std::string_view ip) {
        Peer peer;
        peer.ip = peer.socket_ip = IpAddress::parse(ip).value();
        return peer;
    }

    /// What the session answers to these octets, which arrive together.
    std::string say(std::string_view octets) {
        std::string replies;
        while (!is_closed) {
            const SmtpStep step = session.next(octets);
            replies += session.take_output();
            if (std::holds_alternative<ReadOctets>(step)) break;
            perform(step);
        }
        return replies;
    }

    /// The same octets one by one.
    std::string say_slowly(std::string_view octets) {
        std::string replies;
        for (std::size_t at = 0; at < octets.size(); ++at)
            replies += say(octets.substr(at, 1));
        return replies;
    }

    ReceiverOptions options;
    ByteBudget budget{1U << 30U, 1U << 30U};
    ScriptedVisit visit;
    SmtpSession session;
    std::optional<std::string> turned_away;  // the limits' answer to XCLIENT
    std::string greeting;
    bool is_closed = false;

private:
    void perform(const SmtpStep& step) {
        if (std::holds_alternative<AskConnected>(step)) return session.answer(visit.answer_connected());
        if (std::holds_alternative<ChangePeer>(step)) return session.peer_changed(turned_away);
        if (const auto* helo = std::get_if<AskHelo>(&step))
            return session.answer(visit.answer_helo(helo->arguments));
        if (const auto* mail = std::get_if<AskMail>(&step))
            return session.answer(visit.answer_mail(mail->arguments));
        if (const auto* rcpt = std::get_if<AskRcpt>(&step))
            return session.answer(visit.answer_rcpt(rcpt->recipient));
        if (std::holds_alternative<AskData>(step)) return session.answer(visit.answer_data());
        if (const auto* message = std::get_if<AskMessage>(&step))
            return session.answer_message(visit.answer_message(message->message));
        if (std::holds_alternative<StartTls>(step))
            return session.tls_started({.version = "TLSv1.3", .cipher = "x", .server_name = ""});
        if (std::holds_alternative<CloseConnection>(step)) {
            session.end();
            is_closed = true;
        }
    }
};

/// "250 250 354": the codes of complete replies.
inline std::string codes_of(std::string_view replies) {
    std::string codes;
    while (!replies.empty()) {
        const std::size_t end = replies.find("\r\n");
        if (end == std::string_view::npos || end < 4) return codes + " MALFORMED";
        if (replies[3] == ' ') codes += (codes.empty() ? "" : " ") + std::string(replies.substr(0, 3));
        replies.remove_prefix(end + 2);
    }
    return codes;
}

}  // namespace wicket
