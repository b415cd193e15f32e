// The SMTP protocol as a server speaks it (RFC 5321 and what EHLO lists), without I/O: the driver feeds it
// octets and answers, and it says what to do next. It owns the state of the dialogue and nothing else; what a
// message means is the Visit's. Of the Visit it calls only what does not wait; what may wait, it asks for
// with a step. One thread. It keeps no buffer while it waits for a command. Source files: session.cpp (lines,
// limits, replies), session_greeting.cpp (EHLO, STARTTLS, XCLIENT), session_envelope.cpp (MAIL, RCPT),
// session_message.cpp (DATA, BDAT).
#pragma once

#include "receiver/command_line_reader.hpp"
#include "receiver/command_table.hpp"
#include "receiver/esmtp_parameters.hpp"
#include "receiver/gatekeeper.hpp"
#include "receiver/options.hpp"
#include "receiver/session_step.hpp"
#include "receiver/transaction.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace wicket {

class SmtpSession {
public:
    enum class Tls : std::uint8_t { off, on };

    /// `options`, `budget` and `visit` are borrowed for the session's life.
    SmtpSession(
        const ReceiverOptions& options, const ByteBudget& budget, Visit& visit, const Peer& peer, Tls tls
    );

    /// What to do next. Takes what it uses off the front of `input`; with ReadOctets and StartTls nothing is
    /// left.
    SmtpStep next(std::string_view& input);

    /// While a step that asked has no answer: whether the client has to be silent until its reply.
    bool expects_silence() const;
    /// It was not.
    void talked_early();
    /// The answer to any Ask step but AskMessage.
    void answer(const StageAnswer& answer);
    void answer_message(const MessageAnswer& answer);
    void tls_started(const TlsDetails& details);
    /// `turned_away`: why the limits do not admit the new client, if so.
    void peer_changed(const std::optional<std::string>& turned_away);
    /// While connections are scarce, fewer errors are borne.
    void connections_are_scarce(bool are_they) { is_scarce_ = are_they; }
    /// The next step is CloseConnection, with a 421 in the output.
    void interrupt(Interruption why);
    /// The connection is over: abandons the transaction, if there is one. Not Visit::ended().
    void end();

    /// What is to be sent; empties it.
    std::string take_output() { return std::exchange(output_, {}); }
    bool has_output() const { return !output_.empty(); }
    Awaiting awaiting() const;
    /// From 354 or the first chunk to the end of the message, or in a chunk that is passed over.
    bool is_in_message() const;
    /// Octets of text are on their way that nobody wants; a client that is still sending them reads no reply.
    bool is_text_unread() const { return phase_ == Phase::closing && chunk_left_octets_ != 0; }
    /// The banner was a refusal, and only QUIT is awaited.
    bool is_turned_away() const { return is_turned_away_; }
    /// No transaction is open and no octet of a command has come: the moment to leave, when the server
    /// drains.
    bool is_idle() const;

private:
    enum class Phase : std::uint8_t {
        begin,       // connected() is to be asked
        command,     // a line is expected
        asking,      // a step asked something, and the answer has not come
        data,        // the octets after 354
        chunk,       // the octets of a BDAT
        skip_chunk,  // those of one that is refused
        closing,
    };
    enum class Asked : std::uint8_t { connected, helo, mail, rcpt, data, first_chunk, message, tls, peer };
    /// Whether octets had already come after a command when it was read.
    enum class Follows : std::uint8_t { nothing, octets };
    using NextStep = std::optional<SmtpStep>;

    // session.cpp
    NextStep read_command(std::string_view& input);
    NextStep on_line(const CommandLine& line, Follows follows);
    NextStep run(const CommandRow& row, std::string_view argument, Follows follows);
    void reset_by_client();
    void count_idle();
    void look_at_part();
    void refuse_line(const CommandLine& line);
    void refuse_bad_octets(std::string_view line);
    void drop_http();
    void reply(int code, std::string_view enhanced, std::string_view text);
    void send(const SmtpReply& reply);
    void send_refusal(const SmtpReply& reply);
    void refuse(int code, std::string_view enhanced, std::string_view text);
    void refuse_recorded(Stage stage, std::string_view which, SmtpReply reply, RefusedPath path = {});
    void drop(Stage stage, std::string_view text);
    void close_with(std::string_view enhanced, std::string_view text);
    void close() { phase_ = Phase::closing; }
    void notice_pipelining();
    void end_transaction();
    NextStep ask(Asked what, SmtpStep step);
    Stage current_stage() const;
    bool may_answer(const StageAnswer& answer);

    // session_greeting.cpp
    void send_banner();
    NextStep on_hello(const CommandRow& row, std::string_view argument, Follows follows);
    void greet();
    NextStep on_starttls(Follows follows);
    NextStep on_xclient(std::string_view argument, Follows follows);
    bool may_xclient() const;

    // session_envelope.cpp
    NextStep on_mail(std::string_view argument);
    void mail_accepted();
    NextStep on_rcpt(std::string_view argument);
    void refuse_address(Stage stage, const AddressError& error, RefusedPath path = {});
    void refuse_parameters(Stage stage, ParameterFault fault, RefusedPath path);

    // session_message.cpp
    NextStep on_data(Follows follows);
    NextStep on_bdat(std::string_view argument);
    void close_on_text();
    void drop_after_data();
    void data_answered(const StageAnswer& answer);
    void first_chunk_answered(const StageAnswer& answer);
    NextStep read_data(std::string_view& input);
    NextStep read_chunk(std::string_view& input);
    NextStep skip_chunk(std::string_view& input);
    NextStep chunk_is_complete();
    NextStep message_is_complete();
    void refuse_message(MessageFault fault);
    NextStep refuse_chunk(SmtpReply reply);

    const ReceiverOptions& options_;
    const ByteBudget& budget_;
    Visit& visit_;
    IpAddress xclient_ip_;        // who spoke first: XCLIENT does not give its right away
    std::unique_ptr<Peer> peer_;  // only for those who may say XCLIENT
    CommandLineReader lines_;
    std::string output_;
    std::optional<Transaction> transaction_;
    std::unique_ptr<SmtpReply> chunk_refusal_;  // said when the octets of a refused chunk are passed
    std::uint64_t chunk_left_octets_ = 0;
    std::uint32_t errors_ = 0;
    std::uint32_t idle_commands_ = 0;
    bool is_scarce_ = false;
    Phase phase_ = Phase::begin;
    Asked asked_ = Asked::connected;
    SessionState state_ = SessionState::connected;
    Tls tls_;
    bool is_esmtp_ = false;        // the last greeting was EHLO
    bool is_esmtp_asked_ = false;  // the greeting that is being asked about is EHLO
    bool is_turned_away_ = false;  // the banner was a refusal
    bool chunk_is_last_ = false;
    bool data_has_begun_ = false;
    bool noticed_pipelining_ = false;
    bool talked_after_data_ = false;
    bool part_is_refused_ = false;  // the line that is being read, before its end
};

}  // namespace wicket
