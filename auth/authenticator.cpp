#include "auth/authenticator.hpp"

#include "auth/password.hpp"
#include "base/text.hpp"
#include "base/unicode_names.hpp"
#include "mail/address.hpp"

#include <utility>

namespace wicket {
namespace {

constexpr std::string_view junk_suffix = "+junk";

/// What failures of an address are counted under: one name for all spellings that could open the same
/// account. Made without a look at the accounts, so that nothing shows which of them exist.
std::string counted_name(const Mailbox& address) {
    std::string name = folded_name(address.local_part());
    while (name.ends_with(junk_suffix))
        name.resize(name.size() - junk_suffix.size());
    return name + "@" + ascii_domain(address.domain());
}

}  // namespace

Authenticator::Authenticator(AccountDirectory& directory, const Clock& clock, BackoffLimits limits)
    : directory_(directory), backoff_(clock, limits) {}

Result<std::optional<Authenticator::Candidate>> Authenticator::look_up(
    std::string_view local_part, std::string_view domain
) {
    auto exact = directory_.find(local_part, domain);
    if (!exact) return std::unexpected(exact.error());
    if (*exact) return Candidate{std::move(**exact), "INBOX"};

    const std::size_t plus = local_part.rfind('+');
    if (plus == std::string_view::npos || !equal_ignoring_case(local_part.substr(plus + 1), "Junk"))
        return std::nullopt;
    auto base = directory_.find(local_part.substr(0, plus), domain);
    if (!base) return std::unexpected(base.error());
    if (!*base) return std::nullopt;
    return Candidate{std::move(**base), "Junk"};
}

AuthOutcome Authenticator::verify(
    std::string_view login, std::string_view password, const IpAddress& client
) {
    AuthOutcome outcome;
    std::optional<Candidate> candidate;
    std::string counted = lower_case(login);  // what is no address opens nothing
    if (const auto address = parse_mailbox(login, AddressCharset::utf8)) {
        counted = counted_name(*address);
        auto found = look_up(address->local_part(), address->domain());
        if (!found) {
            outcome.reason = found.error().message;
            return outcome;
        }
        candidate = std::move(*found);
    }

    bool matches = false;
    hash_count_.fetch_add(1, std::memory_order_relaxed);
    if (candidate) {
        const auto verified = verify_password(password, candidate->record.password_hash);
        if (!verified) {
            outcome.reason = candidate->record.account + ": " + verified.error().message;
            return outcome;
        }
        matches = *verified;
    } else {
        verify_nothing(password);
    }
    if (matches) {
        outcome.verdict = AuthVerdict::accepted;
        outcome.account = std::move(candidate->record.account);
        outcome.mailbox = std::move(candidate->mailbox);
    } else {
        outcome.verdict = AuthVerdict::refused;
        outcome.delay = backoff_.failed(client, counted);
    }
    return outcome;
}

}  // namespace wicket
