// A whole SMTP session: whatever the peer sends and however it is split, the replies are well formed, every
// transaction ends exactly once, and commands, text, replies and messages are what the plain model of
// wire_model.hpp makes of the same octets: DATA ends with CRLF.CRLF alone, a chunk has as many octets as
// announced, and no octet that came before TLS is read after it. Input: an octet of modes, an octet that
// seeds the splits, the stream.

#include "tests/fuzz/receiver/wire_model.hpp"
#include "tests/unit/receiver/dialog.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

namespace wicket {
namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

class FuzzedSession {
public:
    explicit FuzzedSession(std::uint8_t modes)
        : options_(options_for(modes)),
          budget_(budget_for(modes), budget_for(modes)),
          model_(options_.bare_newline, options_.limits.line_octets) {
        if ((modes & 16U) != 0) visit_.data_answer = ScriptedVisit::refuse(556, "5.7.1", (modes & 32U) != 0);
        if ((modes & 64U) != 0) visit_.on_connected = [] { return ScriptedVisit::refuse(554, "5.7.1"); };
        Peer peer = Dialog::peer_at("192.0.2.1");
        session_.emplace(options_, budget_, visit_, peer, SmtpSession::Tls::off);
    }

    void say(std::string_view octets) {
        while (!is_over_) {
            const std::string_view was = octets;
            const SmtpStep step = session_->next(octets);
            require(was.ends_with(octets));
            model_.consumed(was.substr(0, was.size() - octets.size()));
            look_at(session_->take_output());
            // Who is asked to talk on may.
            const bool expects_silence = session_->expects_silence();
            if (std::holds_alternative<ReadOctets>(step)) {
                require(octets.empty() && !expects_silence);
                model_.is_quiet();
                const Awaiting awaiting = session_->awaiting();
                require((awaiting == Awaiting::command) == model_.is_between_commands());
                require(!session_->is_idle() || awaiting == Awaiting::command);
                return;
            }
            perform(step, octets);
            const std::string more = session_->take_output();
            look_at(more);
            // Nothing that came before 354 may become part of the message.
            if (more.starts_with("354 ")) require(octets.empty());
        }
    }

    /// The server ends it, at whatever moment.
    void interrupt(Interruption why) {
        if (is_over_) return;
        session_->interrupt(why);
        require(session_->take_output().starts_with("421 "));
        std::string_view nothing;
        require(std::holds_alternative<CloseConnection>(session_->next(nothing)));
    }

    void finish() {
        if (!is_over_) session_->end();
        bool is_open = false;
        for (const std::string& event : visit_.events) {
            if (event.starts_with("mail ")) require(!std::exchange(is_open, true));
            if (event == "abandon" || event.starts_with("message ")) require(std::exchange(is_open, false));
        }
        require(!is_open);
        require(budget_.memory_octets() == 0 && budget_.spool_octets() == 0);
    }

private:
    static ReceiverOptions options_for(std::uint8_t modes) {
        ReceiverOptions options = Dialog::default_options();
        if ((modes & 1U) != 0) options.bare_newline = BareNewline::normalize;
        if ((modes & 2U) != 0) options.xclient_networks = {IpNetwork::parse("192.0.2.0/24").value()};
        if ((modes & 4U) != 0) {
            options.limits.recipients = 2;
            options.limits.errors = 3;
            options.limits.line_octets = 60;
            options.limits.size_octets = 100;
            options.limits.idle_commands = 5;
        }
        if ((modes & 8U) != 0) options.offers_starttls = false;
        if ((modes & 128U) != 0) {
            options.limits.text_line_octets = 40;
            options.limits.header_lines = 3;
            options.limits.hops = 1;
        }
        return options;
    }

    static std::uint64_t budget_for(std::uint8_t modes) { return (modes & 32U) != 0 ? 50 : 1U << 20U; }

    void look_at(std::string_view replies) {
        require(!codes_of(replies).contains("MALFORMED"));
        require(std::ranges::all_of(replies, [](char c) {
            return (c >= ' ' && c <= '~') || c == '\r' || c == '\n';
        }));
        model_.replied(replies);
    }

    void perform(const SmtpStep& step, std::string_view rest) {
        if (std::holds_alternative<AskConnected>(step)) return session_->answer(visit_.answer_connected());
        if (const auto* helo = std::get_if<AskHelo>(&step))
            return session_->answer(visit_.answer_helo(helo->arguments));
        if (const auto* mail = std::get_if<AskMail>(&step))
            return session_->answer(visit_.answer_mail(mail->arguments));
        if (const auto* rcpt = std::get_if<AskRcpt>(&step))
            return session_->answer(visit_.answer_rcpt(rcpt->recipient));
        if (std::holds_alternative<AskData>(step)) return session_->answer(visit_.answer_data());
        if (const auto* message = std::get_if<AskMessage>(&step)) {
            session_->answer_message(visit_.answer_message(message->message));
            return model_.delivers(visit_.messages.back());
        }
        if (std::holds_alternative<ChangePeer>(step)) return session_->peer_changed(std::nullopt);
        if (std::holds_alternative<StartTls>(step)) {
            require(rest.empty());
            model_.tls_started();
            return session_->tls_started({.version = "TLSv1.3", .cipher = "x", .server_name = ""});
        }
        if (std::holds_alternative<CloseConnection>(step)) {
            model_.is_closing();
            session_->end();
            is_over_ = true;
        }
    }

    ReceiverOptions options_;
    ByteBudget budget_;
    ScriptedVisit visit_;
    std::optional<SmtpSession> session_;
    WireModel model_;
    bool is_over_ = false;
};

void check(std::string_view stream, std::uint8_t modes, std::uint8_t seed) {
    FuzzedSession session(modes);
    session.say("");
    std::uint32_t random = seed;
    for (std::size_t at = 0; at < stream.size();) {
        // An odd seed: a piece ends with each line, as when a client waits for its reply. Else at random.
        random = random * 1664525U + 1013904223U;
        std::size_t length = seed == 0 ? stream.size() : 1 + (random >> 25U);
        if (seed % 2 == 1) length = std::min(stream.find('\n', at), stream.size() - 1) - at + 1;
        session.say(stream.substr(at, length));
        at += length;
    }
    if (seed % 16 > 11) session.interrupt(static_cast<Interruption>(seed % 4));
    session.finish();
}

}  // namespace
}  // namespace wicket

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    if (size < 2) return 0;
    wicket::check({reinterpret_cast<const char*>(data) + 2, size - 2}, data[0], data[1]);
    return 0;
}
