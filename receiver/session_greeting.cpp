// EHLO and HELO, STARTTLS, XCLIENT: what begins a session, or begins it again.

#include "base/text.hpp"
#include "receiver/esmtp_parameters.hpp"
#include "receiver/session.hpp"

#include <algorithm>
#include <string>

namespace wicket {
namespace {

// A greeting is a domain or a literal (RFC 5321 section 4.1.1.1); much real mail comes with less. So the
// filters judge the name, and only what cannot be a name in any sense is refused: an empty one, one with
// octets that are not printable ASCII, one longer than a domain may be.
bool may_be_host_name(std::string_view name) {
    return name.size() <= domain_limit_octets &&
           std::ranges::all_of(name, [](char c) { return c > ' ' && c <= '~'; });
}

}  // namespace

void SmtpSession::send_banner() {
    // RFC 5321 section 4.2: the name comes first in 220.
    reply(220, "", options_.hostname + " ESMTP Mailwicket");
}

SmtpSession::NextStep
SmtpSession::on_hello(const CommandRow& row, std::string_view argument, Follows /*follows*/) {
    if (!may_be_host_name(argument)) {
        refuse_recorded(Stage::helo, "protocol", {501, "5.5.4", "A host name must follow"});
        return std::nullopt;
    }
    // RFC 5321 section 4.1.4: a greeting inside a transaction resets it.
    reset_by_client();
    count_idle();
    if (phase_ == Phase::closing) return std::nullopt;
    is_esmtp_asked_ = row.command == Command::ehlo;
    return ask(
        Asked::helo,
        AskHelo{
            {.is_ehlo = is_esmtp_asked_,
             .name = peer_ && !peer_->claimed_helo.empty() ? peer_->claimed_helo : std::string(argument)}
    }
    );
}

/// The greeting was accepted.
void SmtpSession::greet() {
    state_ = SessionState::greeted;
    is_esmtp_ = is_esmtp_asked_;
    // RFC 2034 section 3: no enhanced codes in the reply to EHLO and HELO.
    if (!is_esmtp_) return reply(250, "", options_.hostname);
    std::string text =
        options_.hostname + "\nPIPELINING\nSIZE " + std::to_string(options_.limits.size_octets);
    // RFC 3207 section 4.2: not offered once TLS is on.
    if (options_.offers_starttls && tls_ == Tls::off) text += "\nSTARTTLS";
    text += "\nENHANCEDSTATUSCODES\n8BITMIME\nSMTPUTF8\nCHUNKING";
    // RFC 9422 section 4.2. There is no MAILMAX, for transactions are not limited.
    text += "\nLIMITS RCPTMAX=" + std::to_string(options_.limits.recipients);
    if (may_xclient()) text += "\nXCLIENT NAME ADDR PORT HELO";
    text += "\nHELP";
    reply(250, "", text);
}

SmtpSession::NextStep SmtpSession::on_starttls(Follows follows) {
    // RFC 3207 section 4.2 and CVE-2011-0411: what comes in plaintext after STARTTLS must not be taken for
    // part of the protected session, so it ends here.
    if (follows == Follows::octets) {
        notice_pipelining();
        drop(current_stage(), "Nothing may follow STARTTLS before its reply");
        return std::nullopt;
    }
    if (tls_ == Tls::on) {
        refuse(503, "5.5.1", "TLS is on");
        return std::nullopt;
    }
    if (!options_.offers_starttls) {
        refuse(502, "5.5.1", "Not offered here");
        return std::nullopt;
    }
    reply(220, "2.0.0", "Ready for TLS");
    return ask(Asked::tls, StartTls{});
}

void SmtpSession::tls_started(const TlsDetails& details) {
    // RFC 3207 section 4.2: everything that was said before is forgotten. The counts of errors and idle
    // commands stay: they are ours, not the client's.
    reset_by_client();
    state_ = SessionState::connected;
    is_esmtp_ = false;
    tls_ = Tls::on;
    phase_ = Phase::command;
    visit_.tls_started(details);
}

SmtpSession::NextStep SmtpSession::on_xclient(std::string_view argument, Follows /*follows*/) {
    if (!may_xclient()) {
        refuse_recorded(current_stage(), "protocol", {550, "5.7.0", "Not for you"});
        return std::nullopt;
    }
    auto peer = apply_xclient(argument, *peer_);
    if (!peer) {
        refuse(501, "5.5.4", "Bad attribute");
        return std::nullopt;
    }
    // A new session with a new client: all that was said and counted is forgotten.
    *peer_ = std::move(*peer);
    state_ = SessionState::connected;
    is_esmtp_ = false;
    noticed_pipelining_ = false;
    errors_ = 0;
    idle_commands_ = 0;
    return ask(Asked::peer, ChangePeer{*peer_});
}

void SmtpSession::peer_changed(const std::optional<std::string>& turned_away) {
    phase_ = Phase::begin;
    // As at the door: no id and no record, for nobody was looked at.
    if (turned_away) return reply(421, "4.7.0", *turned_away);
    visit_.peer_changed(*peer_);
}

bool SmtpSession::may_xclient() const {
    return std::ranges::any_of(options_.xclient_networks, [&](const IpNetwork& network) {
        return network.contains(xclient_ip_);
    });
}

}  // namespace wicket
