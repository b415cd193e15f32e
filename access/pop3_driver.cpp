#include "access/pop3_driver.hpp"

#include "access/login.hpp"
#include "access/message_view.hpp"
#include "access/pop3_session.hpp"
#include "base/log.hpp"
#include "net/delay.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace wicket {
namespace {

using boost::asio::awaitable;

// Messages measured in one job of the pool, so that a large maildrop leaves room for other sessions.
constexpr std::size_t measured_at_once = 64;

// Before the pool is asked again when it was full: some reads of a large piece take as long.
constexpr std::chrono::milliseconds busy_pool_wait{50};

Pop3Channel channel_of(const Connection& connection) {
    if (connection.tls().is_on()) return Pop3Channel::tls;
    // Both ends: a proxy elsewhere must not make a client of it.
    const bool is_here = connection.peer().ip.is_loopback() && connection.peer().socket_ip.is_loopback();
    return is_here ? Pop3Channel::loopback : Pop3Channel::plain;
}

/// Runs `work` on the pool; its result, or that of the pool if it did not run.
template <class T>
awaitable<Result<T>> offloaded(OffloadPool& pool, std::function<Result<T>()> work) {
    // Shared with the job: the coroutine may be gone before it ends.
    auto result = std::make_shared<Result<T>>(failure(ErrorCode::unavailable, "the job did not run"));
    const Result<> ran = co_await pool.run([result, work = std::move(work)] { *result = work(); });
    if (!ran) co_return std::unexpected(ran.error());
    co_return std::move(*result);
}

struct OpenedMaildrop {
    std::unique_ptr<MaildropLock> lock;
    MailboxListing listing;
};

/// A message with its first piece. `is_whole`: the piece is all of it, and its checksum is right.
struct OpenedMessage {
    std::shared_ptr<MessageReader> reader;
    std::string piece;
    bool is_whole = false;
};

Result<OpenedMaildrop> open_maildrop(
    MailStore& store, const std::string& account, const std::string& mailbox
) {
    auto lock = store.lock_maildrop(account, mailbox);
    if (!lock) return std::unexpected(lock.error());
    auto listing = store.list(account, mailbox);
    if (!listing) return std::unexpected(listing.error());
    return OpenedMaildrop{std::move(*lock), std::move(*listing)};
}

struct MessageAddress {
    ListedMailbox mailbox;
    Uid uid;
};

Result<OpenedMessage> open_message(
    MailStore& store, const MessageAddress& address, std::size_t piece_octets
) {
    auto reader = store.open_message(address.mailbox, address.uid);
    if (!reader) return std::unexpected(reader.error());
    OpenedMessage opened{std::move(*reader), {}, false};
    auto piece = opened.reader->next(piece_octets);
    if (!piece) return std::unexpected(piece.error());
    opened.piece = std::move(*piece);
    if (opened.piece.size() >= opened.reader->size_octets()) {
        // The checksum of a small message is known before the first octet is served.
        const auto end = opened.reader->next(piece_octets);
        if (!end) return std::unexpected(end.error());
        opened.is_whole = end->empty();
    }
    return opened;
}

class Pop3Driver {
public:
    Pop3Driver(std::shared_ptr<Connection> connection, Pop3Options options, Pop3Parts parts)
        : connection_(std::move(connection)),
          options_(std::move(options)),
          parts_(parts),
          session_(options_, channel_of(*connection_)),
          deadline_(parts_.clock.steady() + options_.timeouts.login) {}
    Pop3Driver(const Pop3Driver&) = delete;
    Pop3Driver& operator=(const Pop3Driver&) = delete;

    awaitable<void> run() {
        Pop3Step step = session_.start();
        for (;;) {
            if (!step.reply.empty() && !co_await write(std::move(step.reply))) break;
            if (std::holds_alternative<pop3::Close>(step.action)) break;
            std::optional<Pop3Step> next = co_await perform(std::move(step.action));
            if (!next) break;
            step = std::move(*next);
        }
    }

private:
    /// nullopt: the connection is to be closed.
    using NextStep = std::optional<Pop3Step>;

    awaitable<NextStep> perform(pop3::Action action) {
        if (std::holds_alternative<pop3::Read>(action)) co_return co_await read();
        if (std::holds_alternative<pop3::Continue>(action)) co_return session_.on_written();
        if (std::holds_alternative<pop3::StartTls>(action)) co_return co_await start_tls();
        if (auto* check = std::get_if<pop3::CheckPassword>(&action))
            co_return co_await check_password(std::move(*check));
        if (auto* open = std::get_if<pop3::OpenMaildrop>(&action))
            co_return co_await open_maildrop_of(std::move(*open));
        if (std::holds_alternative<pop3::Measure>(action)) co_return co_await measure();
        if (auto* send = std::get_if<pop3::SendMessage>(&action))
            co_return co_await send_message(std::move(*send));
        if (auto* expunge = std::get_if<pop3::Expunge>(&action))
            co_return co_await expunge_and_unlock(std::move(*expunge));
        co_return std::nullopt;
    }

    awaitable<NextStep> read() {
        // Absolute: octets that trickle in do not move it, only whole commands do, and none before the login.
        if (session_.is_logged_in() && lines_seen_ != session_.lines_taken()) {
            lines_seen_ = session_.lines_taken();
            deadline_ = parts_.clock.steady() + options_.timeouts.idle;
        }
        const ReadResult result = co_await connection_->read(deadline_, Connection::Drain::wake);
        // RFC 1939 section 3: whatever ends a session but QUIT, deletes nothing.
        if (result.status != IoStatus::ok) co_return std::nullopt;
        co_return session_.on_octets(result.octets);
    }

    awaitable<bool> write(std::string octets) {
        const auto rate_time =
            std::chrono::seconds(octets.size() / options_.timeouts.least_octets_per_second);
        const SteadyTime deadline = parts_.clock.steady() + options_.timeouts.write + rate_time;
        co_return co_await connection_->write(std::move(octets), deadline) == IoStatus::ok;
    }

    awaitable<NextStep> start_tls() {
        const SteadyTime deadline = parts_.clock.steady() + options_.timeouts.tls_handshake;
        if (co_await connection_->start_tls(std::min(deadline, deadline_)) != IoStatus::ok)
            co_return std::nullopt;
        co_return session_.on_tls_started();
    }

    awaitable<NextStep> check_password(pop3::CheckPassword request) {
        const std::string login = request.login;
        const std::string client = connection_->peer().ip.to_string();
        const AuthOutcome outcome = co_await check_login(
            LoginParts{parts_.authenticator, parts_.hashing, parts_.clock},
            std::move(request.login),
            std::move(request.password),
            connection_->peer().ip
        );
        switch (outcome.verdict) {
            case AuthVerdict::accepted:
                log_info(
                    "pop3: login",
                    {
                        {"client",  client                    },
                        {"account", outcome.account           },
                        {"mailbox", outcome.mailbox           },
                        {"tls",     connection_->tls().version}
                }
                );
                break;
            case AuthVerdict::refused:
                log_info(
                    "pop3: login refused",
                    {
                        {"client", client},
                        {"login",  login }
                }
                );
                break;
            case AuthVerdict::temporary:
                log_warning(
                    "pop3: login not checked",
                    {
                        {"client", client        },
                        {"reason", outcome.reason}
                }
                );
                break;
        }
        co_return session_.on_password_checked(outcome);
    }

    awaitable<NextStep> open_maildrop_of(pop3::OpenMaildrop request) {
        mailbox_ = {std::move(request.account), std::move(request.mailbox), 0};
        Result<OpenedMaildrop> opened =
            co_await offloaded<OpenedMaildrop>(parts_.reading, [&store = parts_.store, wanted = mailbox_] {
                return open_maildrop(store, wanted.account, wanted.mailbox);
            });
        if (!opened) {
            if (opened.error().code != ErrorCode::busy) log_failure("maildrop not opened", opened.error());
            co_return session_.on_maildrop(std::unexpected(opened.error()));
        }
        lock_ = std::move(opened->lock);
        mailbox_.uid_validity = opened->listing.uid_validity;
        rows_ = std::make_shared<SurrogateSurvey>(mailbox_, opened->listing.rows);
        co_return session_.on_maildrop(std::move(opened->listing));
    }

    awaitable<NextStep> measure() {
        auto known = std::make_shared<SurrogateSizes::Known>(
            parts_.sizes.recall(mailbox_.account, mailbox_.mailbox, mailbox_.uid_validity)
        );
        for (bool is_more = known->highest < (rows_->rows.empty() ? 0 : rows_->rows.back().uid); is_more;) {
            const Result<bool> measured =
                co_await offloaded<bool>(parts_.reading, [&store = parts_.store, survey = rows_, known] {
                    return measure_surrogates(store, *survey, measured_at_once, *known);
                });
            if (!measured) {
                log_failure("messages not measured", measured.error());
                co_return session_.on_measured(std::unexpected(measured.error()));
            }
            is_more = *measured;
        }
        std::vector<std::uint64_t> sizes;
        sizes.reserve(rows_->rows.size());
        for (const MailboxRow& row : rows_->rows)
            sizes.push_back(known->size_of(row));
        parts_.sizes.remember(mailbox_.account, mailbox_.mailbox, mailbox_.uid_validity, std::move(*known));
        co_return session_.on_measured(std::move(sizes));
    }

    awaitable<NextStep> send_message(pop3::SendMessage request) {
        const std::size_t piece_octets = options_.limits.piece_octets;
        Result<OpenedMessage> opened = co_await offloaded<OpenedMessage>(
            parts_.reading,
            [&store = parts_.store, address = MessageAddress{mailbox_, request.uid}, piece_octets] {
                return open_message(store, address, piece_octets);
            }
        );
        if (!opened) {
            log_failure("message not opened", opened.error());
            co_return session_.on_message_refused(opened.error());
        }
        MessageView view(request.form, request.body_lines);
        std::string out = std::move(request.reply);
        view.feed(opened->piece, out);
        // TOP reads to the end as well: only there it shows whether the octets were right.
        for (bool is_end = opened->is_whole; !is_end;) {
            if (!out.empty() && !co_await write(std::exchange(out, {}))) co_return std::nullopt;
            Result<std::string> piece = co_await next_piece(opened->reader);
            if (!piece) {
                // The client must not take it for the whole message, so there is no terminating line.
                log_failure("message broken off", piece.error());
                co_return std::nullopt;
            }
            is_end = piece->empty();
            view.feed(*piece, out);
        }
        view.finish(out);
        if (!co_await write(std::move(out))) co_return std::nullopt;
        co_return session_.on_message_sent();
    }

    /// Waits while the pool is full: a message half sent is not given up for that.
    awaitable<Result<std::string>> next_piece(std::shared_ptr<MessageReader> reader) {
        const SteadyTime give_up = parts_.clock.steady() + options_.timeouts.write;
        for (;;) {
            Result<std::string> piece = co_await offloaded<std::string>(
                parts_.reading,
                [reader, piece_octets = options_.limits.piece_octets] { return reader->next(piece_octets); }
            );
            const bool is_busy = !piece && piece.error().code == ErrorCode::busy;
            if (!is_busy || parts_.clock.steady() >= give_up) co_return piece;
            co_await delay(busy_pool_wait);
        }
    }

    awaitable<NextStep> expunge_and_unlock(pop3::Expunge request) {
        Result<> result;
        if (!request.uids.empty()) {
            result = co_await offloaded<void>(
                parts_.reading,
                [&store = parts_.store, mailbox = mailbox_, uids = std::move(request.uids)] {
                    return store.expunge(mailbox, uids);
                }
            );
            if (!result) log_failure("messages not deleted", result.error());
        }
        // Before the reply: the client may come back as soon as it has read it.
        lock_.reset();
        co_return session_.on_expunged(std::move(result));
    }

    void log_failure(std::string_view what, const Error& error) const {
        log_warning(
            "pop3: " + std::string(what),
            {
                {"account", mailbox_.account},
                {"mailbox", mailbox_.mailbox},
                {"reason",  error.message   }
        }
        );
    }

    std::shared_ptr<Connection> connection_;
    const Pop3Options options_;
    Pop3Parts parts_;
    Pop3Session session_;
    SteadyTime deadline_;
    std::uint64_t lines_seen_ = 0;

    ListedMailbox mailbox_{{}, {}, 0};
    std::unique_ptr<MaildropLock> lock_;
    std::shared_ptr<const SurrogateSurvey> rows_;
};

}  // namespace

awaitable<void> serve_pop3(std::shared_ptr<Connection> connection, Pop3Options options, Pop3Parts parts) {
    Pop3Driver driver(connection, std::move(options), parts);
    co_await driver.run();
    connection->close();
}

}  // namespace wicket
