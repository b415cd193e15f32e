// Watches what each rule refuses, and says when one has gone wrong: a list that lists the world, a rule with
// a slip. Such a rule goes into shadow by itself, for a day or until somebody resets it. Counts for each hour
// and rule are kept for a week; state goes into a text and comes back after a restart. Knows nothing of rules
// but their ids. One thread.
#pragma once

#include "base/clock.hpp"

#include <cstdint>
#include <list>
#include <map>
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
// A sender is known to be good after so many accepted messages that its domain has vouched for (DKIM or SPF),
// in so many different hours: what comes at once and never again is no custom. One message that somebody has
// labelled ham is enough.
inline constexpr std::uint32_t breaker_good_after = 5;
inline constexpr std::uint32_t breaker_good_hours = 2;
// So many known good domains refused by one rule within an hour, each from a network of its own, and so much
// of all that it refused.
inline constexpr std::uint64_t breaker_least_good = 5;
inline constexpr double breaker_good_share = 0.25;
// After this the rule is tried again.
inline constexpr std::chrono::hours breaker_pause{24};
// Who resets a rule has found it right. After two days of a week its new share is its own past: five times as
// much would be over 100 %.
inline constexpr std::chrono::hours breaker_rest{48};
// Tables are bounded: ids come from rule files, domains and networks from peers.
inline constexpr std::size_t breaker_rules_limit = 2'000;
inline constexpr std::size_t breaker_domains_limit = 50'000;   // known good ones, and as many strangers
inline constexpr std::size_t breaker_networks_limit = 20'000;  // an hour and rule

struct TrippedRule {
    std::string rule;
    WallTime since{};
    WallTime until{};
    std::string reason;
};

/// Domains by how often their mail was accepted. Full, it forgets the one that was not seen for the longest
/// time: of the strangers, or of those that are known to be good.
class KnownSenders {
public:
    KnownSenders() = default;
    KnownSenders(KnownSenders&&) = default;
    KnownSenders& operator=(KnownSenders&&) = default;
    void note_accepted(const std::string& domain, std::int64_t hour);
    /// Good from now on: somebody has said so.
    void note_good(const std::string& domain, std::int64_t hour);
    bool is_good(const std::string& domain) const;
    std::size_t size() const { return by_domain_.size(); }

private:
    struct Sender {
        std::string domain;
        std::uint32_t messages = 0;
        std::uint32_t hours = 0;
        std::int64_t last_hour = -1;
        bool is_good() const { return messages >= breaker_good_after && hours >= breaker_good_hours; }
    };
    void add(const std::string& domain, std::int64_t hour, std::uint32_t messages, std::uint32_t hours);
    void forget_oldest(std::list<Sender>& senders);

    std::list<Sender> strangers_;  // the last seen at the end
    std::list<Sender> good_;
    std::unordered_map<std::string, std::list<Sender>::iterator> by_domain_;
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
    /// Somebody has called mail ham that these domains vouch for.
    void note_ham(const std::vector<std::string>& proven_domains, WallTime now);

    /// Those in shadow now; what is over is forgotten.
    std::vector<TrippedRule> tripped(WallTime now);
    /// False if it was not tripped. Its past stays; the hour at hand begins anew, and for `breaker_rest` it
    /// does not trip again.
    bool reset(const std::string& rule, WallTime now);
    /// The rules there are from now on. Forgets others, and those whose text has changed; the past of a new
    /// one begins now.
    void watch(const std::set<std::string>& rules, WallTime now);

    std::string save() const;
    /// What save() gave, however long ago; text that is none of it is passed over.
    void restore(std::string_view text);

private:
    struct Hour {
        std::int64_t hour = 0;  // since 1970
        std::uint64_t count = 0;
    };
    struct Watched {
        std::int64_t first_hour = 0;  // that it was there
        WallTime rests_until{};
        std::vector<Hour> past;  // ended hours with refusals, oldest first
        Hour now;
        std::set<std::uint64_t> networks;       // of this hour
        std::set<std::string> good;             // known good domains refused this hour, each
        std::set<std::uint64_t> good_networks;  // from one of these
        void begin_hour(std::int64_t hour);
    };
    void begin_hour(std::int64_t hour);
    /// nullptr if the table is full.
    Watched* watched_of(const std::string& rule, std::int64_t first_hour);
    std::string fault_of(const Watched& watched, std::int64_t hour) const;
    static std::uint64_t sum_since(const std::vector<Hour>& hours, std::int64_t first);

    std::int64_t hour_ = 0;
    std::vector<Hour> all_;  // senders of all mail, as Watched::past
    Hour all_now_;
    std::set<std::uint64_t> all_networks_;
    std::map<std::string, Watched> rules_;
    KnownSenders senders_;
    std::map<std::string, TrippedRule> tripped_;
};

}  // namespace wicket
