// The scan filter "dkim": which domains answer for the message (RFC 6376, 8301, 8463). One thread; no state
// between jobs but decoded keys.
#pragma once

#include "filters/scan_filter.hpp"

#include <memory>

namespace wicket {

// More names in one h= than any signer lists; picking fields costs this times their number.
inline constexpr std::size_t dkim_signed_fields_limit = 256;

class DkimFilter : public ScanFilter {
public:
    DkimFilter();
    ~DkimFilter() override;

    std::string_view name() const override { return "dkim"; }
    std::vector<FactId> needs() const override;
    std::vector<FactId> makes() const override;
    /// dkim.signatures, dkim.results (a row for each signature that is looked at), dkim.pass and dkim.weak.
    /// Questions: one key for each well-formed signature, all at once.
    std::variant<Observation, DnsQuestions> scan(const ScanInput& input, const DnsAnswers& answers)
        const override;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace wicket
