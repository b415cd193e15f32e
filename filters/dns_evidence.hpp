// The questions that a filter has asked so far, those without an answer included: what is left to be recorded
// of a filter that is late. Shared by the chain, the filter, and the loop that asks for it; any thread.
#pragma once

#include "base/clock.hpp"
#include "base/dns.hpp"

#include <mutex>
#include <optional>
#include <vector>

namespace wicket {

class DnsEvidence {
public:
    void asked(DnsQuestion question, SteadyTime now);
    void answered(const DnsQuestion& question, DnsAnswer answer);
    /// In the order of the questions. One that is still open counts as try_again after the time so far.
    std::vector<DnsLookup> so_far(SteadyTime now) const;

private:
    struct Row {
        DnsQuestion question;
        SteadyTime asked_at;
        std::optional<DnsAnswer> answer;
    };

    mutable std::mutex mutex_;
    std::vector<Row> rows_;
};

}  // namespace wicket
