// One POP3 session (RFC 1939 and its extensions) without I/O: it takes octets and results, and returns what
// is to be done next. The driver (access/pop3_driver.hpp) does it. Deletes nothing itself: only a QUIT in the
// TRANSACTION state asks for it. Lives on one loop; holds no message octets, and passwords only until they
// are handed on.
#pragma once

#include "access/line_buffer.hpp"
#include "access/message_view.hpp"
#include "access/pop3_commands.hpp"
#include "access/pop3_options.hpp"
#include "auth/authenticator.hpp"
#include "auth/secret.hpp"
#include "base/result.hpp"
#include "store/mail_store.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace wicket {

/// What the driver does after it has written the step's reply, and how it answers.
namespace pop3 {
struct Read {};      // read, then on_octets()
struct Continue {};  // nothing, then on_written(): there is more to say
struct Close {};     // close; the last step
struct StartTls {};  // TLS handshake, then on_tls_started(), or close

/// Look at the password, then on_password_checked().
struct CheckPassword {
    std::string login;
    Secret password;
};

/// Lock and list the maildrop, then on_maildrop().
struct OpenMaildrop {
    std::string account;
    std::string mailbox;
};

/// Find out the sizes in which messages will be served, then on_measured().
struct Measure {};

/// Open the message; then write `reply`, the message in `form`, and on_message_sent(). If it cannot be
/// opened: on_message_refused(). If it fails after `reply` was written: close, without the terminating line.
struct SendMessage {
    Uid uid;
    HeaderForm form;
    std::optional<std::uint64_t> body_lines;
    std::string reply;
};

/// Remove the messages and let go of the maildrop, then on_expunged().
struct Expunge {
    std::vector<Uid> uids;
};

using Action =
    std::variant<Read, Continue, Close, StartTls, CheckPassword, OpenMaildrop, Measure, SendMessage, Expunge>;
}  // namespace pop3

struct Pop3Step {
    std::string reply;  // to be written first; may be empty
    pop3::Action action;
};

/// Whether a password may be sent on this connection.
enum class Pop3Channel : std::uint8_t {
    plain,     // anybody could read it: only after STLS
    loopback,  // nobody outside this machine can
    tls,
};

class Pop3Session {
public:
    Pop3Session(const Pop3Options& options, Pop3Channel channel);
    Pop3Session(const Pop3Session&) = delete;
    Pop3Session& operator=(const Pop3Session&) = delete;

    Pop3Step start();
    Pop3Step on_octets(std::string_view octets);
    Pop3Step on_written();
    Pop3Step on_tls_started();
    Pop3Step on_password_checked(const AuthOutcome& outcome);
    Pop3Step on_maildrop(Result<MailboxListing> listing);
    /// The sizes in the order of the listing.
    Pop3Step on_measured(Result<std::vector<std::uint64_t>> sizes);
    Pop3Step on_message_refused(const Error& error);
    Pop3Step on_message_sent();
    Pop3Step on_expunged(Result<> result);

    /// RFC 1939 section 3: TRANSACTION, or UPDATE.
    bool is_logged_in() const { return state_ == Pop3State::transaction; }
    /// Lines taken so far: the idle time begins anew with each.
    std::uint64_t lines_taken() const { return lines_taken_; }

private:
    struct Message {
        MailboxRow row;
        bool is_deleted = false;
    };
    enum class Listing : std::uint8_t { sizes, ids };
    using Next = std::optional<pop3::Action>;  // nullopt: go on with the next line

    Pop3Step advance();
    Next take_line();
    Next on_command(std::string_view line);
    Next on_sasl_response(std::string_view line);
    Next run(const Pop3Command& command, const Pop3Words& words);
    void ok(std::string_view text);
    void error(std::string_view text);
    /// An -ERR that is not the client's mistake.
    void sorry(std::string_view text);
    Next enough_errors() const;

    // access/pop3_authorization.cpp
    void capa();
    void user(std::string_view login);
    Next pass(std::string_view password);
    Next auth(std::string_view arguments);
    Next stls();
    void utf8();
    bool may_send_password() const { return channel_ != Pop3Channel::plain; }

    // access/pop3_transaction.cpp
    void stat();
    void list(std::string_view number);
    void uidl(std::string_view number);
    void tell(Listing what, std::string_view number);
    std::string listing_line(Listing what, std::size_t index) const;
    void continue_listing();
    Next retr(std::string_view number);
    Next top(std::string_view number, std::string_view lines);
    void dele(std::string_view number);
    void rset();
    Next quit();
    /// The index of a message that is there; else the error is said.
    std::optional<std::size_t> find_message(std::string_view number);
    bool needs_sizes();
    /// As it will be served; only if needs_sizes() is false.
    std::uint64_t size_of(std::size_t index) const;
    /// RFC 1939 section 7, UIDL: the same for ever, as UIDVALIDITY and UID are.
    std::string unique_id_of(const Message& message) const;

    const Pop3Options& options_;
    Pop3Channel channel_;
    LineBuffer lines_;
    std::string out_;  // replies not yet handed to the driver
    Pop3State state_ = Pop3State::authorization;
    std::uint32_t errors_ = 0;
    std::uint64_t lines_taken_ = 0;

    // AUTHORIZATION
    std::string login_;  // of USER; empty: none
    bool awaits_sasl_response_ = false;
    HeaderForm form_ = HeaderForm::downgraded;

    // TRANSACTION
    std::uint32_t uid_validity_ = 0;
    std::vector<Message> messages_;     // a message's number is its index and one
    std::vector<std::uint64_t> sizes_;  // as served, in the same order; empty: not measured yet
    std::string waiting_line_;          // the command that waits for the sizes
    std::optional<Listing> listing_;    // a multi-line reply under way, and
    std::size_t listing_next_ = 0;      // where it goes on
};

}  // namespace wicket
