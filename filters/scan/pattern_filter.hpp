// The scan filter "pattern": which patterns of the job's rule set the message matches. One thread; no state
// between jobs but tables of charsets.
#pragma once

#include "filters/scan/charsets.hpp"
#include "filters/scan_filter.hpp"

namespace wicket {

// Of the body as received; beyond stand attachments.
inline constexpr std::size_t pattern_raw_limit_octets = 4U << 20U;

class PatternFilter : public ScanFilter {
public:
    std::string_view name() const override { return "pattern"; }
    std::vector<FactId> needs() const override;
    /// None: the facts are those of the job's patterns.
    std::vector<FactId> makes() const override { return {}; }
    /// A fact for each pattern that matched, or that could not be decided. No questions.
    std::variant<Observation, DnsQuestions> scan(const ScanInput& input, const DnsAnswers& answers)
        const override;

private:
    IconvCharsets charsets_;
};

}  // namespace wicket
