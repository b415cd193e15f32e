#include "server/directory.hpp"

#include "base/text.hpp"
#include "base/unicode_names.hpp"

#include <algorithm>
#include <optional>

namespace wicket {
namespace {

constexpr std::string_view postmaster = "postmaster";

/// One look-up. A name either says nothing, or is decided: by accounts, by nobody (an alias whose targets are
/// all gone), or by a store that cannot say now. What is decided is not looked for elsewhere: an exact
/// account or alias wins, and mail must not go to a catch-all because the store stumbled.
class Search {
public:
    using Decided = std::optional<RecipientLookup>;

    Search(const Config& config, const DomainConfig& domain, AccountStore& accounts)
        : config_(config), domain_(domain), accounts_(accounts) {}

    RecipientLookup find(const std::string& local_part) {
        if (auto decided = exact(local_part)) return std::move(*decided);
        const std::size_t plus = local_part.find('+');
        const std::string base = local_part.substr(0, plus);
        if (plus != std::string::npos && plus != 0)
            if (auto decided = exact(base)) return std::move(*decided);
        if (!domain_.aliases.catch_all.empty()) {
            RecipientLookup found = targets("*", domain_.aliases.catch_all);
            if (found.standing != RecipientStanding::unknown || base != postmaster) return found;
        }
        // RFC 5321 section 4.5.1: postmaster is always accepted. Without an account or alias its mail is kept
        // under its own name, and can be read as soon as that account is added.
        if (base == postmaster) return own_postmaster();
        return {RecipientStanding::unknown, {}, {}};
    }

private:
    enum class Standing : std::uint8_t { yes, no, unsure };

    Standing is_account(const std::string& address) {
        const auto found = accounts_.find(address);
        if (found) return Standing::yes;
        return found.error().code == ErrorCode::not_found ? Standing::no : Standing::unsure;
    }

    /// An account or alias of exactly this name.
    Decided exact(const std::string& local_part) {
        const std::string address = local_part + "@" + domain_.name;
        const Standing standing = is_account(address);
        if (standing == Standing::unsure) return RecipientLookup{RecipientStanding::temporary, {}, {}};
        if (standing == Standing::yes) return RecipientLookup{RecipientStanding::ours, {address}, {}};
        const auto alias = domain_.aliases.by_local_part.find(local_part);
        if (alias == domain_.aliases.by_local_part.end()) return std::nullopt;
        RecipientLookup found = targets(address, alias->second);
        if (found.standing == RecipientStanding::unknown && local_part == postmaster) return own_postmaster();
        return found;
    }

    /// The accounts among the targets of an alias. All must be certain: nobody's copy may get lost.
    RecipientLookup targets(const std::string& alias, const std::vector<std::string>& names) {
        std::vector<std::string> found;
        for (const std::string& target : names) {
            const Standing standing = is_account(target);
            if (standing == Standing::unsure) return {RecipientStanding::temporary, {}, {}};
            if (standing == Standing::no)
                config_.missing_targets->note(alias, target);
            else if (std::ranges::find(found, target) == found.end())
                found.push_back(target);
        }
        if (found.empty()) return {RecipientStanding::unknown, {}, {}};
        return {RecipientStanding::ours, std::move(found), {}};
    }

    RecipientLookup own_postmaster() const {
        return {RecipientStanding::ours, {std::string(postmaster) + "@" + domain_.name}, {}};
    }

    const Config& config_;
    const DomainConfig& domain_;
    AccountStore& accounts_;
};

}  // namespace

bool is_postmaster_account(std::string_view account) {
    return account.substr(0, account.find('@')) == postmaster;
}

RecipientLookup look_up_recipient(const Config& config, AccountStore& accounts, const Mailbox& recipient) {
    // RFC 5321 section 4.1.1.3: "Postmaster" alone is that of this host; ours is the first domain's.
    const bool is_bare = recipient.domain().empty();
    const DomainConfig* domain = is_bare ? &config.domains.front() : config.find_domain(recipient.domain());
    if (domain == nullptr && ascii_domain(recipient.domain()) == config.hostname &&
        lower_case(recipient.local_part()) == postmaster)
        domain = &config.domains.front();
    if (domain == nullptr) return {RecipientStanding::not_ours, {}, recipient.to_string()};

    const std::string address = canonical_account_name(recipient.local_part(), domain->name);
    const std::string local_part = address.substr(0, address.size() - domain->name.size() - 1);
    RecipientLookup found = Search(config, *domain, accounts).find(local_part);
    found.address = address_text(local_part, domain->name);
    return found;
}

}  // namespace wicket
