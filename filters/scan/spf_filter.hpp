// The scan filter "spf": whether the client may use the name it greets with and the reverse-path it gives
// (RFC 7208). One thread; no state between jobs.
#pragma once

#include "filters/scan/spf_evaluation.hpp"
#include "filters/scan_filter.hpp"

#include <memory>

namespace wicket {

class SpfFilter : public ScanFilter {
public:
    SpfFilter();
    ~SpfFilter() override;

    std::string_view name() const override { return "spf"; }
    std::vector<FactId> needs() const override;
    std::vector<FactId> makes() const override;
    /// spf.result, spf.helo.result, spf.explanation of a fail and spf.permits_all of a pass of the
    /// reverse-path. At most spf_question_limit questions over all passes.
    std::variant<Observation, DnsQuestions> scan(const ScanInput& input, const DnsAnswers& answers)
        const override;

private:
    std::unique_ptr<SpfEvaluator> evaluator_;
};

}  // namespace wicket
