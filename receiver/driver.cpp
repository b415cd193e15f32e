#include "receiver/driver.hpp"

#include "base/log.hpp"
#include "receiver/message_pace.hpp"
#include "receiver/session.hpp"

#include <algorithm>
#include <exception>
#include <optional>
#include <string>
#include <utility>

namespace wicket {
namespace {

using boost::asio::awaitable;

// For the last words of a session: whoever does not take them at once does not want them.
constexpr std::chrono::seconds farewell_deadline{5};

// Of refused text, read after the last words: more than the kernel buffers on both sides hold.
constexpr std::size_t linger_limit_octets = 16U << 20U;

class SmtpDriver {
public:
    SmtpDriver(
        std::shared_ptr<Connection> connection,
        std::unique_ptr<Visit> visit,
        const ReceiverOptions& options,
        ByteBudget& budget,
        const Clock& clock
    )
        : connection_(std::move(connection)),
          visit_(std::move(visit)),
          options_(options),
          clock_(clock),
          session_(
              options,
              budget,
              *visit_,
              connection_->peer(),
              connection_->tls().is_on() ? SmtpSession::Tls::on : SmtpSession::Tls::off
          ) {}

    /// Runs the session until it says CloseConnection, or the connection fails.
    awaitable<void> run();
    /// After run() has thrown: says so to the client and the log.
    awaitable<void> apologise(std::string what);
    void end();

private:
    enum class Outcome : std::uint8_t { go_on, stop };

    awaitable<Outcome> advance();
    awaitable<Outcome> perform(SmtpStep step);
    awaitable<Outcome> read();
    awaitable<Outcome> flush(std::chrono::seconds within);
    awaitable<Outcome> start_tls();
    awaitable<void> wait_before_banner();
    void listen_for_early_talk();
    void answer(const StageAnswer& answer);
    awaitable<void> linger();
    void keep_input();
    SteadyTime read_deadline(SteadyTime now);

    std::shared_ptr<Connection> connection_;
    std::unique_ptr<Visit> visit_;
    const ReceiverOptions& options_;
    const Clock& clock_;
    std::optional<SteadyTime> command_deadline_;  // of the command that has begun
    std::optional<MessagePace> pace_;             // from 354 or the first chunk to the end of the message
    std::string kept_;         // what input_ shows, once the connection was used for something else
    std::string_view input_;   // read and not yet used
    bool had_banner_ = false;  // the client that is there now; XCLIENT brings a second one
    SmtpSession session_;
};

awaitable<void> SmtpDriver::run() {
    while (co_await advance() == Outcome::go_on) {
    }
}

/// Not a coroutine, and apart from run(): what a step and its answer need stands in a frame that is gone when
/// the session waits for its client.
awaitable<SmtpDriver::Outcome> SmtpDriver::advance() {
    auto step = session_.next(input_);
    if (std::holds_alternative<ReadOctets>(step)) return read();
    return perform(std::move(step));
}

awaitable<SmtpDriver::Outcome> SmtpDriver::perform(SmtpStep step) {
    command_deadline_.reset();
    if (auto* message = std::get_if<AskMessage>(&step)) {
        if (co_await flush(options_.timeouts.command) == Outcome::stop) co_return Outcome::stop;
        const MessageAnswer answered = co_await visit_->message(std::move(message->message));
        listen_for_early_talk();
        session_.answer_message(answered);
    } else if (auto* rcpt = std::get_if<AskRcpt>(&step)) {
        answer(co_await visit_->rcpt(std::move(rcpt->recipient)));
    } else if (auto* mail = std::get_if<AskMail>(&step)) {
        answer(co_await visit_->mail(std::move(mail->arguments)));
    } else if (auto* helo = std::get_if<AskHelo>(&step)) {
        answer(co_await visit_->helo(std::move(helo->arguments)));
    } else if (std::holds_alternative<AskData>(step)) {
        answer(co_await visit_->data());
    } else if (std::holds_alternative<AskConnected>(step)) {
        // Before the rules at connect, for their facts, and again when the banner is written.
        const bool is_first = !std::exchange(had_banner_, true);
        if (is_first && !input_.empty()) session_.talked_early();  // behind XCLIENT
        if (is_first) listen_for_early_talk();
        const StageAnswer refused_or_not = co_await visit_->connected();
        if (is_first) {
            co_await wait_before_banner();
            listen_for_early_talk();
        }
        session_.answer(refused_or_not);
    } else if (auto* change = std::get_if<ChangePeer>(&step)) {
        if (co_await flush(options_.timeouts.command) == Outcome::stop) co_return Outcome::stop;
        session_.peer_changed(connection_->become(std::move(change->peer)));
        had_banner_ = false;
    } else if (std::holds_alternative<SendReplies>(step)) {
        co_return co_await flush(options_.timeouts.command);
    } else if (std::holds_alternative<StartTls>(step)) {
        co_return co_await start_tls();
    } else {
        co_await flush(farewell_deadline);
        if (session_.is_text_unread()) co_await linger();
        co_return Outcome::stop;
    }
    co_return Outcome::go_on;
}

/// Closing a socket with octets unread resets it, and the reply may be lost with them.
awaitable<void> SmtpDriver::linger() {
    const SteadyTime deadline = clock_.steady() + farewell_deadline;
    for (std::size_t octets = 0; octets < linger_limit_octets;) {
        const ReadResult result = co_await connection_->read(deadline);
        if (result.status != IoStatus::ok) co_return;
        octets += result.octets.size();
    }
}

/// Sends what there is to send, then reads. On anything but octets the session is told, and its last words
/// sent.
awaitable<SmtpDriver::Outcome> SmtpDriver::read() {
    if (co_await flush(options_.timeouts.command) == Outcome::stop) co_return Outcome::stop;
    kept_ = std::string();
    const SteadyTime begin = clock_.steady();
    const SteadyTime deadline = read_deadline(begin);
    const Awaiting awaiting = session_.awaiting();
    const auto drain = session_.is_idle() ? Connection::Drain::wake : Connection::Drain::ignore;
    const ReadResult result = co_await connection_->read(deadline, drain);
    switch (result.status) {
        case IoStatus::ok:
            input_ = result.octets;
            session_.connections_are_scarce(connection_->is_scarce());
            if (pace_) pace_->received(awaiting, clock_.steady() - begin, input_.size());
            co_return Outcome::go_on;
        case IoStatus::timed_out:
            session_.interrupt(
                pace_ && deadline == pace_->deadline(awaiting, begin) ? Interruption::too_slow
                                                                      : Interruption::timed_out
            );
            break;
        case IoStatus::draining: session_.interrupt(Interruption::draining); break;
        case IoStatus::closed:
        case IoStatus::failed: co_return Outcome::stop;
    }
    co_await flush(farewell_deadline);
    co_return Outcome::stop;
}

/// A command has to come within its time from the moment that it is awaited, and once a part of it is here,
/// the rest has to come soon. The text of a message has to come at the least rate, in one piece or in chunks.
SteadyTime SmtpDriver::read_deadline(SteadyTime now) {
    const Awaiting awaiting = session_.awaiting();
    if (!session_.is_in_message())
        pace_.reset();
    else if (!pace_)
        pace_.emplace(options_.timeouts);
    const SteadyTime paced = pace_ ? pace_->deadline(awaiting, now) : SteadyTime::max();
    switch (awaiting) {
        case Awaiting::command:
            command_deadline_.reset();
            if (session_.is_turned_away()) return now + options_.timeouts.turned_away;
            return std::min(paced, now + options_.timeouts.command);
        case Awaiting::command_rest:
            if (!command_deadline_) command_deadline_ = now + options_.timeouts.command_rest;
            return std::min(paced, *command_deadline_);
        case Awaiting::data: return std::min(paced, now + options_.timeouts.data_start);
        case Awaiting::data_rest: return paced;
    }
    std::unreachable();
}

awaitable<SmtpDriver::Outcome> SmtpDriver::flush(std::chrono::seconds within) {
    if (!session_.has_output()) co_return Outcome::go_on;
    keep_input();
    const IoStatus status = co_await connection_->write(session_.take_output(), clock_.steady() + within);
    co_return status == IoStatus::ok ? Outcome::go_on : Outcome::stop;
}

/// What was read is valid until the connection is used again.
void SmtpDriver::keep_input() {
    if (input_.empty() || !kept_.empty()) return;
    kept_ = std::string(input_);
    input_ = kept_;
}

awaitable<SmtpDriver::Outcome> SmtpDriver::start_tls() {
    if (co_await flush(options_.timeouts.command) == Outcome::stop) co_return Outcome::stop;
    const SteadyTime deadline = clock_.steady() + options_.timeouts.tls_handshake;
    if (co_await connection_->start_tls(deadline) != IoStatus::ok) co_return Outcome::stop;
    session_.tls_started(connection_->tls());
    co_return Outcome::go_on;
}

/// RFC 5321 section 4.3.1: a client waits for the banner. One that does not has no time, for it is no mail
/// server.
awaitable<void> SmtpDriver::wait_before_banner() {
    if (options_.limits.greet_wait.count() == 0 || connection_->peer().ip.is_loopback()) co_return;
    if (!input_.empty()) co_return;  // somebody who does not wait has been seen
    kept_ = std::string();
    const ReadResult early = co_await connection_->read(clock_.steady() + options_.limits.greet_wait);
    if (early.status != IoStatus::ok) co_return;
    input_ = early.octets;
    visit_->noticed("early_talker");
}

/// What came together with a command the session has seen itself; here is what came while the command was
/// judged. Exempt from greet_wait, a loopback peer is not from this: it costs nobody any time.
void SmtpDriver::listen_for_early_talk() {
    if (session_.expects_silence() && connection_->has_input()) session_.talked_early();
}

void SmtpDriver::answer(const StageAnswer& answer) {
    listen_for_early_talk();
    session_.answer(answer);
}

awaitable<void> SmtpDriver::apologise(std::string what) {
    log_error(
        "an SMTP session failed",
        {
            {"client", connection_->peer().ip.to_string()},
            {"error",  what                              }
    }
    );
    session_.interrupt(Interruption::internal_error);
    co_await flush(farewell_deadline);
}

void SmtpDriver::end() {
    session_.end();
    visit_->ended();
    connection_->close();
}

}  // namespace

awaitable<void> serve_smtp(
    std::shared_ptr<Connection> connection,
    std::unique_ptr<Visit> visit,
    const ReceiverOptions& options,
    ByteBudget& budget,
    const Clock& clock
) {
    SmtpDriver driver(std::move(connection), std::move(visit), options, budget, clock);
    std::optional<std::string> failed;
    try {
        co_await driver.run();
    } catch (const std::exception& error) {
        failed = error.what();
    }
    // Apart from the first, for nothing may be awaited in a handler, and these may fail for the same reason.
    try {
        if (failed) co_await driver.apologise(*failed);
        driver.end();
    } catch (const std::exception& error) {
        log_error(
            "an SMTP session failed at its end",
            {
                {"error", error.what()}
        }
        );
    }
}

}  // namespace wicket
