// Bounds the questions that one domain can make us ask of others by what it writes into its SPF records and
// signatures (threats B8): by domain and minute, over all its messages. One loop; bounded.
#pragma once

#include "base/clock.hpp"
#include "base/dns.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>

namespace wicket {

// Ten a second. What a domain's records ask for again and again is not counted (see below), so a bulk sender
// makes new questions only by macros about client or recipient, one or two a message; fifteen messages that
// ask all they may, each for other names, are enough to meet it.
inline constexpr std::uint32_t sender_question_limit = 600;
inline constexpr std::chrono::seconds sender_question_window{60};

class SenderQuestions {
public:
    // 5 MB at the worst. Senders beyond it are not measured in that minute: good ones must not suffer from a
    // flood of names.
    static constexpr std::size_t senders_limit = 16'384;
    // Twice 5 MB at the worst.
    static constexpr std::size_t known_limit = 16'384;

    explicit SenderQuestions(std::uint32_t limit) : limit_(limit) {}

    /// Whether a question that the cache cannot answer may be asked on behalf of `sender`; it is counted
    /// then. Free is one that had an answer before: the names that a policy consists of are asked for again
    /// whenever their time is over, and nobody can make a domain unverifiable by forging its mail with
    /// inventions.
    bool may_ask(const std::string& sender, const DnsQuestion& question, SteadyTime now);
    /// Names that do not exist are not remembered: whoever invents names invents others each time.
    void answered(const DnsQuestion& question, const DnsAnswer& answer);

private:
    bool is_known(const DnsQuestion& question);
    void note_known(const DnsQuestion& question);

    std::uint32_t limit_;
    SteadyTime window_end_ = SteadyTime::min();
    std::map<std::string, std::uint32_t> asked_;  // in this window
    // Two generations: what was not asked for in one is forgotten with the next.
    std::set<DnsQuestion> known_;
    std::set<DnsQuestion> known_before_;
};

}  // namespace wicket
