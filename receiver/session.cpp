#include "receiver/session.hpp"

#include <algorithm>

namespace wicket {
namespace {

// Replies of pipelined commands are gathered up to here, whether the peer reads them or not.
constexpr std::size_t output_limit_octets = 16U << 10U;

// The content type of a TLS record with a handshake in it (RFC 8446 section 5.1): no SMTP command begins so.
constexpr char tls_handshake_octet = '\x16';

}  // namespace

SmtpSession::SmtpSession(
    const ReceiverOptions& options, const ByteBudget& budget, Visit& visit, const Peer& peer, Tls tls
)
    : options_(options),
      budget_(budget),
      visit_(visit),
      xclient_ip_(peer.ip),
      lines_(options.limits.line_octets),
      tls_(tls) {
    if (may_xclient()) peer_ = std::make_unique<Peer>(peer);
}

SmtpStep SmtpSession::next(std::string_view& input) {
    while (true) {
        NextStep step;
        switch (phase_) {
            case Phase::begin: return *ask(Asked::connected, AskConnected{});
            case Phase::command: step = read_command(input); break;
            case Phase::data: step = read_data(input); break;
            case Phase::chunk: step = read_chunk(input); break;
            case Phase::skip_chunk: step = skip_chunk(input); break;
            case Phase::asking:  // an answer is missing: our own bug, and nothing can be done but to end
            case Phase::closing: return CloseConnection{};
        }
        if (step) return std::move(*step);
        if (output_.size() >= output_limit_octets) return SendReplies{};
    }
}

SmtpSession::NextStep SmtpSession::read_command(std::string_view& input) {
    if (!lines_.has_part() && input.starts_with(tls_handshake_octet)) {
        drop(current_stage(), "This port does not begin with TLS");
        return std::nullopt;
    }
    const auto line = lines_.take(input);
    if (!line) {
        look_at_part();
        if (phase_ == Phase::closing) return std::nullopt;
        return ReadOctets{};
    }
    return on_line(*line, input.empty() ? Follows::nothing : Follows::octets);
}

SmtpSession::NextStep SmtpSession::on_line(const CommandLine& line, Follows follows) {
    visit_.heard(transcript_line(line.fault == LineFault::none ? line.text : std::string_view()));
    const bool is_refused = std::exchange(part_is_refused_, false);
    // Before its faults: a request is long if its author likes, and what follows it is his too.
    if (is_http_request(line.text)) {
        drop_http();
        return std::nullopt;
    }
    if (line.fault != LineFault::none) {
        if (!is_refused) refuse_line(line);
        return std::nullopt;
    }
    const CommandRow* row = find_command(line.text);
    if (!row) {
        // RFC 5321 section 4.2.4: 500 for what is not known at all.
        refuse(500, "5.5.1", "Unknown command");
        if (is_chunk_announcement(line.text)) close_on_text();
        return std::nullopt;
    }
    // RFC 2920 section 3.1: some commands end a group, and nothing may be pipelined before it was offered.
    if (follows == Follows::octets && (!may_be_followed(row->command) || !is_esmtp_)) notice_pipelining();
    return run(*row, argument_of(*row, line.text), follows);
}

SmtpSession::NextStep SmtpSession::run(const CommandRow& row, std::string_view argument, Follows follows) {
    // RFC 5321 section 3.1: after a 554 banner the server waits for QUIT, and answers 503 to anything else.
    // The octets behind BDAT are no commands even so.
    if (is_turned_away_ && row.command != Command::quit && row.command != Command::bdat) {
        refuse(503, "5.5.1", "No service for you; say QUIT");
        return std::nullopt;
    }
    // Both before any other check: whatever the reply would be, the octets after them are not commands.
    if (row.command == Command::data && follows == Follows::octets) return on_data(follows);
    if (row.command == Command::starttls && follows == Follows::octets) return on_starttls(follows);
    if (row.command == Command::xclient && !may_xclient()) return on_xclient(argument, follows);
    if (row.command == Command::bdat) return on_bdat(argument);
    if (!row.is_allowed_in(state_)) {
        // RFC 5321 section 3.3: 554 if there are no recipients because all were refused. It is what a
        // pipelining client runs into without a mistake, so it is no error of the session.
        const bool all_refused =
            transaction_ && transaction_->recipients_tried != 0 && transaction_->recipients_accepted == 0;
        // Nor is it final where the refusals were not.
        if (row.command == Command::data && all_refused)
            send(visit_.following_reply(
                transaction_->has_permanent_refusal ? SmtpReply{554, "5.5.1", "No valid recipients"}
                                                    : SmtpReply{451, "4.5.1", "No valid recipients for now"}
            ));
        else
            refuse(503, "5.5.1", "Not now");
        return std::nullopt;
    }
    if ((row.argument == Argument::none && !argument.empty()) ||
        (row.argument == Argument::required && argument.empty())) {
        refuse(501, "5.5.4", argument.empty() ? "An argument is missing" : "No argument belongs here");
        return std::nullopt;
    }
    switch (row.command) {
        case Command::ehlo:
        case Command::helo: return on_hello(row, argument, follows);
        case Command::starttls: return on_starttls(follows);
        case Command::xclient: return on_xclient(argument, follows);
        case Command::mail: return on_mail(argument);
        case Command::rcpt: return on_rcpt(argument);
        case Command::data: return on_data(follows);
        case Command::bdat: break;
        case Command::rset:
            reset_by_client();
            reply(250, "2.0.0", "Reset");
            count_idle();
            break;
        case Command::vrfy:
            // RFC 5321 section 3.5.3: 252 says that we do not say, lest users be counted out.
            reply(252, "2.0.0", "Send some mail, and it will be tried");
            count_idle();
            break;
        case Command::help:
            reply(
                214,
                "2.0.0",
                "RFC 5321 says it all\nEHLO HELO MAIL RCPT DATA BDAT RSET VRFY NOOP STARTTLS QUIT"
            );
            count_idle();
            break;
        case Command::noop:
            reply(250, "2.0.0", "Done");
            count_idle();
            break;
        case Command::quit:
            reply(221, "2.0.0", "Goodbye");
            close();
            break;
        case Command::unimplemented: refuse(502, "5.5.1", "Not implemented here"); break;
    }
    return std::nullopt;
}

void SmtpSession::reset_by_client() {
    if (!transaction_) return;
    visit_.abandon();
    end_transaction();
}

void SmtpSession::count_idle() {
    if (++idle_commands_ < options_.limits.idle_commands) return;
    close_with("4.7.0", "Too many commands without mail");
}

/// Who ends lines with LF alone waits for a reply, and gets it before a CRLF has come. Up to that nothing is
/// a command.
void SmtpSession::look_at_part() {
    if (part_is_refused_ || !lines_.has_bare_lf()) return;
    if (is_http_request(lines_.part())) return drop_http();
    part_is_refused_ = true;
    refuse_bad_octets(lines_.part());
}

void SmtpSession::refuse_line(const CommandLine& line) {
    if (line.fault == LineFault::bad_octets) return refuse_bad_octets(line.text);
    // RFC 5321 section 4.5.3.1.9: 500 for a line that is too long.
    refuse_recorded(current_stage(), "limit", {500, "5.5.2", "Line too long"});
    if (is_chunk_announcement(line.text)) close_on_text();
}

/// The same reply as for such octets in a message, for they may be meant to smuggle one.
void SmtpSession::refuse_bad_octets(std::string_view line) {
    refuse_recorded(
        current_stage(),
        "protocol",
        {550, "5.5.2", "NUL, bare CR or bare LF in a command; lines must end with CRLF"}
    );
    if (is_chunk_announcement(line)) close_on_text();
}

void SmtpSession::drop_http() {
    visit_.noticed("http");
    drop(current_stage(), "This is not an HTTP server");
}

void SmtpSession::reply(int code, std::string_view enhanced, std::string_view text) {
    send({.code = code, .enhanced = std::string(enhanced), .text = std::string(text)});
}

void SmtpSession::send(const SmtpReply& reply) {
    visit_.said(reply);
    output_ += reply.to_wire();
    // RFC 5321 section 3.8: 421 announces that the channel is closed.
    if (reply.code == 421) close();
}

/// A refusal that a client without a mistake does not get: 5xx counts as an error of the session.
void SmtpSession::send_refusal(const SmtpReply& reply) {
    send(reply);
    if (reply.code < 500 || phase_ == Phase::closing) return;
    const ReceiverLimits& limits = options_.limits;
    if (++errors_ >= (is_scarce_ ? std::min(limits.errors, limits.errors_under_stress) : limits.errors))
        close_with("4.7.0", "Too many errors");
}

void SmtpSession::refuse(int code, std::string_view enhanced, std::string_view text) {
    send_refusal({.code = code, .enhanced = std::string(enhanced), .text = std::string(text)});
}

void SmtpSession::refuse_recorded(Stage stage, std::string_view which, SmtpReply reply, RefusedPath path) {
    send_refusal(visit_.refused_by_session(stage, std::string(which), std::move(reply), std::move(path)));
}

/// What comes next cannot be trusted to be commands, so none of it is read.
void SmtpSession::drop(Stage stage, std::string_view text) {
    send(visit_.refused_by_session(stage, "protocol", {521, "5.5.1", std::string(text)}));
    close();
}

void SmtpSession::close_with(std::string_view enhanced, std::string_view text) {
    send(visit_.refused_by_session(current_stage(), "limit", {421, std::string(enhanced), std::string(text)})
    );
}

void SmtpSession::end_transaction() {
    transaction_.reset();
    if (state_ != SessionState::connected) state_ = SessionState::greeted;
}

SmtpSession::NextStep SmtpSession::ask(Asked what, SmtpStep step) {
    asked_ = what;
    phase_ = Phase::asking;
    return step;
}

void SmtpSession::notice_pipelining() {
    if (!std::exchange(noticed_pipelining_, true)) visit_.noticed("unauthorised_pipelining");
}

Stage SmtpSession::current_stage() const {
    switch (state_) {
        case SessionState::connected: return Stage::connect;
        case SessionState::greeted: return Stage::helo;
        case SessionState::mail_given: return Stage::mail;
        case SessionState::rcpt_given: return Stage::rcpt;
        case SessionState::chunking: return Stage::data;
    }
    std::unreachable();
}

/// Sends the refusal, if there is one. What is refused for now counts as idle, so that a client that goes on
/// asking comes to an end too; not so RCPT, which has a limit of its own.
bool SmtpSession::may_answer(const StageAnswer& answer) {
    if (!answer.refusal) return true;
    send_refusal(*answer.refusal);
    if (answer.disconnect) close();
    if (phase_ != Phase::closing && answer.refusal->code < 500 && asked_ != Asked::rcpt) count_idle();
    return false;
}

// RFC 5321 section 4.3.1: nothing before the banner. RFC 2920 section 3.1: nothing after EHLO and DATA, whose
// replies decide what is to follow, and without PIPELINING after no command at all. What follows STARTTLS
// makes the handshake fail, and the octets of a chunk follow BDAT.
bool SmtpSession::expects_silence() const {
    if (phase_ != Phase::asking) return false;
    switch (asked_) {
        case Asked::connected:
        case Asked::helo:
        case Asked::data: return true;
        case Asked::mail:
        case Asked::rcpt:
        case Asked::message: return !is_esmtp_;
        case Asked::first_chunk:
        case Asked::tls:
        case Asked::peer: return false;
    }
    std::unreachable();
}

void SmtpSession::talked_early() {
    if (asked_ == Asked::connected) return visit_.noticed("early_talker");
    notice_pipelining();
    talked_after_data_ = asked_ == Asked::data;
}

void SmtpSession::answer(const StageAnswer& answer) {
    phase_ = Phase::command;
    switch (asked_) {
        case Asked::connected:
            if (may_answer(answer))
                send_banner();
            else
                is_turned_away_ = true;
            break;
        case Asked::helo:
            if (may_answer(answer)) greet();
            break;
        case Asked::mail:
            if (may_answer(answer))
                mail_accepted();
            else
                reset_by_client();
            break;
        case Asked::rcpt:
            if (!may_answer(answer)) {
                if (transaction_ && answer.refusal->code >= 500) transaction_->has_permanent_refusal = true;
                break;
            }
            ++transaction_->recipients_accepted;
            state_ = SessionState::rcpt_given;
            reply(250, "2.1.5", "Recipient accepted");
            break;
        case Asked::data: data_answered(answer); break;
        case Asked::first_chunk: first_chunk_answered(answer); break;
        case Asked::message:
        case Asked::tls:
        case Asked::peer: break;
    }
}

void SmtpSession::answer_message(const MessageAnswer& answer) {
    phase_ = Phase::command;
    end_transaction();
    // A client may keep its connection for as long as it has mail for us.
    if (answer.reply.is_positive()) idle_commands_ = 0;
    send(answer.reply);
    if (answer.disconnect) close();
}

void SmtpSession::interrupt(Interruption why) {
    SmtpReply last{421, "4.4.2", "Timed out"};
    switch (why) {
        case Interruption::timed_out: break;
        case Interruption::too_slow: last.text = "Too slow"; break;
        case Interruption::draining: last = {421, "4.3.2", "Going down; please come again"}; break;
        case Interruption::internal_error: last = {421, "4.3.0", "Internal error"}; break;
    }
    // In the message it is the reply of DATA or BDAT; between commands it decides nothing.
    const bool is_message_refused =
        phase_ == Phase::data || phase_ == Phase::chunk || (transaction_ && why == Interruption::too_slow);
    if (is_message_refused)
        last = visit_.refused_by_session(Stage::data, "limit", std::move(last));
    else
        last = visit_.following_reply(std::move(last));
    send(last);
}

void SmtpSession::end() {
    phase_ = Phase::closing;
    reset_by_client();
}

Awaiting SmtpSession::awaiting() const {
    if (phase_ == Phase::command) return lines_.has_part() ? Awaiting::command_rest : Awaiting::command;
    return data_has_begun_ ? Awaiting::data_rest : Awaiting::data;
}

bool SmtpSession::is_in_message() const {
    return phase_ == Phase::skip_chunk || (transaction_ && transaction_->intake);
}

bool SmtpSession::is_idle() const {
    return phase_ == Phase::command && !lines_.has_part() && !transaction_;
}

}  // namespace wicket
