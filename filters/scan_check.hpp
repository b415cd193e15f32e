// The front's half of the checks that run in the scan workers: a Filter that hands its inputs to the pool and
// brings back what the workers found. SPF runs at MAIL, DKIM when the message is here.
#pragma once

#include "filters/filter.hpp"
#include "filters/scan_pool.hpp"

#include <atomic>
#include <memory>

namespace wicket {

/// What jobs tell the visit besides facts; shared by all checks of one server.
struct ScanTotals {
    std::atomic<std::uint64_t> jobs = 0;
    std::atomic<std::uint64_t> passes = 0;
};

/// What both have in common: the pool they ask and what they count.
class ScanCheck : public Filter {
public:
    ScanCheck(std::shared_ptr<ScanPool> pool, std::shared_ptr<ScanTotals> totals)
        : pool_(std::move(pool)), totals_(std::move(totals)) {}

    std::chrono::milliseconds timeout() const override { return std::chrono::seconds(15); }

protected:
    boost::asio::awaitable<Observation> run(ScanJob job) const;

private:
    std::shared_ptr<ScanPool> pool_;
    std::shared_ptr<ScanTotals> totals_;
};

class SpfCheck : public ScanCheck {
public:
    using ScanCheck::ScanCheck;

    std::string_view name() const override { return "spf"; }
    std::vector<FactId> needs() const override;
    std::vector<FactId> makes() const override;
    boost::asio::awaitable<Observation> examine(FactsSnapshot facts, FilterTools tools) const override;
};

class DkimCheck : public ScanCheck {
public:
    using ScanCheck::ScanCheck;

    std::string_view name() const override { return "dkim"; }
    std::vector<FactId> needs() const override;
    std::vector<FactId> makes() const override;
    boost::asio::awaitable<Observation> examine(FactsSnapshot facts, FilterTools tools) const override;
};

}  // namespace wicket
