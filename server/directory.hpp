// Who is ours: accounts, aliases, plus-addressing, catch-all, postmaster. Reads the configuration it is given
// and the account store; owns neither. Any thread.
#pragma once

#include "mail/address.hpp"
#include "server/config.hpp"
#include "store/accounts.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace wicket {

enum class RecipientStanding : std::uint8_t {
    ours,       // `accounts` get the mail
    unknown,    // our domain, nobody of that name, or an alias whose targets are all gone: 550 5.1.1
    not_ours,   // another domain: 550 5.7.1, we do not relay
    temporary,  // the store cannot say now: 451
};

struct RecipientLookup {
    RecipientStanding standing;
    std::vector<std::string> accounts;  // canonical names, each once
    std::string
        address;  // as it is shown: folded, quoted only if it must be, with the domain of a <postmaster>
};

/// Order: an exact account or alias, then the local part before "+", then the catch-all, then postmaster. Of
/// an alias with several targets those that exist get the mail; the others are counted and logged
/// (Config::missing_targets).
RecipientLookup look_up_recipient(const Config& config, AccountStore& accounts, const Mailbox& recipient);

/// Whether mail is kept under this canonical name though there may be no such account (RFC 5321
/// section 4.5.1).
bool is_postmaster_account(std::string_view account);

}  // namespace wicket
