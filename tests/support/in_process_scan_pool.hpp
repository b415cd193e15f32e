// A ScanPool for tests that runs the checks on the caller's loop, without a worker process, a sandbox or
// budgets. The release binary has no such path. One loop.
#pragma once

#include "filters/scan_filter.hpp"
#include "filters/scan_pool.hpp"
#include "mail/pattern_matcher.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace wicket::testing {

class InProcessScanPool : public ScanPool {
public:
    InProcessScanPool(
        DnsResolver& dns, std::vector<std::unique_ptr<ScanFilter>> filters, std::string hostname
    )
        : dns_(dns), filters_(std::move(filters)), hostname_(std::move(hostname)) {}

    boost::asio::awaitable<ScanOutcome> run(ScanJob job) override {
        ScanOutcome outcome;
        DnsAnswers answers;
        ++status_.jobs;
        const auto patterns = job.patterns ? PatternMatcher::compile(*job.patterns) : nullptr;
        const ScanInput input{
            .client_ip = job.client_ip,
            .client_name = job.client_name,
            .helo = job.helo,
            .mail_from = job.mail_from,
            .our_hostname = hostname_,
            .time = job.time,
            .message = job.message ? job.message->view() : std::string_view(),
            .patterns = patterns.get(),
        };
        for (const auto& [check, question] : job.hints)
            answers[question] = co_await dns_.lookup(question, job.deadline);
        for (const std::string& check : job.checks) {
            const auto filter =
                std::ranges::find_if(filters_, [&](const auto& one) { return one->name() == check; });
            if (filter == filters_.end()) {
                outcome.failed.push_back(check);
                continue;
            }
            for (bool is_open = true; is_open;) {
                ++outcome.passes;
                auto result = (*filter)->scan(input, answers);
                if (auto* const observation = std::get_if<Observation>(&result)) {
                    for (auto& fact : observation->facts)
                        outcome.observation.facts.push_back(std::move(fact));
                    is_open = false;
                    continue;
                }
                for (const DnsQuestion& question : std::get<DnsQuestions>(result))
                    answers[question] = co_await dns_.lookup(question, job.deadline);
            }
        }
        status_.passes += outcome.passes;
        status_.questions += answers.size();
        for (auto& [question, answer] : answers)
            outcome.observation.lookups.push_back({question, std::move(answer)});
        co_return outcome;
    }

    ScanPoolStatus status() const override { return status_; }
    void stop() override {}

private:
    DnsResolver& dns_;
    std::vector<std::unique_ptr<ScanFilter>> filters_;
    std::string hostname_;
    ScanPoolStatus status_;
};

}  // namespace wicket::testing
