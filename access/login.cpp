#include "access/login.hpp"

#include "net/delay.hpp"

#include <chrono>
#include <utility>

namespace wicket {
namespace {

/// Shared with the job, which may outlive the session that asked.
struct Attempt {
    std::string login;
    Secret password;
    IpAddress client;
    AuthOutcome outcome;
};

}  // namespace

boost::asio::awaitable<AuthOutcome> check_login(
    LoginParts parts, std::string login, Secret password, IpAddress client
) {
    const SteadyTime begin = parts.clock.steady();
    co_await delay(parts.authenticator.delay_before(client));

    auto attempt = std::make_shared<Attempt>(std::move(login), std::move(password), client, AuthOutcome{});
    Authenticator& authenticator = parts.authenticator;
    const Result<> ran = co_await parts.hashing.run([attempt, &authenticator] {
        attempt->outcome = authenticator.verify(attempt->login, attempt->password.view(), attempt->client);
    });
    if (!ran) {
        AuthOutcome outcome;
        outcome.reason = ran.error().message;
        co_return outcome;
    }
    const auto passed = parts.clock.steady() - begin;
    co_await delay(std::chrono::ceil<std::chrono::milliseconds>(attempt->outcome.delay - passed));
    co_return attempt->outcome;
}

}  // namespace wicket
