#include "server/directory.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace wicket {
namespace {

constexpr std::string_view postmaster = "postmaster";

/// One look-up; remembers whether the store ever failed to answer.
class Search {
public:
    Search(const DomainConfig& domain, AccountStore& accounts) : domain_(domain), accounts_(accounts) {}

    bool is_account(const std::string& address) {
        const auto found = accounts_.find(address);
        if (!found && found.error().code != ErrorCode::not_found) is_uncertain_ = true;
        return found.has_value();
    }

    /// The existing ones among the targets of an alias.
    std::vector<std::string> existing(const std::vector<std::string>& targets) {
        std::vector<std::string> found;
        for (const std::string& target : targets)
            if (is_account(target) && std::ranges::find(found, target) == found.end())
                found.push_back(target);
        return found;
    }

    /// An account or alias of exactly this name.
    std::vector<std::string> exact(const std::string& local_part) {
        const std::string address = local_part + "@" + domain_.name;
        if (is_account(address)) return {address};
        const auto alias = domain_.aliases.by_local_part.find(local_part);
        if (alias == domain_.aliases.by_local_part.end()) return {};
        return existing(alias->second);
    }

    std::vector<std::string> find(const std::string& local_part) {
        std::vector<std::string> found = exact(local_part);
        if (!found.empty()) return found;
        const std::size_t plus = local_part.find('+');
        const std::string base = local_part.substr(0, plus);
        if (plus != std::string::npos && plus != 0) found = exact(base);
        if (!found.empty()) return found;
        found = existing(domain_.aliases.catch_all);
        if (!found.empty()) return found;
        // RFC 5321 section 4.5.1: postmaster is always accepted. Without an account or alias its mail is kept
        // under its own name, and can be read as soon as that account is added.
        if (base == postmaster && !is_uncertain_) return {std::string(postmaster) + "@" + domain_.name};
        return {};
    }

    bool is_uncertain() const { return is_uncertain_; }

private:
    const DomainConfig& domain_;
    AccountStore& accounts_;
    bool is_uncertain_ = false;
};

}  // namespace

RecipientLookup look_up_recipient(const Config& config, AccountStore& accounts, const Mailbox& recipient) {
    // RFC 5321 section 4.1.1.3: "Postmaster" alone is that of this host; ours is the first domain's.
    const bool is_bare = recipient.domain().empty();
    const DomainConfig* domain = is_bare ? &config.domains.front() : config.find_domain(recipient.domain());
    if (domain == nullptr && recipient.domain() == config.hostname &&
        lower_case(recipient.local_part()) == postmaster)
        domain = &config.domains.front();
    if (domain == nullptr) return {RecipientStanding::not_ours, {}, recipient.to_string()};

    const std::string address = canonical_account_name(recipient.local_part(), domain->name);
    const std::string local_part = address.substr(0, address.size() - domain->name.size() - 1);
    Search search(*domain, accounts);
    std::vector<std::string> found = search.find(local_part);
    if (!found.empty()) return {RecipientStanding::ours, std::move(found), address};
    return {search.is_uncertain() ? RecipientStanding::temporary : RecipientStanding::unknown, {}, address};
}

}  // namespace wicket
