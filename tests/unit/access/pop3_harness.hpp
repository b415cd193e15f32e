// Runs a Pop3Session to its end without sockets, threads and hashing: what the client sends is known
// beforehand, what the server said is collected. For the session's tests and its fuzzer.
#pragma once

#include "access/message_view.hpp"
#include "access/pop3_session.hpp"
#include "access/surrogate_sizes.hpp"
#include "tests/unit/access/fake_mail_store.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace wicket {

class Pop3Harness {
public:
    // Settings.
    Pop3Options options{.hostname = "pop.example.test", .offers_stls = true, .limits = {}, .timeouts = {}};
    Pop3Channel channel = Pop3Channel::loopback;
    AuthVerdict verdict = AuthVerdict::refused;  // of every password but "secret"
    std::size_t piece_octets = 7;                // of a message
    FakeMailStore store;
    SurrogateSizes sizes;

    // What happened.
    std::string said;  // all that the server wrote
    bool is_closed = false;
    bool is_tls = false;
    std::vector<std::string> logins;
    std::size_t reads = 0;             // how many were needed
    std::size_t reads_before_tls = 0;  // the last of them held STLS
    int steps = 0;

    /// `all`: what each read returns; then the client is gone.
    void run(const std::vector<std::string>& all) {
        Pop3Session session(options, channel);
        std::unique_ptr<MaildropLock> lock;
        Pop3Step step = session.start();
        while (!is_closed) {
            ++steps;
            said += step.reply;
            if (std::holds_alternative<pop3::Close>(step.action)) {
                is_closed = true;
            } else if (std::holds_alternative<pop3::Read>(step.action)) {
                if (reads == all.size()) return;
                step = session.on_octets(all[reads++]);
            } else {
                step = perform(session, lock, std::move(step.action));
            }
        }
    }
    void run(const std::string& all) { run(std::vector<std::string>{all}); }

private:
    ListedMailbox listed_{"a", "INBOX", 0};

    Pop3Step perform(Pop3Session& session, std::unique_ptr<MaildropLock>& lock, pop3::Action action) {
        if (std::holds_alternative<pop3::Continue>(action)) return session.on_written();
        if (std::holds_alternative<pop3::StartTls>(action)) {
            is_tls = true;
            reads_before_tls = reads;
            said += "[TLS]\r\n";
            return session.on_tls_started();
        }
        if (auto* check = std::get_if<pop3::CheckPassword>(&action)) {
            logins.push_back(check->login + "/" + std::string(check->password.view()));
            AuthOutcome outcome;
            outcome.verdict = check->password.view() == "secret" ? AuthVerdict::accepted : verdict;
            outcome.account = check->login;
            outcome.mailbox = "INBOX";
            return session.on_password_checked(outcome);
        }
        if (std::holds_alternative<pop3::OpenMaildrop>(action)) {
            auto locked = store.lock_maildrop("a", "INBOX");
            if (!locked) return session.on_maildrop(std::unexpected(locked.error()));
            auto listing = store.list("a", "INBOX");
            if (listing) {
                lock = std::move(*locked);
                listed_.uid_validity = listing->uid_validity;
            }
            return session.on_maildrop(std::move(listing));
        }
        if (std::holds_alternative<pop3::Measure>(action)) return measure(session);
        if (auto* send = std::get_if<pop3::SendMessage>(&action)) return send_message(session, *send);
        auto& expunge = std::get<pop3::Expunge>(action);
        const auto result = expunge.uids.empty() ? Result<>() : store.expunge(listed_, expunge.uids);
        lock.reset();
        return session.on_expunged(result);
    }

    Pop3Step measure(Pop3Session& session) {
        SurrogateSizes::Known known;
        const SurrogateSurvey survey{listed_, store.list("a", "INBOX")->rows};
        if (const auto done = measure_surrogates(store, survey, 1000000, known); !done)
            return session.on_measured(std::unexpected(done.error()));
        std::vector<std::uint64_t> octets;
        for (const MailboxRow& row : survey.rows)
            octets.push_back(known.size_of(row));
        return session.on_measured(octets);
    }

    Pop3Step send_message(Pop3Session& session, const pop3::SendMessage& request) {
        auto reader = store.open_message(listed_, request.uid);
        if (!reader) return session.on_message_refused(reader.error());
        MessageView view(request.form, request.body_lines);
        std::string out = request.reply;
        for (;;) {
            const auto piece = (*reader)->next(piece_octets);
            if (!piece) return session.on_message_refused(piece.error());
            if (piece->empty()) break;
            view.feed(*piece, out);
        }
        view.finish(out);
        said += out;
        return session.on_message_sent();
    }
};

}  // namespace wicket
