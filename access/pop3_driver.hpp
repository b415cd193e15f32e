// Performs what a Pop3Session asks for: reads, writes, TLS, passwords, the store. One coroutine a connection,
// on its loop; whatever may block runs on a pool. Never holds a whole message. Logs logins, never passwords.
#pragma once

#include "access/pop3_options.hpp"
#include "access/surrogate_sizes.hpp"
#include "auth/authenticator.hpp"
#include "base/clock.hpp"
#include "net/connection.hpp"
#include "net/offload_pool.hpp"
#include "store/mail_store.hpp"

#include <boost/asio/awaitable.hpp>

#include <memory>

namespace wicket {

/// What all sessions share. The parts must outlive every session and every job of the pools.
struct Pop3Parts {
    MailStore& store;
    Authenticator& authenticator;
    OffloadPool& hashing;  // small and bounded: a full one answers [SYS/TEMP]
    OffloadPool& reading;  // for the store
    SurrogateSizes& sizes;
    const Clock& clock;
};

/// Serves one connection until it ends, and closes it. Works the same under implicit TLS, when
/// connection->tls() is on.
boost::asio::awaitable<void> serve_pop3(
    std::shared_ptr<Connection> connection, Pop3Options options, Pop3Parts parts
);

}  // namespace wicket
