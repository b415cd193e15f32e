#include "filters/dns_evidence.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace wicket {

void DnsEvidence::asked(DnsQuestion question, SteadyTime now) {
    const std::lock_guard lock(mutex_);
    rows_.push_back({std::move(question), now, std::nullopt});
}

void DnsEvidence::answered(const DnsQuestion& question, DnsAnswer answer) {
    const std::lock_guard lock(mutex_);
    const auto open =
        std::ranges::find_if(rows_, [&](const Row& row) { return !row.answer && row.question == question; });
    if (open != rows_.end()) open->answer = std::move(answer);
}

std::vector<DnsLookup> DnsEvidence::so_far(SteadyTime now) const {
    const std::lock_guard lock(mutex_);
    std::vector<DnsLookup> lookups;
    for (const Row& row : rows_) {
        DnsAnswer answer;
        if (row.answer) {
            answer = *row.answer;
        } else {
            const auto waited = std::chrono::duration_cast<std::chrono::microseconds>(now - row.asked_at);
            answer.micros =
                static_cast<std::uint32_t>(std::clamp<std::int64_t>(waited.count(), 0, UINT32_MAX));
            answer.reason = "no answer yet";
        }
        lookups.push_back({row.question, std::move(answer)});
    }
    return lookups;
}

}  // namespace wicket
