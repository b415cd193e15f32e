// The AUTHORIZATION state: who is there, and what this server can do.
#include "access/pop3_session.hpp"
#include "auth/sasl.hpp"
#include "base/text.hpp"

#include <utility>

namespace wicket {
namespace {

// RFC 3206 section 4. The same for an unknown name and a wrong password.
constexpr std::string_view refused_text = "[AUTH] the login name or the password is wrong";
constexpr std::string_view temporary_text = "[SYS/TEMP] logins cannot be checked now, try again later";
// RFC 2595 section 2.1. It will not get better by trying again, hence SYS/PERM.
constexpr std::string_view no_tls_text = "[SYS/PERM] passwords are taken under TLS only, say STLS first";

}  // namespace

// RFC 2449 section 5.
void Pop3Session::capa() {
    ok("these are the capabilities");
    out_ += "TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\nUTF8 USER\r\n";
    if (may_send_password()) out_ += "USER\r\nSASL PLAIN\r\n";
    // RFC 2595 section 4: in the AUTHORIZATION state only, and not when TLS is on.
    if (options_.offers_stls && channel_ != Pop3Channel::tls && state_ == Pop3State::authorization)
        out_ += "STLS\r\n";
    out_ += "IMPLEMENTATION Mailwicket\r\n.\r\n";
}

void Pop3Session::user(std::string_view login) {
    if (!may_send_password()) {
        error(no_tls_text);
        return;
    }
    login = login.substr(0, login.find_last_not_of(' ') + 1);
    if (login.empty()) {
        error("USER needs a name");
        return;
    }
    // RFC 1939 section 7 lets us say here that there is no such name; we never do.
    login_ = login;
    ok("send the password");
}

Pop3Session::Next Pop3Session::pass(std::string_view password) {
    if (!may_send_password()) {
        error(no_tls_text);
        return std::nullopt;
    }
    // RFC 1939 section 7: directly after a successful USER.
    if (login_.empty()) {
        error("USER comes first");
        return std::nullopt;
    }
    return pop3::CheckPassword{std::exchange(login_, {}), Secret(password)};
}

Pop3Session::Next Pop3Session::auth(std::string_view arguments) {
    if (!may_send_password()) {
        error(no_tls_text);
        return std::nullopt;
    }
    arguments = arguments.substr(0, arguments.find_last_not_of(' ') + 1);
    const std::size_t space = arguments.find(' ');
    if (!equal_ignoring_case(arguments.substr(0, space), "PLAIN")) {
        error("the only mechanism is PLAIN");
        return std::nullopt;
    }
    if (space == std::string_view::npos) {
        // RFC 5034 section 4: an empty challenge.
        awaits_sasl_response_ = true;
        out_ += "+ \r\n";
        return std::nullopt;
    }
    return on_sasl_response(arguments.substr(space + 1));
}

Pop3Session::Next Pop3Session::on_sasl_response(std::string_view line) {
    awaits_sasl_response_ = false;
    if (line == "*") {
        // RFC 5034 section 4.
        error("cancelled");
        return std::nullopt;
    }
    auto credentials = parse_sasl_plain(line);
    if (!credentials) {
        error(
            credentials.error() == SaslFault::other_identity ? "[AUTH] nobody acts for others here"
                                                             : "that is not a response of PLAIN"
        );
        return std::nullopt;
    }
    login_.clear();
    return pop3::CheckPassword{std::move(credentials->login), std::move(credentials->password)};
}

Pop3Session::Next Pop3Session::stls() {
    if (!options_.offers_stls || channel_ == Pop3Channel::tls) {
        error(channel_ == Pop3Channel::tls ? "TLS is on already" : "there is no TLS here");
        return std::nullopt;
    }
    if (form_ == HeaderForm::as_stored) {
        // RFC 6856 section 2.1: what was agreed on before TLS would have to be forgotten.
        error("STLS comes before UTF8");
        return std::nullopt;
    }
    // Octets sent before the handshake would be read as if they came under its protection: somebody in the
    // middle put them there.
    if (!lines_.is_empty()) return pop3::Close{};
    ok("begin TLS");
    return pop3::StartTls{};
}

Pop3Step Pop3Session::on_tls_started() {
    // RFC 2595 section 4: what the client said before is forgotten.
    channel_ = Pop3Channel::tls;
    login_.clear();
    lines_.clear();
    return advance();
}

// RFC 6856 section 2.
void Pop3Session::utf8() {
    form_ = HeaderForm::as_stored;
    ok("header fields come in UTF-8");
}

Pop3Step Pop3Session::on_password_checked(const AuthOutcome& outcome) {
    switch (outcome.verdict) {
        case AuthVerdict::accepted:
            return {
                std::exchange(out_, {}
                 ), pop3::OpenMaildrop{outcome.account, outcome.mailbox}
            };
        case AuthVerdict::refused: error(refused_text); break;
        case AuthVerdict::temporary: sorry(temporary_text); break;
    }
    return advance();
}

Pop3Step Pop3Session::on_maildrop(Result<MailboxListing> listing) {
    if (!listing) {
        if (listing.error().code == ErrorCode::busy) {
            // RFC 2449 section 8.1.1.
            sorry("[IN-USE] another session has this maildrop open");
        } else if (listing.error().code == ErrorCode::corrupt) {
            sorry("[SYS/PERM] this maildrop is damaged");
        } else {
            sorry("[SYS/TEMP] this maildrop cannot be opened now");
        }
        return advance();
    }
    uid_validity_ = listing->uid_validity;
    messages_.reserve(listing->rows.size());
    for (const MailboxRow& row : listing->rows)
        messages_.push_back({row});
    state_ = Pop3State::transaction;
    ok("the maildrop holds " + std::to_string(messages_.size()) + " messages");
    return advance();
}

}  // namespace wicket
