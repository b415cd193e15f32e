// A login attempt from beginning to end: the waits that backoff asks for, and the hash on its own bounded
// pool, so that guessing can neither go fast nor starve the loops. Runs on the caller's loop.
#pragma once

#include "auth/authenticator.hpp"
#include "auth/secret.hpp"
#include "base/clock.hpp"
#include "base/ip.hpp"
#include "net/offload_pool.hpp"

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <string>

namespace wicket {

/// What checking a password takes; all must outlive the attempt and the jobs of the pool.
struct LoginParts {
    Authenticator& authenticator;
    OffloadPool& hashing;
    const Clock& clock;
};

/// Completes when the answer may be told. A full pool gives the verdict temporary, and counts as no failure.
boost::asio::awaitable<AuthOutcome> check_login(
    LoginParts parts, std::string login, Secret password, IpAddress client
);

}  // namespace wicket
