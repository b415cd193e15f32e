// The front's half of the checks that run in the scan workers: Filters that hand their inputs to the pool and
// bring back what the workers found. A job costs more in its way to the worker and back than in the check, so
// checks that begin at the same moment share one: SPF, which could begin at MAIL, waits for the message
// unless an answer before depends on it.
#pragma once

#include "filters/filter.hpp"
#include "filters/scan_pool.hpp"

#include <memory>

namespace wicket {

/// Runs the checks that begin together as one job of the pool. Shared by all checks of one server; any loop.
class ScanTogether : public FilterGroup {
public:
    /// `pool` nullptr where the graph is only to be checked; `dictionary` nullptr: the core facts alone.
    explicit ScanTogether(
        std::shared_ptr<ScanPool> pool, std::shared_ptr<const FactDictionary> dictionary = nullptr
    )
        : pool_(std::move(pool)), dictionary_(std::move(dictionary)) {}

    boost::asio::awaitable<std::vector<Observation>> examine_together(
        std::vector<const Filter*> members, FactsSnapshot facts, FilterTools tools
    ) const override;

private:
    std::shared_ptr<ScanPool> pool_;
    std::shared_ptr<const FactDictionary> dictionary_;
};

/// What such checks have in common.
class ScanCheck : public Filter {
public:
    explicit ScanCheck(std::shared_ptr<const ScanTogether> scans) : scans_(std::move(scans)) {}

    std::chrono::milliseconds timeout() const override { return std::chrono::seconds(15); }
    const FilterGroup* group() const override { return scans_.get(); }
    boost::asio::awaitable<Observation> examine(FactsSnapshot facts, FilterTools tools) const override;

    /// Adds itself to the job, or says in `seen` what can be said without a worker.
    virtual void join(ScanJob& job, const Facts& facts, const FilterTools& tools, Observation& seen)
        const = 0;

private:
    std::shared_ptr<const ScanTogether> scans_;
};

class SpfCheck : public ScanCheck {
public:
    using ScanCheck::ScanCheck;

    std::string_view name() const override { return "spf"; }
    std::vector<FactId> needs() const override;
    std::vector<FactId> makes() const override;
    bool can_wait() const override { return true; }
    std::vector<DnsQuestion> foresee(const Facts& facts) const override;
    void join(ScanJob& job, const Facts& facts, const FilterTools& tools, Observation& seen) const override;
};

class DkimCheck : public ScanCheck {
public:
    using ScanCheck::ScanCheck;

    std::string_view name() const override { return "dkim"; }
    std::vector<FactId> needs() const override;
    std::vector<FactId> makes() const override;
    void join(ScanJob& job, const Facts& facts, const FilterTools& tools, Observation& seen) const override;
};

/// Looks for the patterns of a rule set in the message. Only where there are any.
class PatternCheck : public ScanCheck {
public:
    PatternCheck(std::shared_ptr<const ScanTogether> scans, std::shared_ptr<const PatternSet> patterns)
        : ScanCheck(std::move(scans)), patterns_(std::move(patterns)) {}

    std::string_view name() const override { return "pattern"; }
    std::vector<FactId> needs() const override;
    std::vector<FactId> makes() const override;
    void join(ScanJob& job, const Facts& facts, const FilterTools& tools, Observation& seen) const override;

private:
    std::shared_ptr<const PatternSet> patterns_;
};

}  // namespace wicket
