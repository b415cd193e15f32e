// Watches what each rule refuses, and says when one has gone wrong: a list that lists the world, a rule with
// a slip. Such a rule goes into shadow by itself, for a day or until somebody resets it. Counts for each hour
// and rule are kept for a week; state goes into a text and comes back after a restart. Knows nothing of rules
// but their ids. One thread.
#pragma once

#include "base/clock.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace wicket {

// Below so many refusals an hour, from different networks, nothing has happened yet: a human looks sooner.
inline constexpr std::uint64_t breaker_least_refusals = 50;
// A flood of spam makes a good rule's refusals many, but hardly its share of all mail: so the share is
// compared, and a rule must refuse at least a fifth of all senders, and five times its share of the earlier
// days.
inline constexpr double breaker_least_share = 0.2;
inline constexpr double breaker_share_factor = 5;
// A rule's own past counts once it is two days old: less is no history.
inline constexpr int breaker_history_hours = 48;
inline constexpr int breaker_kept_hours = 7 * 24;
// A sender is known to be good after so many accepted messages that its domain has vouched for (DKIM or SPF).
inline constexpr std::uint32_t breaker_good_after = 5;
// So many known good domains refused by one rule within an hour, and so much of all that it refused.
inline constexpr std::uint64_t breaker_least_good = 5;
inline constexpr double breaker_good_share = 0.25;
// After this the rule is tried again.
inline constexpr std::chrono::hours breaker_pause{24};
// Tables are bounded: ids come from rule files, domains and networks from peers.
inline constexpr std::size_t breaker_rules_limit = 2'000;
inline constexpr std::size_t breaker_domains_limit = 100'000;
inline constexpr std::size_t breaker_networks_limit = 20'000;  // an hour and rule

struct TrippedRule {
    std::string rule;
    WallTime since{};
    WallTime until{};
    std::string reason;
};

class CircuitBreaker {
public:
    /// What came of one transaction or connection.
    struct Outcome {
        WallTime time{};
        std::uint64_t network = 0;  // a hash of the client's network
        bool is_accepted = false;
        std::vector<std::string> deciding = {};        // the rules that refused it; none if no rule did
        std::vector<std::string> proven_domains = {};  // that DKIM or SPF vouch for
    };
    /// The rules that trip by this one.
    std::vector<TrippedRule> note(const Outcome& outcome);

    /// Those in shadow now; what is over is forgotten.
    std::vector<TrippedRule> tripped(WallTime now);
    /// False if it was not tripped. Its counts begin anew.
    bool reset(const std::string& rule);
    /// Forgets rules that are not among these any more, or whose text has changed.
    void keep_only(const std::set<std::string>& rules);

    std::string save() const;
    /// What save() gave, however long ago; text that is none of it is passed over.
    void restore(std::string_view text);

private:
    struct Hour {
        std::int64_t hour = 0;  // since 1970
        std::uint64_t count = 0;
    };
    struct Watched {
        std::vector<Hour> past;  // ended hours with refusals, oldest first
        Hour now;
        std::set<std::uint64_t> networks;  // of this hour
        std::set<std::string> good;        // known good domains refused this hour
    };
    void begin_hour(std::int64_t hour);
    std::string fault_of(const Watched& watched, std::int64_t hour) const;
    static std::uint64_t sum_since(const std::vector<Hour>& hours, std::int64_t first);

    std::int64_t hour_ = 0;
    std::vector<Hour> all_;  // senders of all mail, as Watched::past
    Hour all_now_;
    std::set<std::uint64_t> all_networks_;
    std::map<std::string, Watched> rules_;
    std::unordered_map<std::string, std::uint32_t> accepted_;  // by proven domain
    std::map<std::string, TrippedRule> tripped_;
};

}  // namespace wicket
