// What the receiver asks of the rest of the server: one Visit per connection. The session
// (receiver/session.hpp) speaks the protocol, the Visit gathers facts, decides, stores and keeps the record;
// neither knows how the other works. server/visit.cpp is the real one; tests script one. All calls come on
// the connection's loop, one at a time.
#pragma once

#include "base/message_bytes.hpp"
#include "base/record_id.hpp"
#include "mail/address.hpp"
#include "mail/smtp_reply.hpp"
#include "mail/stage.hpp"
#include "net/peer.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace wicket {

/// What the session shall do after it asked.
struct StageAnswer {
    std::optional<SmtpReply> refusal;  // nullopt: go on, with the session's own positive reply
    bool disconnect = false;           // close after the refusal
};

/// The reply to a message, and what the session shall do after it.
struct MessageAnswer {
    SmtpReply reply;
    bool disconnect = false;
};

struct HeloArguments {
    bool is_ehlo;
    std::string name;  // as given
};

struct MailArguments {
    std::optional<Mailbox> from;  // nullopt is the null reverse-path
    std::uint64_t declared_size = 0;
    bool is_smtputf8 = false;
    bool is_8bit = false;
};

/// Of a refused MAIL or RCPT.
struct RefusedPath {
    bool is_read = false;            // false: it was no path, or none was asked for
    std::optional<Mailbox> mailbox;  // nullopt is the null reverse-path
};

class Visit {
public:
    virtual ~Visit() = default;

    /// Before the banner. A refusal here is answered instead of 220.
    virtual boost::asio::awaitable<StageAnswer> connected() = 0;
    virtual boost::asio::awaitable<StageAnswer> helo(HeloArguments arguments) = 0;
    /// Fixes the transaction's id.
    virtual boost::asio::awaitable<StageAnswer> mail(MailArguments arguments) = 0;
    /// No relaying, does the user exist, rules so far. Called again for each RCPT that the session finds well
    /// formed.
    virtual boost::asio::awaitable<StageAnswer> rcpt(Mailbox recipient) = 0;
    /// Before 354, or at the first BDAT.
    virtual boost::asio::awaitable<StageAnswer> data() = 0;
    /// The whole message. Always has a reply, positive or not, with the id as its last token. Ends the
    /// transaction.
    virtual boost::asio::awaitable<MessageAnswer> message(SharedMessage message) = 0;

    /// A refusal by the session itself inside a transaction or of a whole command (protocol, limit): so that
    /// the record has it. `which` is "protocol" or "limit"; `path` is what the MAIL or RCPT named, as far as
    /// it could be read. Returns the reply with the id at its end.
    virtual SmtpReply refused_by_session(
        Stage stage, std::string which, SmtpReply reply, RefusedPath path = {}
    ) = 0;
    /// A reply inside a transaction that only follows from what came before and decides nothing, such as that
    /// to DATA when all recipients were refused. Returns it with the id under which the transaction is found.
    virtual SmtpReply following_reply(SmtpReply reply) = 0;
    /// RSET, a second EHLO, or the end of the session: the transaction, if any, ends without a message.
    virtual void abandon() = 0;
    /// TLS is on, and what was said before it is forgotten (RFC 3207 section 4.2).
    virtual void tls_started(const TlsDetails& details) = 0;
    /// XCLIENT: a new client, all connect checks anew; what was said before is forgotten.
    virtual void peer_changed(const Peer& peer) = 0;
    /// An observation of the session that rules may want: "early_talker", "unauthorised_pipelining", "http".
    virtual void noticed(std::string what) = 0;
    /// For the transcript: a command as it may be written down, and each reply.
    virtual void heard(std::string_view /*line*/) {}
    virtual void said(const SmtpReply& /*reply*/) {}
    /// The connection is over; the last call. Writes the record of a connection that ended without a
    /// transaction.
    virtual void ended() = 0;
};

/// Makes the Visit of a connection.
class Gatekeeper {
public:
    virtual ~Gatekeeper() = default;
    virtual std::unique_ptr<Visit> begin(
        const Peer& peer, const TlsDetails& tls, const std::string& listener
    ) = 0;
};

}  // namespace wicket
